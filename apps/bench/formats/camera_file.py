"""`spikewire bench camera`: a file of a large, fast camera, from its bytes to the results.

The file is replayed as ``spikewire replay`` does it, by a frozen network and by one that learns
from labels that change. Decoding alone is timed beside it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer
from rich.table import Table

from spikewire.apps.bench.machine import machine
from spikewire.apps.cli.errors import DONE
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, output_report
from spikewire.apps.cli.warmup import load_kernels

if TYPE_CHECKING:
    from spikewire.sensors import Events

SIZE = (1280, 720)
WANTED = 2.0
SCENES = ("edges", "noise")
_EDGES = 30
# A label's first 100 ms are not learned from (``burn_in`` of edge and gestures).
_LABEL_US = 200_000


def camera(
    rate: Annotated[float, typer.Option(min=1e5, max=2e8, help="Events per second.")] = 50e6,
    events: Annotated[
        int, typer.Option(min=10_000, max=100_000_000, help="Number of events of the recording.")
    ] = 20_000_000,
    rounds: Annotated[
        int, typer.Option(min=1, max=100, help="Rounds, of which the fastest counts.")
    ] = 5,
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="The network.")] = "gestures",
    suffix: Annotated[
        str, typer.Option(help="Format of the file, as the suffix of its name.")
    ] = ".raw",
    as_json: Json = False,
) -> None:
    """Time a recording of a 1280x720 camera from its file to the results, frozen and learning."""
    load_kernels()
    from spikewire.sensors import write_events

    rows = []
    for scene in SCENES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"camera{suffix}"
            write_events([make_scene(scene, events, rate)], path, SIZE)
            rows.append({"scene": scene, **_measure(path, model, rounds, events / rate)})
    report = {
        "bench": "camera", "machine": machine(), "size": list(SIZE), "rate": rate,
        "events": events, "suffix": suffix, "model": model, "wanted": WANTED, "scenes": rows,
        "met": all(rows[0][f"{mode}_times_real_time"] >= WANTED for mode in ("frozen", "learning")),
    }  # fmt: skip
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


def make_scene(scene: str, count: int, rate: float) -> Events:
    """Return events of a 1280x720 camera that reads out its pixels row by row.

    Parameters
    ----------
    scene
        ``"edges"``: thirty upright edges that move on by a pixel in a millisecond. ``"noise"``: all
        pixels.
    count, rate
        How many events, and how many a second.
    """
    import numpy as np

    from spikewire.sensors import EVENT_DTYPE

    rng = np.random.default_rng(1)
    made = np.zeros(count, EVENT_DTYPE)
    t = (np.arange(count) * (1e6 / rate)).astype(np.int64)
    # A row is read out in a microsecond, or in as long as an event takes.
    readout = np.cumsum(np.diff(t, prepend=t[0]) > 0)
    row = rng.integers(0, SIZE[1], int(readout[-1]) + 1)[readout]
    if scene == "noise":
        x = rng.integers(0, SIZE[0], count)
    else:
        edge = rng.integers(0, _EDGES, count) * (SIZE[0] // _EDGES)
        x = (edge + t // 1000 + rng.integers(0, 3, count)) % SIZE[0]
    order = np.lexsort((x, t))
    made["t"], made["x"], made["y"] = t, x[order], row
    made["p"] = (made["x"] + made["y"] + (t >> 4)) & 1
    return made


def _measure(path: Path, model: str, rounds: int, seconds: float) -> dict[str, Any]:
    from spikewire.sensors import Excerpt, FileSource, Label, open_recording

    def decode() -> None:
        for _ in open_recording(path, size=SIZE).chunks():
            pass

    row: dict[str, Any] = {"bytes": path.stat().st_size}
    took: dict[str, list[tuple[float, float]]] = {"decode": [], "frozen": [], "learning": []}
    for _ in range(rounds):
        took["decode"].append(_timed(decode))
        for mode in ("frozen", "learning"):
            network = open_network(model, ("a", "b"), 0)
            labels = [
                Label(network.classes[n % 2], start, start + _LABEL_US)
                for n, start in enumerate(range(0, round(seconds * 1e6), _LABEL_US))
            ]
            source = FileSource([Excerpt(path, labels=labels if mode == "learning" else ())])
            results: list[Any] = []
            before = network.updates
            took[mode].append(_timed(partial(_run, source, network, results, mode)))
            row[f"{mode}_results"], row[f"{mode}_updates"] = len(results), network.updates - before
    for mode, times in took.items():
        wall, processor = (min(column) for column in zip(*times, strict=True))
        row[f"{mode}_s"], row[f"{mode}_cpu_s"] = round(wall, 4), round(processor, 4)
        row[f"{mode}_times_real_time"] = round(seconds / wall, 2)
    return row


def _run(source: Any, network: Any, results: list[Any], mode: str) -> None:
    from spikewire.apps.service.in_process import run_in_process

    trio.run(
        partial(
            run_in_process, source, network, results.append, learn=mode == "learning",
            labels="source",
        )
    )  # fmt: skip


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that it takes, and those of the processor."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def _print(report: dict[str, Any]) -> None:
    out = console()
    table = Table("scene", "file", "decoded", "frozen", "learning", "updates")
    for row in report["scenes"]:
        times = [
            f"{row[f'{mode}_times_real_time']:g} "
            f"({1e9 * row[f'{mode}_cpu_s'] / report['events']:.1f} ns)"
            for mode in ("decode", "frozen", "learning")
        ]
        table.add_row(
            row["scene"], f"{row['bytes'] / 1e6:.0f} MB", *times, str(row["learning_updates"])
        )
    out.print(table)
    out.print(
        f"times real time of {report['events']:,} events at {report['rate'] / 1e6:g} million a "
        f"second (wanted for edges: {report['wanted']:g}), and time of the processor per event"
    )
