"""`spikewire bench core`: time of a tick, beside the float baseline, in one run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from spikewire._whole_file import write_whole
from spikewire.apps.bench.core.drawing import draw
from spikewire.apps.bench.core.versus import busy, crossover, versus
from spikewire.apps.bench.machine import command_line, machine, now
from spikewire.apps.cli.errors import DONE, check_target
from spikewire.apps.cli.figures import new_figure
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, output_report, stderr_console
from spikewire.apps.cli.warmup import load_kernels

if TYPE_CHECKING:
    from spikewire.apps.bench.core.stream import Stream
    from spikewire.qcore import Network

NETWORK = "schaefer2020"
FACTORS = (4.0, 2.0, 1.4, 1.0, 0.7, 0.5, 0.25, 0.1)
# The published code of DECOLLE at this size, batch 1, two threads, on another day and machine.
BUSY_SPIKES = 250
"""Input spikes per tick, at least, with which `edge` is timed beside other libraries."""
PUBLISHED = {"forward_ms": 3.0, "learning_ms": 11.0}

TARGETS = {
    "float32_stream_ratio": 38.0,
    "bfloat16_stream_ratio": 22.0,
    "edge_library_ratio": 2.5,
    "forward_ratio": 20.0,
    "learning_ratio": 10.0,
    "learning_real_time": 1.0,
    "edge_learning_real_time": 40.0,
    "scatter_fraction": 0.5,
    "rate_r2": 0.98,
}
"""Lowest acceptable value of each figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOptions:
    """Size of the measurements."""

    lessons: Annotated[
        int, typer.Option(min=1, max=100_000, help="Number of parts that networks learn first.")
    ] = 400
    parts: Annotated[int, typer.Option(min=1, max=1000, help="Number of parts that are timed.")] = (
        10
    )
    ticks: Annotated[
        int, typer.Option(min=20, max=10_000, help="Length of a simulated part in ticks.")
    ] = 300
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Number of timings of each side.")] = 5
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Threads of the float baseline (default: 2)."),
    ] = None
    twin_ticks: Annotated[
        int, typer.Option(min=1, max=10_000, help="Ticks over which the float baseline is timed.")
    ] = 200
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and spikes.")] = 0

    @property
    def cores(self) -> int:
        """Threads of the float baseline."""
        return self.threads or min(2, len(os.sched_getaffinity(0)))


OPTIONS = CoreOptions()


