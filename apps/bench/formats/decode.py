"""`spikewire bench decode`: events per second of every decoder and filter, beside other libraries.

One recording of the simulated camera is written in every format and read back whole: by this
package (decoding and checking, from the file), and by other libraries, each timed inside a process
of its own. A reader that gives other events than were written is timed too, and called wrong.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import track
from rich.table import Table

from spikewire.apps.bench.formats.encode import RECORDINGS
from spikewire.apps.bench.formats.rivals import ALONE, RIVALS, time_rival
from spikewire.apps.cli.errors import DONE
from spikewire.apps.cli.figures import new_figure
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, output_report, stderr_console
from spikewire.apps.cli.warmup import load_kernels

if TYPE_CHECKING:
    from spikewire.sensors import Events

WANTED = 20e6
FILTERS = (
    "refractory:1ms", "background:5ms", "hot", "polarity:on", "crop:10,10,100x100",
    "downsample:4", "flip:xy", "transpose", "rate:50k",
)  # fmt: skip

_ENCODINGS = {"DAT version 1": "dat", "DAT version 2": "dat", "EVT 2.0": "evt2", "EVT 3.0": "evt3"}
_ALONE = {"HDF5": "h5py", "ROS 1 bag": "rosbags"}
_MOST_ROUNDS_ALONE = 2


def decode(
    events: Annotated[
        int, typer.Option(min=10_000, max=8_000_000, help="Number of events of the recording.")
    ] = 4_000_000,
    rounds: Annotated[
        int, typer.Option(min=1, max=100, help="Rounds, of which the fastest counts.")
    ] = 5,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Draw the effect of each filter (needs spikewire\\[plot])."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Time every decoder and filter, beside other libraries where they decode correctly."""
    if plot is not None:
        new_figure(1, 1)  # before the work, not after
    load_kernels()
    truth = _recording(events)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (suffix, write) in track(
            RECORDINGS.items(),
            "decoders",
            console=stderr_console(),
            transient=True,
            disable=as_json,
        ):
            path = Path(folder) / f"recording{suffix}"
            write(truth, path)
            rows.append(_decoder(name, path, truth, rounds))
            path.unlink()
    filters = [_filter(name, truth, rounds) for name in FILTERS]
    if plot is not None:
        _draw(plot)
    report = {
        "bench": "decode", "events": len(truth), "wanted": WANTED, "decoders": rows,
        "filters": filters,
        "versions": {
            name: rival.version for name, rival in {**RIVALS, **ALONE}.items() if rival.installed
        },
        "met": all(row["met"] for row in rows) and all(row["met"] for row in filters),
    }  # fmt: skip
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


