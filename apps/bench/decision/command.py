"""`spikewire bench decide`: accuracy, delay and false alarms of the decisions of `gesture`.

Simulated people, unseen by the network and by the thresholds, make each gesture once, with pauses.
The same results are decided with and without smoothing, at every strictness. The command also
measures non-gestures, and real clips if a folder of clips is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track
from rich.table import Table

from spikewire.apps.bench.decision import streams
from spikewire.apps.bench.decision.metrics import answers, measure
from spikewire.apps.bench.decision.streams import Result
from spikewire.apps.cli.errors import DONE, CommandError
from spikewire.apps.cli.figures import check_plot, new_figure
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, output_report, stderr_console
from spikewire.apps.cli.warmup import load_kernels
from spikewire.runtime import OFF, Rules

RAW = Rules(window_us=0, hold_us=0, strictness=OFF, motion_threshold=0)
MODES = ("no smoothing", "off", "normal", "strict")
"""Compared rules, by their names in the report."""


@cache
def _rules() -> dict[str, Rules]:
    """Return the compared rules, with the margins and rates that the network was given."""
    network = open_network("gestures", (), 0)
    steady_us, known = Rules().window_us, network.calibration
    named = {name: Rules.of(network.tick_us, steady_us, name, None, known) for name in MODES[1:]}
    return {MODES[0]: RAW, **named}


CURVE_MS = (100, 200, 300, 400, 600, 800)
_ROWS = (
    ("gesture: right", "gesture", "right"),
    ("wrong", "gesture", "wrong"),
    ("unknown", "gesture", "unknown"),
    ("nothing", "gesture", "nothing"),
    ("1 s after its onset: right", "settled", "right"),
    ("wrong", "settled", "wrong"),
    ("other gesture: one of the ten", "other", "wrong"),
    ("pause: nothing", "pause", "nothing"),
    ("a gesture", "pause", "wrong"),
)
_FIRST = 3001
_SECONDS = 10.0
_SETTLED_US = 1_000_000


def decide(
    clips: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CLIPS]", help="Folder with class_01.bin ... (N-MNIST layout, 128x128)."
        ),
    ] = None,
    people: Annotated[int, typer.Option(min=1, max=500, help="Number of simulated people.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Number of the first person.")] = _FIRST,
    plot: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw the curve (needs spikewire\\[plot]).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure accuracy and delay of temporal smoothing, and false alarms on non-gestures.

    The measurement takes 20 s for each person. Thresholds were chosen on people 2001 to 2010.
    """
    recordings = sorted(clips.glob("class_*.bin")) if clips is not None else []
    if clips is not None and not recordings:
        raise CommandError(f"{clips} holds no class_NN.bin")
    if plot is not None:
        check_plot(plot)
    load_kernels()
    numbers = range(seed, seed + people)
    runs = [
        streams.results(streams.person(n))
        for n in track(numbers, "people", console=stderr_console(), transient=True, disable=as_json)
    ]
    report: dict[str, Any] = {
        "bench": "decide", "people": people, "first": seed,
        "modes": {name: measure(runs, rules).record() for name, rules in _rules().items()},
        "curve": [_curve_point(runs, name, ms) for name in MODES[1:] for ms in CURVE_MS],
        "no_gesture": {
            name: _each_mode(others)
            for name, others in track(
                list(_no_gesture(numbers)), "no gestures", console=stderr_console(), transient=True,
                disable=as_json,
            )
        },
        "clips": [_clip(path) for path in recordings],
    }  # fmt: skip
    output_report(report, _print, as_json=as_json)
    if plot is not None:
        _draw(report, plot)
    raise typer.Exit(DONE)


def _curve_point(runs: Sequence[Sequence[Result]], name: str, ms: int) -> dict[str, Any]:
    rules = replace(_rules()[name], window_us=ms * 1000)
    return {"unknown": name, "steady_ms": ms, **measure(runs, rules).record()}