@grouped
def core(
    dataset: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATASET]",
            help="Recordings to learn from and to time (default: the simulated camera).",
        ),
    ] = None,
    options: CoreOptions = OPTIONS,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Draw the figures to this file (needs spikewire\\[plot])."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Write the result to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time a tick of schaefer2020 and of edge on one core, beside other libraries.

    The networks learn first, so that their activity is that of trained networks. Then all sides
    are timed in turns. The figure of a side is its best round. Without spikewire\\[twin] the float
    baseline is left out, without spikewire\\[rivals] PyTorch, ONNX Runtime, snnTorch and Sinabs.
    """
    for name, target in (("--out", out), ("--plot", plot)):
        if target is not None:
            check_target(name, target)
    if plot is not None:
        new_figure(1, 1)
    load_kernels()
    report = _Bench(options).run(dataset)
    if out is not None:
        write_whole(out, json.dumps(report, indent=1) + "\n")
    if plot is not None:
        draw(report, plot)
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


class _Bench:
    """The measurements, in order."""

    def __init__(self, options: CoreOptions) -> None:
        self._options = options

    def run(self, dataset: Path | None) -> dict[str, Any]:
        """Measure everything and return the report."""
        from spikewire.apps.bench.core.integer import by_activity, by_rate, settled
        from spikewire.apps.bench.core.opponents.sides import PACKAGES, missing
        from spikewire.apps.bench.core.scatter import accumulate, scatter

        absent = missing()
        has_twin = "torch" not in absent
        report: dict[str, Any] = {
            "bench": "core", "command": command_line(), "began": now(),
            "machine": machine(*sorted({*PACKAGES} - {*absent}), "numpy", "numba"),
            "twin_threads": self._options.cores if has_twin else None,
            "data": "simulated camera" if dataset is None else dataset.name,
            "rounds": self._options.rounds, "published_float_code": PUBLISHED,
            "not_installed": absent,
        }  # fmt: skip
        if not has_twin:
            stderr_console().print(
                "the float baseline is left out: pip install 'spikewire[twin]'", markup=False
            )
        if absent:
            stderr_console().print(
                f"not installed, left out: {', '.join(absent)} (pip install 'spikewire[rivals]')",
                markup=False,
            )
        with stderr_console().status("reading") as status:
            network, stream = self._trained(NETWORK, dataset, status.update)
            edge, gestures = self._trained("edge", None, status.update)
            report |= self._sides(
                network, stream, edge, gestures, status.update, with_baseline=has_twin
            )
            report |= self._opponents(network, stream, edge, gestures, status.update)
            status.update("activity")
            curve = by_activity(network, stream, FACTORS, max(1, self._options.rounds // 2))
            status.update("input rate")
            rate = by_rate(settled(edge), gestures, self._options.rounds, self._options.seed)
            status.update("scatter")
            fastest = accumulate(self._options.rounds)
            layers = scatter(settled(network), stream, self._options.rounds)
        done = sum(one["synaptic_ops"] for one in layers)
        per_s = done / sum(one["synaptic_ops"] / one["per_s"] for one in layers if one["per_s"])
        report |= {
            "by_activity": curve,
            "crossover": crossover(curve, report["opponents"]["sides"]),
            "by_rate": {"network": "edge", **rate},
            "scatter": {
                "layers": layers, "per_s": per_s, "accumulate_per_s": fastest["best"],
                "fraction": per_s / fastest["best"], "accumulate": fastest,
            },
        }  # fmt: skip
        report["targets"] = check_targets(report)
        return report

    def _trained(
        self, name: str, dataset: Path | None, progress: Callable[[str], None]
    ) -> tuple[Network, Stream]:
        from spikewire.apps.bench.core.integer import train
        from spikewire.apps.bench.core.stream import recorded, simulated
        from spikewire.qcore import load_preset

        spec = load_preset(name)
        if dataset is None:
            progress(f"simulating gestures for {name}")
            stream = simulated(
                spec, self._options.ticks, max(self._options.parts, 11), self._options.seed
            )
            # Repeated: the timing needs active networks, not good ones.
            again = -(-self._options.lessons // len(stream.parts))
            lessons = type(stream)(
                stream.parts * again, stream.labels * again, stream.classes, stream.ticks
            )
        else:
            progress(f"reading {dataset.name}")
            lessons, stream = recorded(dataset, spec, self._options.lessons, self._options.parts)
        progress(f"{name} learns {len(lessons.parts)} parts")
        network = train(
            spec, lessons, self._options.seed, lambda n: progress(f"{name} learns, portion {n}")
        )
        return network, stream

    def _sides(
        self, network: Network, stream: Stream, edge: Network, gestures: Stream,
        progress: Callable[[str], None], *, with_baseline: bool,
    ) -> dict[str, Any]:  # fmt: skip
        from spikewire.apps.bench.core.integer import interleave, run, settled

        fixed, every_tick = settled(network), settled(network, cadence=1)
        small = settled(edge)
        sides: dict[str, Callable[[], float]] = {
            "forward": lambda: run(fixed, stream, learn=False).tick_s,
            "learning": lambda: run(fixed, stream, learn=True).tick_s,
            "learning_every_tick": lambda: run(every_tick, stream, learn=True).tick_s,
            "edge_forward": lambda: run(small, gestures, learn=False).tick_s,
            "edge_learning": lambda: run(small, gestures, learn=True).tick_s,
        }
        cadence = network.spec.learning.cadence
        if with_baseline:
            from spikewire.apps.bench.core.baseline import FloatSide

            other = FloatSide(
                network.spec,
                stream,
                self._options.twin_ticks,
                self._options.cores,
                self._options.seed,
            )
            sides["twin_forward"] = other.forward
            sides["twin_learning"] = lambda: other.learning(1)
            sides["twin_learning_same_cadence"] = lambda: other.learning(cadence)
        timed = interleave(sides, self._options.rounds, progress)
        forward, learned = run(fixed, stream, learn=False), run(fixed, stream, learn=True)
        edge_learned = run(small, gestures, learn=True)
        return {
            "network": NETWORK, "cadence": cadence,
            "activity": [round(share, 5) for share in forward.activity],
            "learning_activity": [round(share, 5) for share in learned.activity],
            "synaptic_ops_per_tick": forward.synaptic_ops,
            "updates": learned.updates, "edge_updates": edge_learned.updates,
            "edge_activity": [round(share, 5) for share in edge_learned.activity],
            "sides": timed, **ratios(timed, network.spec.tick_us / 1e3),
        }  # fmt: skip

    def _opponents(
        self, network: Network, stream: Stream, edge: Network, gestures: Stream,
        progress: Callable[[str], None],
    ) -> dict[str, Any]:  # fmt: skip
        """Time both networks beside all other libraries, `edge` on a busy stream."""
        ticks, cores = self._options.twin_ticks, self._options.cores
        ours = versus(network, stream, ticks, cores, self._options.rounds, progress)
        crowd = busy(gestures, BUSY_SPIKES)
        edges = versus(edge, crowd, ticks, cores, self._options.rounds, progress)
        return {
            "opponents": ours,
            "edge_opponents": edges,
            "float32_stream_ratio": ours["ratios"].get("float32_stream"),
            "bfloat16_stream_ratio": ours["ratios"].get("bfloat16_stream"),
            "edge_library_ratio": edges["ratios"].get("library"),
        }


def ratios(sides: dict[str, dict[str, float]], tick_ms: float) -> dict[str, float | None]:
    """Compare the sides by their best rounds; None without the float baseline."""

    def over(slow: str, fast: str) -> float | None:
        if slow not in sides:
            return None
        return sides[slow]["best_ms"] / sides[fast]["best_ms"]

    return {
        "forward_ratio": over("twin_forward", "forward"),
        "learning_ratio": over("twin_learning", "learning"),
        "learning_ratio_same_cadence": over("twin_learning_same_cadence", "learning"),
        "learning_ratio_every_tick": over("twin_learning", "learning_every_tick"),
        "forward_real_time": tick_ms / sides["forward"]["best_ms"],
        "learning_real_time": tick_ms / sides["learning"]["best_ms"],
        "edge_forward_real_time": tick_ms / sides["edge_forward"]["best_ms"],
        "edge_learning_real_time": tick_ms / sides["edge_learning"]["best_ms"],
    }


def check_targets(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Compare each figure with its target; ``met`` is None if it was not measured."""
    figures = {
        **report,
        "scatter_fraction": report["scatter"]["fraction"],
        "rate_r2": report["by_rate"]["fit"]["r2"],
    }
    return {
        name: {
            "wanted": wanted,
            "measured": figures[name],
            "met": None if figures[name] is None else bool(figures[name] >= wanted),
        }
        for name, wanted in TARGETS.items()
    }


