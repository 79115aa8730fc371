"""`spikewire bench teachme`: a new gesture, learned from one lesson.

A simulated person shows the gesture once, for five seconds, while the trained network runs and
learns its label. Then the frozen network is evaluated on three things: the new gesture, of the same
person in other rooms and of other people; the eleven known gestures of unseen people, with the
share taken for the new one; and the known gestures of the teacher in the room of the lesson.
`--live` teaches a running service over its socket instead.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import trio
import typer
from rich.progress import Progress
from rich.table import Table

from spikewire.apps.bench.learning.answers import Answers, ask
from spikewire.apps.bench.learning.live_lesson import live_lesson
from spikewire.apps.bench.learning.people import BEFORE_MS, CLIP_MS, Person, in_ticks
from spikewire.apps.cli.errors import DONE, FAILED, UsageError
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.shared import Json, ReadoutOnly, length_s
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, Network

RECALL, POINTS = 0.9, 2.0
"""Wanted: so many of the person's own clips known, so many points lost by the others at most."""

_OWN = 4  # clips of the person who taught


def teachme(
    gesture: Annotated[
        list[str] | None,
        typer.Option(
            "--gesture",
            "-g",
            metavar="NAME",
            help="Gesture to teach; repeatable (default: all six).",
        ),
    ] = None,
    people: Annotated[
        int, typer.Option(min=1, max=500, help="Number of people that teach each gesture.")
    ] = 4,
    others: Annotated[
        int, typer.Option(min=1, max=500, help="Number of other people to evaluate on.")
    ] = 8,
    for_us: Annotated[
        int | None,
        typer.Option(
            "--for", metavar="TIME", parser=duration_us, help="Length of the lesson (default: 5s)."
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=1, max=10_000, help="Seed of the people; the network was trained on seed 0."
        ),
    ] = 7,
    model: Annotated[str, typer.Option(metavar="FILE|NAME", help="Trained network.")] = (
        "gestures"
    ),
    readout_only: ReadoutOnly = False,
    live: Annotated[
        bool, typer.Option("--live", help="Teach one lesson to a real service over its socket.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure one-shot learning of a new gesture, and forgetting of the known ones.

    Exit code 0 when, on average, at least 0.9 of the person's own fresh clips are known and the
    other gestures lose at most 2 points, 1 otherwise.
    """
    seconds = length_s(for_us, default=5.0, least=0.2, most=60)
    load_kernels()
    from spikewire.sensors import EXTRA_GESTURES

    chosen = tuple(gesture or EXTRA_GESTURES)
    for name in chosen:
        if name not in EXTRA_GESTURES:
            raise UsageError(f"--gesture {name} is none of {', '.join(EXTRA_GESTURES)}")
    if live and readout_only:
        raise UsageError("--readout-only is for lessons without --live: a service has a setting")
    network = open_network(model, (), 0)
    network.layers_learn = not readout_only
    if live:
        report = trio.run(live_lesson, model, network.classes, chosen[0], seed, seconds)
    else:
        bench = _Bench(network, seed, people, others)
        runs = bench.run(chosen, seconds, quiet=as_json)
        report = {
            "bench": "teachme", "model": model, "seconds": seconds, "people": people,
            "others": others, "seed": seed, "readout_only": readout_only,
            **summary(runs), "runs": runs,
        }  # fmt: skip
    if as_json:
        print_json(report)
    elif live:
        _print_live(report)
    else:
        _print(report)
    good = report["recall"] >= RECALL and report["lost_points"] <= POINTS
    raise typer.Exit(DONE if good else FAILED)


@dataclass(frozen=True, slots=True)
class _Bench:
    """A trained network, people who teach it, and other people for the test."""

    network: Network
    seed: int
    people: int
    others: int

    def run(self, gestures: Sequence[str], seconds: float, *, quiet: bool) -> list[dict[str, Any]]:
        """Teach copies of the network, one per gesture and person, and return their records."""
        note = stderr_console()
        strangers = [Person(self.seed, self.people + n) for n in range(1, self.others + 1)]
        runs = []
        with Progress(console=note, transient=True, disable=quiet or not note.is_terminal) as bar:
            task = bar.add_task("teaching", total=1 + len(gestures) * (1 + self.people))
            old = [p.clip(g, 1, self.network.spec) for p in strangers for g in self._known]
            before = self._ask(self.network, old).named(self._truth)
            bar.advance(task)
            for gesture in gestures:
                unlike = [p.clip(gesture, 1, self.network.spec) for p in strangers]
                bar.advance(task)
                for number in range(1, self.people + 1):
                    person = Person(self.seed, number)
                    runs.append(self._lesson(gesture, person, seconds, old, before, unlike))
                    bar.advance(task)
        return runs

    @property
    def _known(self) -> tuple[str, ...]:
        return self.network.classes

    @property
    def _truth(self) -> Any:
        return np.tile(np.arange(len(self._known)), self.others)

    def _ask(self, network: Network, clips: Sequence[BinnedEvents]) -> Answers:
        return ask(network, clips, in_ticks(CLIP_MS, network.spec))

    def _own(self, network: Network, clips: Sequence[BinnedEvents]) -> tuple[float, float]:
        """Return shares of a person's known gestures: correct, and taken for the new gesture."""
        answers = self._ask(network, clips)
        return answers.named(np.arange(len(clips))), float((answers.clips >= len(clips)).mean())

    def _lesson(
        self,
        gesture: str,
        person: Person,
        seconds: float,
        old: Sequence[BinnedEvents],
        before: float,
        unlike: Sequence[BinnedEvents],
    ) -> dict[str, Any]:
        taught = teach(self.network, gesture, person, seconds)
        new = len(self._known)
        spec = self.network.spec
        own = self._ask(taught, [person.clip(gesture, n, spec) for n in range(1, _OWN + 1)])
        strange = self._ask(taught, unlike)
        known = self._ask(taught, old)
        after = known.named(self._truth)
        mine = [person.clip(g, 0, spec) for g in self._known]
        own_before, _ = self._own(self.network, mine)
        own_after, own_false = self._own(taught, mine)
        figures = {
            "recall": own.named(new),
            "recall_by_result": own.named_by_result(new),
            "recall_others": strange.named(new),
            "recall_others_by_result": strange.named_by_result(new),
            "old_before": before,
            "old_after": after,
            "lost_points": 100 * (before - after),
            "false_alarms": known.named(new),
            "false_alarms_by_result": known.named_by_result(new),
            "own_before": own_before,
            "own_after": own_after,
            "own_false_alarms": own_false,
        }
        return {
            "gesture": gesture, "person": person.number,
            **{name: round(value, 4) for name, value in figures.items()},
        }  # fmt: skip


def teach(network: Network, gesture: str, person: Person, seconds: float) -> Network:
    """Return a copy that has learned the gesture online, after another gesture."""
    from spikewire.qcore import Network

    taught = Network.from_bytes(network.to_bytes())
    before = taught.classes[person.number % len(taught.classes)]
    lesson = person.lesson(before, gesture, seconds, taught.spec)
    start = in_ticks(BEFORE_MS, taught.spec)
    first, rest = lesson.before(start)
    taught.advance(first, start, learn=True)
    label = taught.add_class(gesture)
    stop = in_ticks(BEFORE_MS + round(1000 * seconds), taught.spec)
    taught.advance(rest, stop, label=label, learn=True)
    return taught


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean of every figure, and the worst recall, loss and false alarms."""
    names = [name for name in runs[0] if name not in ("gesture", "person")]
    means = {name: round(statistics.mean(run[name] for run in runs), 4) for name in names}
    return {
        "lessons": len(runs), **means,
        "recall_worst": min(run["recall"] for run in runs),
        "lost_points_worst": max(run["lost_points"] for run in runs),
        "false_alarms_worst": max(run["false_alarms"] for run in runs),
    }  # fmt: skip


def _print(report: dict[str, Any]) -> None:
    table = Table(
        "gesture", "known again", "by others", "old before", "old after", "lost", "false",
        "own lost",
        title=f"shown for {report['seconds']:g} s by {report['people']} people each",
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    for name in dict.fromkeys(run["gesture"] for run in report["runs"]):
        mine = [run for run in report["runs"] if run["gesture"] == name]
        table.add_row(name, *_cells(summary(mine)))
    table.add_section()
    table.add_row("all", *_cells(report))
    out = console()
    out.print(table)
    out.print(
        f"worst lesson: {report['recall_worst']:.0%} known again, "
        f"{report['lost_points_worst']:.1f} points lost, "
        f"{report['false_alarms_worst']:.1%} of the old taken for the new"
    )


def _cells(figures: dict[str, Any]) -> list[str]:
    shares = (figures[n] for n in ("recall", "recall_others", "old_before", "old_after"))
    own = 100 * (figures["own_before"] - figures["own_after"])
    return [*(f"{share:.1%}" for share in shares), f"{figures['lost_points']:.1f}",
            f"{figures['false_alarms']:.1%}", f"{own:.1f}"]  # fmt: skip


def _print_live(report: dict[str, Any]) -> None:
    out = console()
    out.print(
        f"{report['gesture']}, taught for {report['taught_s']:.1f} s over the socket, then shown "
        f"again: {report['recall']:.1%} of {report['results_new']} results named it"
    )
    out.print(
        f"the others: {report['old_before']:.1%} of the results right before, "
        f"{report['old_after']:.1%} after ({report['lost_points']:.1f} points lost); "
        f"{report['false_alarms']:.1%} taken for the new one"
    )