def _recording(count: int) -> Events:
    """Return a long recording: two seconds of the simulator, repeated."""
    import numpy as np

    from spikewire.sensors import simulate

    part = simulate("air_drums", seconds=2)
    times = -(-count // len(part))
    whole = np.concatenate([part] * times)[:count]
    # Squeezed so that the times of all formats hold it, N-MNIST's 8.4 s.
    span = 8_000_000 / times
    whole["t"] = (np.arange(len(whole)) // len(part)) * span + whole["t"] * (span / 2_000_000)
    return whole


def _best(rounds: int, work: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def _decoder(name: str, path: Path, truth: Events, rounds: int) -> dict[str, Any]:
    from spikewire.sensors import open_recording

    def ours() -> None:
        for _ in open_recording(path, size=(128, 128)).chunks():
            pass

    row: dict[str, Any] = {"format": name, "bytes": path.stat().st_size}
    row["exact"] = _same(path, truth)
    row["spikewire"] = round(len(truth) / _best(rounds, ours))
    for other in RIVALS:
        timed = time_rival(other, path, _ENCODINGS.get(name, ""), truth, rounds)
        row[f"{other}_right"] = timed.exact
        row[f"{other}_verdict"] = timed.verdict
        row[other] = None if timed.rate is None else round(timed.rate)
    if name in _ALONE:
        timed = time_rival(_ALONE[name], path, "", truth, min(rounds, _MOST_ROUNDS_ALONE))
        row["alone"] = {
            "library": _ALONE[name], "verdict": timed.verdict,
            "events_per_s": None if timed.rate is None else round(timed.rate),
        }  # fmt: skip
    rivals = [row[other] for other in RIVALS if row[f"{other}_right"]]
    row["times_the_next"] = round(row["spikewire"] / max(rivals), 2) if rivals else None
    row["met"] = bool(
        row["exact"] and row["spikewire"] >= WANTED and row["spikewire"] >= max(rivals, default=0)
    )
    return row


def _same(path: Path, truth: Events) -> bool:
    from spikewire.sensors import SensorError, open_recording

    try:
        got = open_recording(path, size=(128, 128)).read()
    except SensorError:
        return False
    return len(got) == len(truth) and bool((got == truth).all())


def _filter(name: str, truth: Events, rounds: int) -> dict[str, Any]:
    from spikewire.sensors import make_chain

    passed = 0

    def run() -> None:
        nonlocal passed
        chain = make_chain([name], (128, 128))
        passed = sum(len(chain.apply(truth[n : n + 8192])) for n in range(0, len(truth), 8192))

    rate = round(len(truth) / _best(rounds, run))
    return {
        "filter": name, "events_per_s": rate, "kept": round(passed / len(truth), 4),
        "met": rate >= WANTED,
    }  # fmt: skip


def _draw(path: Path) -> None:
    """Draw 80 ms of a noisy camera, before and after each filter: ON white, OFF black."""
    import numpy as np

    from spikewire.sensors import Camera, Conditions, make_chain

    camera = Camera(seed=4, conditions=Conditions(noise=12.0))
    seen = camera.see("right_hand_wave", 3_080_000)
    names = ("", *FILTERS)
    figure = new_figure(12, 5.4)
    axes = figure.subplots(2, 5)
    for name, axis in zip(names, axes.reshape(-1), strict=True):
        chain = make_chain([name] if name else [], (128, 128))
        out = chain.apply(seen)
        late = out[out["t"] >= 3_000_000]
        image = np.full(chain.size[::-1], 0.5)
        image[late["y"], late["x"]] = late["p"]
        axis.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(f"{name or 'before'}: {len(late):,}", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(path, dpi=90)


def _print(report: dict[str, Any]) -> None:
    out = console()
    names = [name for name, rival in RIVALS.items() if rival.installed]
    table = Table("format", "spikewire", *names, "times the next", "met")
    for row in report["decoders"]:
        others = [
            "-" if row[other] is None
            else f"{row[other] / 1e6:.0f}" + ("" if row[f"{other}_right"] else " (wrong)")
            for other in names
        ]  # fmt: skip
        ahead = "-" if row["times_the_next"] is None else f"{row['times_the_next']:.1f}"
        mine = f"{row['spikewire'] / 1e6:.0f}" + ("" if row["exact"] else " (wrong)")
        table.add_row(row["format"], mine, *others, ahead, "yes" if row["met"] else "no")
    out.print(table)
    for row in report["decoders"]:
        if row.get("alone"):
            alone = row["alone"]
            told = alone["verdict"] if alone["events_per_s"] is None else (
                f"{alone['events_per_s'] / 1e6:.1f} ({alone['verdict']})"
            )  # fmt: skip
            out.print(f"{row['format']}: {alone['library']} alone {told}")
    absent = [name for name, rival in RIVALS.items() if not rival.installed]
    if absent:
        out.print(f"not installed: {', '.join(absent)}")
    table = Table("filter", "events", "kept", "met")
    for row in report["filters"]:
        met = "yes" if row["met"] else "no"
        table.add_row(row["filter"], f"{row['events_per_s'] / 1e6:.0f}", f"{row['kept']:.1%}", met)
    out.print(table)
    out.print(f"millions of events per second, {report['events']:,} events, one core")