def _no_gesture(numbers: Sequence[int]) -> Iterator[tuple[str, list[list[Result]]]]:
    """Yield kinds of non-gestures, with the results of each run."""
    few = numbers[:3]
    yield "noise, 5 kev/s", [streams.results(streams.noise(n, _SECONDS, 5_000)) for n in few]
    yield "noise, 50 kev/s", [streams.results(streams.noise(n, _SECONDS, 50_000)) for n in few]
    yield "camera shaken", [streams.results(streams.shaken(n, _SECONDS)) for n in few]
    yield "people walking through", [streams.results(streams.walkers(n, _SECONDS)) for n in few]
    upside = [streams.results(streams.person(n, "flip:y")) for n in few]
    yield "gestures upside down", [[r for r in run if r.truth is not None] for run in upside]


def _each_mode(runs: Sequence[Sequence[Result]]) -> dict[str, dict[str, float]]:
    out = {}
    for name, rules in _rules().items():
        shares = [answers(stream, rules, _SETTLED_US) for stream in runs]
        out[name] = {n: round(sum(s[n] for s in shares) / len(shares), 4) for n in shares[0]}
    return out


def _clip(path: Path) -> dict[str, Any]:
    from spikewire.sensors import GESTURES

    truth = GESTURES[int(path.stem[-2:]) - 1]
    stream = [replace(result, truth=truth) for result in streams.results(streams.clip(path))]
    record: dict[str, Any] = {"clip": path.stem, "gesture": truth}
    for name, rules in _rules().items():
        measured = measure([stream], rules)
        wait = measured.waits_us[0] / 1e6 if measured.waits_us else None
        record[name] = {**measured.shares("gesture"), "wait_s": wait}
    return record


def _draw(report: Mapping[str, Any], path: Path) -> None:
    figure = new_figure(10.0, 4.0)
    wrong, right = figure.subplots(1, 2)
    for name in MODES[1:]:
        points = [point for point in report["curve"] if point["unknown"] == name]
        waits = [point["wait_s"]["median"] for point in points]
        for axes, answer in ((wrong, "wrong"), (right, "right")):
            shares = [100 * point["gesture"][answer] for point in points]
            axes.plot(waits, shares, "o-", label=f"--unknown {name}")
            for point, wait, share in zip(points, waits, shares, strict=True):
                axes.annotate(
                    str(point["steady_ms"]), (wait, share), fontsize=6, xytext=(3, 3),
                    textcoords="offset points",
                )  # fmt: skip
    for axes, answer in ((wrong, "wrong"), (right, "right")):
        axes.set(xlabel="from onset to the right name, median (s)")
        axes.set_ylabel(f"{answer} (% of a gesture's time)")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    right.legend(loc="lower left")
    figure.suptitle("what steadiness costs: numbers are --steady in ms")
    figure.savefig(path, dpi=120)


def _print(report: Mapping[str, Any]) -> None:
    out = console()
    title = f"{report['people']} simulated people, eleven gestures each"
    table = Table("", *MODES, title=title)
    modes = report["modes"]
    for title, label, answer in _ROWS:
        table.add_row(title, *(_percent(modes[name][label][answer]) for name in MODES))
    table.add_row("changes per second", *(f"{modes[name]['changes_per_s']:.2f}" for name in MODES))
    for title, which in (("onset to right name, median", "median"), ("and p90", "p90")):
        waits = [modes[name]["wait_s"][which] for name in MODES]
        table.add_row(title, *("-" if wait is None else f"{wait:.2f} s" for wait in waits))
    missed = (f"{modes[name]['missed']} of {modes[name]['gestures']}" for name in MODES)
    table.add_row("never named right", *missed)
    out.print(table)
    table = Table("gesture", *MODES, title="right (wrong, unknown, nothing)")
    for gesture in modes[MODES[0]]["by_class"]:
        rows = (modes[name]["by_class"][gesture] for name in MODES)
        table.add_row(gesture, *(_three(row, "right") for row in rows))
    out.print(table)
    table = Table("no gesture", *MODES, title="named (unknown, nothing)")
    for title, row in report["no_gesture"].items():
        table.add_row(title, *(_three(row[name], "named") for name in MODES))
    out.print(table)
    if report["clips"]:
        table = Table("real clip", *MODES, title="right (wrong, unknown, nothing)")
        for row in report["clips"]:
            table.add_row(row["gesture"], *(_three(row[name], "right") for name in MODES))
        out.print(table)


def _three(shares: Mapping[str, Any], first: str) -> str:
    rest = [name for name in ("wrong", "unknown", "nothing") if name in shares]
    return f"{_percent(shares[first])} ({', '.join(_percent(shares[name]) for name in rest)})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
