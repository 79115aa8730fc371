"""`spikewire bench fewshot`: new classes, taught online with a handful of recordings each.

A network learns all other classes in passes. Then the new classes are added, and a few recordings
of each are presented one after the other, as a person shows gestures to a live service: with the
same network and the same rule, without a batch. Accuracy on the validation part is measured before
and after, for old and new classes.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import (
    DEFAULT_MODEL,
    DatasetOptions,
    DatasetPath,
    Json,
    ReadoutOnly,
    ShowFor,
)
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.units import names
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.training.binned_dataset import BinnedDataset, check_shown, choose, open_part
from spikewire.apps.training.evaluation import evaluate_batch
from spikewire.apps.training.trainer import Progress, Trainer, TrainingPlan

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, Network
    from spikewire.sensors import Dataset, Sample

_FIGURES = ("old_before", "old_after", "new_before", "new_after")


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonOptions:
    """New classes, and the lessons in which they are taught."""

    digits: Annotated[
        str, typer.Option(metavar="A,B", help="New classes, which are taught online.")
    ] = "8,9"
    shots: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of recordings of each new class.")
    ] = 5
    rounds: Annotated[
        int, typer.Option(min=1, max=100, help="Number of times that each recording is shown.")
    ] = 1
    readout_only: ReadoutOnly = False
    choices: Annotated[
        int, typer.Option(min=1, max=100, help="Number of random choices of the shots per network.")
    ] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseOptions:
    """Networks that have learned the other classes."""

    model: Annotated[str, typer.Option(metavar="PRESET", help="Preset of the networks.")] = (
        DEFAULT_MODEL
    )
    passes: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Passes over the old classes (default: by the model)."),
    ] = None
    batch: Annotated[
        int | None,
        typer.Option(
            min=1, max=1024, help="Recordings learned side by side (default: by the model)."
        ),
    ] = None
    show: ShowFor = None
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first network.")] = 0
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Number of networks.")] = 3


BASE, LESSONS, FORMATS = BaseOptions(), LessonOptions(), DatasetOptions()


@grouped
def fewshot(
    dataset: DatasetPath,
    base: BaseOptions = BASE,
    lessons: LessonOptions = LESSONS,
    formats: DatasetOptions = FORMATS,
    as_json: Json = False,
) -> None:
    """Train on most classes, then teach the others online from a few recordings each.

    Shots come from the training part of the data set. Accuracy is measured on the validation part,
    a fifth.
    """
    new = names(lessons.digits)
    load_kernels()
    data = open_part(dataset, None, formats)
    old = _old_classes(data, new, lessons)
    runs = []
    for seed in range(base.seed, base.seed + base.seeds):
        network = open_network(base.model, old, seed)
        binned = BinnedDataset(data, network.spec, base.show)
        check_shown(binned, data.samples)
        learn = [sample for sample in choose(data, "train") if sample.label in old]
        plan = TrainingPlan.best(network.spec, base.passes, base.batch, None, seed)
        _train(Trainer(network, binned, learn, (), plan), seed)
        for run in _teach_all(network, binned, new, lessons, plan.batch):
            runs.append({"seed": seed, **run})
            if as_json:
                print_json({"type": "run", **runs[-1]})
    lost = [run["old_before"] - run["old_after"] for run in runs]
    report = {
        "type": "summary", "bench": "fewshot", "model": base.model, "new": list(new),
        "shots": lessons.shots, "rounds": lessons.rounds, "readout_only": lessons.readout_only,
        "passes": plan.passes, "runs": len(runs),
        **{key: round(statistics.mean(run[key] for run in runs), 4) for key in _FIGURES},
        "old_lost_points": round(100 * statistics.mean(lost), 2),
        "old_lost_points_worst": round(100 * max(lost), 2),
    }  # fmt: skip
    if as_json:
        print_json(report)
    else:
        _print(runs, report)
    raise typer.Exit(DONE)


def _old_classes(data: Dataset, new: Sequence[str], lessons: LessonOptions) -> list[str]:
    """Return the classes to train on, once the new classes are known to be possible."""
    old = [name for name in data.classes if name not in new]
    for name in new:
        if name not in data.classes:
            raise UsageError(
                f"--digits {lessons.digits}: {name} is none of the classes "
                f"{', '.join(data.classes)}"
            )
    if not old:
        raise UsageError(f"--digits {lessons.digits} leaves no class to train on")
    _enough(data, new, lessons.shots)
    return old


def _enough(data: Dataset, new: Sequence[str], shots: int) -> None:
    learn = choose(data, "train")
    for name in new:
        count = sum(sample.label == name for sample in learn)
        if count < shots:
            raise UsageError(
                f"--shots {shots}: {data.path} has {count} recordings of {name} to choose from"
            )


def _train(trainer: Trainer, number: int) -> None:
    note = stderr_console()

    def after_pass(record: dict[str, Any]) -> None:
        note.print(f"seed {number}, pass {record['pass']} of {trainer.plan.passes} learned")

    trainer.run(Progress(), after_portion=lambda progress: None, after_pass=after_pass)


def _teach_all(
    trained: Network,
    binned: BinnedDataset,
    new: Sequence[str],
    options: LessonOptions,
    batch: int,
) -> Iterator[dict[str, Any]]:
    """Teach copies of a trained network, each with another choice of recordings."""
    from spikewire.qcore import Network

    held = choose(binned.dataset, "validation")
    old_held = [sample for sample in held if sample.label not in new]
    new_held = [sample for sample in held if sample.label in new]
    saved = trained.to_bytes()
    for choice in range(options.choices):
        network = Network.from_bytes(saved)
        network.layers_learn = not options.readout_only
        before = _accuracy(network, binned, old_held, batch)
        for name in new:
            network.add_class(name)
        new_before = _accuracy(network, binned, new_held, batch)
        lessons = pick(choose(binned.dataset, "train"), new, options.shots, trained.seed, choice)
        for _ in range(options.rounds):
            for sample in lessons:
                teach(network, binned.events(sample), binned.ticks, sample.label)
        yield {
            "choice": choice,
            "old_before": before,
            "old_after": _accuracy(network, binned, old_held, batch),
            "new_before": new_before,
            "new_after": _accuracy(network, binned, new_held, batch),
        }


def pick(
    samples: Sequence[Sample], new: Sequence[str], shots: int, seed: int, choice: int
) -> list[Sample]:
    """Choose recordings of each new class, and return them in turn: a, b, a, b, ..."""
    drawn = []
    for place, name in enumerate(new):
        own = [sample for sample in samples if sample.label == name]
        generator = np.random.default_rng([seed, choice, place])
        drawn.append([own[n] for n in generator.permutation(len(own))[:shots]])
    return [sample for turn in zip(*drawn, strict=True) for sample in turn]


def teach(network: Network, sample: BinnedEvents, ticks: int, label: str) -> None:
    """Present one recording with its label, and learn online."""
    from spikewire.qcore import BinnedEvents

    start = network.tick
    before, _ = sample.before(ticks)
    events = BinnedEvents(before.tick + start, before.x, before.y, before.p)
    network.advance(events, start + ticks, label=network.classes.index(label), learn=True)


def _accuracy(
    network: Network, binned: BinnedDataset, samples: Sequence[Sample], batch: int
) -> float:
    from spikewire.qcore import Batch, Network

    # Evaluation works on a copy: a batch moves the network's counters.
    copy = Network.from_bytes(network.to_bytes())
    evaluation = evaluate_batch(Batch(copy, min(batch, len(samples))), binned, samples)
    return round(evaluation.accuracy, 4)


def _print(runs: Sequence[dict[str, Any]], report: dict[str, Any]) -> None:
    new = ", ".join(report["new"])
    table = Table(
        "seed", "choice", "old before", "old after", "new before", "new after",
        title=f"{new} taught with {report['shots']} recordings each",
    )  # fmt: skip
    for run in [*runs, {"seed": "mean", "choice": "", **report}]:
        shares = (f"{run[key]:.1%}" for key in _FIGURES)
        table.add_row(str(run["seed"]), str(run["choice"]), *shares)
    out = console()
    out.print(table)
    out.print(
        f"the old classes lose {report['old_lost_points']} points on average, "
        f"{report['old_lost_points_worst']} at worst"
    )
