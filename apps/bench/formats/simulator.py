"""`spikewire bench simulator`: the simulated camera, beside real clips of DVS128 Gesture.

Rates and spatial statistics of each real clip, and of the same gesture by a number of simulated
people, plotted side by side; and how fast the simulation is on one core.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import track
from rich.table import Table

from spikewire.apps.cli.errors import DONE, CommandError
from spikewire.apps.cli.figures import new_figure
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, output_report, stderr_console
from spikewire.apps.cli.warmup import load_kernels

if TYPE_CHECKING:
    from spikewire.sensors import Events

SECONDS = 1.45
STATISTICS = {
    "rate_kev": "rate, kev/s",
    "on_share": "share of ON",
    "active_share": "pixels with 5 events or more",
    "spread_x": "spread of columns, px",
    "spread_y": "spread of rows, px",
    "centre_x": "mean column",
    "centre_y": "mean row",
    "busiest_share": "events in the busiest 5 %",
    "burst_share": "events within 2 ms of the last",
    "unsteady": "variation of the rate",
}
"""Compared statistics, and their names in figures."""


def simulator(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="CLIPS", help="Folder with class_01.bin ... (N-MNIST layout, 128x128)."
        ),
    ],
    people: Annotated[int, typer.Option(min=2, max=200, help="Simulated people per clip.")] = 12,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw the comparison (needs spikewire\\[plot])."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare rates and places of simulated events with real clips, and time the simulation."""
    clips = sorted(directory.glob("class_*.bin"))
    if not clips:
        raise CommandError(f"{directory} holds no class_NN.bin")
    if plot is not None:
        new_figure(1, 1)
    load_kernels()
    import numpy as np

    from spikewire.sensors import GESTURES, open_recording, simulate

    rows: list[dict[str, Any]] = []
    simulated_s = took = 0.0
    for clip in track(clips, "clips", console=stderr_console(), transient=True, disable=as_json):
        gesture = GESTURES[int(clip.stem[-2:]) - 1]
        real = np.concatenate(list(open_recording(clip, size=(128, 128)).chunks()))
        made = []
        for person in range(people):
            began = time.process_time()
            events = simulate(gesture, seed=person, subject=500 + person, seconds=SECONDS)
            took += time.process_time() - began
            simulated_s += SECONDS
            made.append(statistics(events))
        row: dict[str, Any] = {"clip": clip.stem, "gesture": gesture}
        for name, value in statistics(real).items():
            values = sorted(person[name] for person in made)
            row[name] = {
                "real": round(value, 4),
                "simulated": [round(value, 4) for value in values],
                "within": values[0] <= value <= values[-1],
            }
        rows.append(row)
    report = {
        "bench": "simulator", "people": people, "clips": rows,
        "times_real_time": round(simulated_s / took, 2),
        "within": sum(row[name]["within"] for row in rows for name in STATISTICS),
        "of": len(rows) * len(STATISTICS),
    }  # fmt: skip
    if plot is not None:
        _draw(report, plot)
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


def statistics(events: Events) -> dict[str, float]:
    """Compute rates and positions of events (128x128 pixels), by the names of the figure."""
    import numpy as np

    x, y, t = (events[name].astype(np.int64) for name in ("x", "y", "t"))
    span = max(int(t[-1] - t[0]), 1) * 1e-6
    counts = np.bincount(y * 128 + x, minlength=128 * 128)
    busiest = np.sort(counts)[-len(counts) // 20 :]
    order = np.lexsort((t, y * 128 + x))
    same = np.diff((y * 128 + x)[order]) == 0
    soon = same & (np.diff(t[order]) < 2_000)
    bins = np.bincount((t - t[0]) // 10_000)[:-1]
    return {
        "rate_kev": len(events) / span / 1e3,
        "on_share": float(events["p"].mean()),
        "active_share": float((counts >= 5).mean()),
        "spread_x": float(x.std()),
        "spread_y": float(y.std()),
        "centre_x": float(x.mean()),
        "centre_y": float(y.mean()),
        "busiest_share": float(busiest.sum() / len(events)),
        "burst_share": float(soon.sum() / len(events)),
        "unsteady": float(bins.std() / bins.mean()),
    }


def _draw(report: dict[str, Any], path: Path) -> None:
    figure = new_figure(12, 6)
    axes = figure.subplots(2, 5)
    names = [row["gesture"].replace("_", "\n", 1) for row in report["clips"]]
    for name, axis in zip(STATISTICS, axes.reshape(-1), strict=True):
        for place, row in enumerate(report["clips"]):
            real, simulated = row[name]["real"], row[name]["simulated"]
            axis.plot([place] * len(simulated), simulated, "_", color="C0")
            axis.plot(place, real, "o", color="C3", markersize=7)
        axis.set_title(STATISTICS[name], fontsize=8)
        axis.set_xticks(range(len(names)), names, fontsize=5, rotation=60)
        axis.set_ylim(bottom=0)
        axis.tick_params(axis="y", labelsize=7)
    figure.suptitle("real clips (dots) and simulated people (dashes)", fontsize=10)
    figure.savefig(path, dpi=110)


def _print(report: dict[str, Any]) -> None:
    out = console()
    table = Table("clip", *STATISTICS, title="real (simulated, least to most)")
    for row in report["clips"]:
        cells = [
            f"{row[n]['real']:.3g} ({row[n]['simulated'][0]:.3g}-{row[n]['simulated'][-1]:.3g})"
            for n in STATISTICS
        ]
        table.add_row(row["gesture"], *cells)
    out.print(table)
    out.print(
        f"{report['within']} of {report['of']} real values lie within the simulated ones; "
        f"{report['times_real_time']} times real time on one core"
    )