def _print(report: dict[str, Any]) -> None:
    table = Table("side", "best", "median", "worst", title="ms per tick")
    for name, times in report["sides"].items():
        cells = (f"{times[key]:.3f}" for key in ("best_ms", "median_ms", "worst_ms"))
        table.add_row(name.replace("_", " "), *cells)
    targets = Table("figure", "measured", "wanted", "")
    for name, row in report["targets"].items():
        measured = "not measured" if row["measured"] is None else f"{row['measured']:.3g}"
        verdict = {True: "met", False: "missed", None: ""}[row["met"]]
        targets.add_row(name.replace("_", " "), measured, f"{row['wanted']:g}", verdict)
    out = console()
    out.print(table)
    for which in ("opponents", "edge_opponents"):
        out.print(_opponents_table(report[which]))
    out.print(targets)
    active = ", ".join(f"{share:.2%}" for share in report["activity"])
    rates = [report["scatter"][key] / 1e9 for key in ("per_s", "accumulate_per_s")]
    out.print(
        f"{report['network']}: active units per tick by layer {active}; "
        f"{report['synaptic_ops_per_tick']:,.0f} synaptic operations per tick, "
        f"{rates[0]:.1f} billion per second; the fastest loop adds {rates[1]:.1f}",
        markup=False,
    )


def _opponents_table(found: dict[str, Any]) -> Table:
    title = f"{found['network']}, {found['spikes_per_tick']:.0f} input spikes per tick"
    table = Table("side", "ms per tick", "times ours", title=title)
    ours = found["sides"]["spikewire"]["best_ms"]
    for name, times in found["sides"].items():
        table.add_row(
            name.replace("_", " "), f"{times['best_ms']:.3f}", f"{times['best_ms'] / ours:.2f}"
        )
    return table
