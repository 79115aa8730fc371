"""`spikewire bench fewshot`: new classes, taught online with a handful of recordings each.

A network learns all other classes in passes. Then it gains the new ones and is shown a few
recordings of each, one after the other and once, as a person would show them to a live service:
the same network, the same rule, no batch. How right it is on held-back recordings of old and new
classes is judged before and after.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options import DEFAULT_MODEL, Json
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.units import names
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.training.binned_dataset import BinnedDataset, choose
from spikewire.apps.training.evaluate import DatasetPath, ShowFor
from spikewire.apps.training.evaluation import evaluate_batch
from spikewire.apps.training.trainer import Progress, Trainer, TrainingPlan

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, Network
    from spikewire.sensors import Dataset, Sample

_FIGURES = ("old_before", "old_after", "new_before", "new_after")


def fewshot(
    dataset: DatasetPath,
    model: Annotated[str, typer.Option(metavar="PRESET", help="What to start from.")] = (
        DEFAULT_MODEL
    ),
    passes: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Over the old classes (default: the model's own)."),
    ] = None,
    digits: Annotated[
        str, typer.Option(metavar="A,B", help="The new classes, taught online.")
    ] = "8,9",
    shots: Annotated[int, typer.Option(min=1, max=1000, help="Recordings per new class.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Times each is shown.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How many networks.")] = 3,
    choices: Annotated[
        int, typer.Option(min=1, max=100, help="How many choices of the shots, per network.")
    ] = 3,
    batch: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Recordings side by side (likewise).")
    ] = None,
    show: ShowFor = None,
    as_json: Json = False,
) -> None:
    """Train on most classes, then teach the others online from a few recordings each.

    Shots come from the part of the data set that is learned, judgement from the fifth that is
    held back.
    """
    new = names(digits)
    load_kernels()
    from spikewire.sensors import open_dataset

    data = open_dataset(dataset)
    old = [name for name in data.classes if name not in new]
    for name in new:
        if name not in data.classes:
            raise UsageError(
                f"--digits {digits}: {name} is none of the classes {', '.join(data.classes)}"
            )
    if not old:
        raise UsageError(f"--digits {digits} leaves no class to train on")
    _enough(data, new, shots)
    runs = []
    for number in range(seed, seed + seeds):
        network = open_network(model, old, number)
        binned = BinnedDataset(data, network.spec, show)
        learn = [s for s in choose(data, "train") if s.label in old]
        plan = TrainingPlan.best(network.spec, passes, batch, None, number)
        _train(Trainer(network, binned, learn, (), plan), number)
        for run in _teach_all(network, binned, new, shots, rounds, choices, plan.batch):
            runs.append({"seed": number, **run})
            if as_json:
                print_json({"type": "run", **runs[-1]})
    report = {
        "type": "summary", "bench": "fewshot", "model": model, "new": list(new), "shots": shots,
        "rounds": rounds, "passes": plan.passes, "runs": len(runs),
        **{key: round(statistics.mean(run[key] for run in runs), 4) for key in _FIGURES},
        "old_lost_points": round(
            100 * statistics.mean(run["old_before"] - run["old_after"] for run in runs), 2
        ),
        "old_lost_points_worst": round(
            100 * max(run["old_before"] - run["old_after"] for run in runs), 2
        ),
    }  # fmt: skip
    if as_json:
        print_json(report)
    else:
        _print(runs, report)
    raise typer.Exit(DONE)


def _enough(data: Dataset, new: Sequence[str], shots: int) -> None:
    learn = choose(data, "train")
    for name in new:
        found = sum(sample.label == name for sample in learn)
        if found < shots:
            raise UsageError(
                f"--shots {shots}: {data.path} has {found} recordings of {name} to choose from"
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
    shots: int,
    rounds: int,
    choices: int,
    batch: int,
) -> Iterator[dict[str, Any]]:
    """Teach copies of a trained network, each from another choice of recordings."""
    from spikewire.qcore import Network

    held = choose(binned.dataset, "validation")
    old_held = [sample for sample in held if sample.label not in new]
    new_held = [sample for sample in held if sample.label in new]
    saved = trained.to_bytes()
    for choice in range(choices):
        network = Network.from_bytes(saved)
        before = _accuracy(network, binned, old_held, batch)
        for name in new:
            network.add_class(name)
        new_before = _accuracy(network, binned, new_held, batch)
        lessons = pick(choose(binned.dataset, "train"), new, shots, trained.seed, choice)
        for _ in range(rounds):
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
    """Choose so many recordings of each new class, and take them in turn: a, b, a, b, ..."""
    drawn = []
    for place, name in enumerate(new):
        own = [sample for sample in samples if sample.label == name]
        generator = np.random.default_rng([seed, choice, place])
        drawn.append([own[n] for n in generator.permutation(len(own))[:shots]])
    return [sample for turn in zip(*drawn, strict=True) for sample in turn]


def teach(network: Network, sample: BinnedEvents, ticks: int, label: str) -> None:
    """Show one recording with its name, learning from it as it comes."""
    from spikewire.qcore import BinnedEvents

    start = network.tick
    before, _ = sample.before(ticks)
    events = BinnedEvents(before.tick + start, before.x, before.y, before.p)
    network.advance(events, start + ticks, label=network.classes.index(label), learn=True)


def _accuracy(
    network: Network, binned: BinnedDataset, samples: Sequence[Sample], batch: int
) -> float:
    from spikewire.qcore import Batch, Network

    # Judging works on a copy: a batch moves the network's counters.
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
