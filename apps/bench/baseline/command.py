"""`spikewire bench twin`: accuracy of the same network in floating point.

DECOLLE in PyTorch learns the same recordings, in the same order and with the same split as the
integer network, so that accuracies are comparable. PyTorch is an optional extra; it is
imported when the command runs.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from spikewire._whole_file import write_whole
from spikewire.apps.bench.machine import command_line, machine, now
from spikewire.apps.cli.errors import DONE, CommandError, UsageError, check_target
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import DatasetOptions, Json
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.training.ridge import baseline_line, ridge_baseline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spikewire.apps.bench.baseline.data import Recordings
    from spikewire.apps.bench.baseline.decolle import Conv
    from spikewire.apps.bench.baseline.learning import Rule

DEFAULT_ARCHITECTURE = "decolle"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineOptions:
    """Networks of the float baseline, and their training."""

    architecture: Annotated[
        str | None, typer.Option(help=f"Shape of the layers (default: {DEFAULT_ARCHITECTURE}).")
    ] = None
    passes: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Passes (default: 1, or as the network's training)."),
    ] = None
    seed: Annotated[
        list[int] | None, typer.Option(min=0, help="Seed of a network; repeatable (default: 0).")
    ] = None
    batch: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Recordings learned side by side (default: 50, or as above)."
        ),
    ] = None
    rate: Annotated[
        float, typer.Option(min=0.0, help="Largest step of a weight, relative to the RMS weight.")
    ] = 1e-2
    every: Annotated[
        int | None,
        typer.Option(
            min=1, max=250,
            help="Ticks between two updates (default: 5, or as a network on traces has them).",
        ),
    ] = None  # fmt: skip
    shift: Annotated[
        int | None,
        typer.Option(
            min=0, max=8,
            help="Largest random shift of a recording in pixels (default: 0, or as above).",
        ),
    ] = None  # fmt: skip
    schedule: Annotated[str, typer.Option(help="Schedule of the rate: constant or cosine.")] = (
        "cosine"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleOptions:
    """Simulated people of `bench twin gestures`."""

    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="People of spikewire simulate (default: those of make model)."
        ),
    ] = None
    people: Annotated[
        int, typer.Option(min=5, max=999, help="People to simulate; 64 of 79 are learned.")
    ] = 158
    read_passes: Annotated[
        int, typer.Option(min=1, max=100, help="Passes of the readout behind the layers.")
    ] = 6


OPTIONS, FORMATS, PEOPLE = BaselineOptions(), DatasetOptions(), PeopleOptions()
GESTURES = "gestures"


@grouped
def twin(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="Folder of N-MNIST recordings; with --model, any data set; or gestures."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET|FILE", help="Take the layers, choices and training of this network."
        ),
    ] = None,
    options: BaselineOptions = OPTIONS,
    formats: DatasetOptions = FORMATS,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    people: PeopleOptions = PEOPLE,
    out: Annotated[
        Path | None,
        typer.Option(
            help="JSON file for the result, written after every pass; for gestures, model file."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train the float baseline (DECOLLE in PyTorch), the twin of an integer network.

    It learns from four fifths of the recordings and is evaluated on the others, as `train` does: on
    N-MNIST 800 and 200. Accuracy is that of the last layer's fixed readout, summed over a
    recording. The result holds the accuracy of every other readout as well.

    `bench twin gestures` compares on simulated people instead: no network, a float network of
    convolutions and a recurrent unit, edge10 learned through time, and the shipped network. --out
    keeps the third as a model file.
    """
    if importlib.util.find_spec("torch") is None:
        raise CommandError(
            "the float baseline needs PyTorch, which is an extra: pip install 'spikewire[twin]'"
        )
    if out is not None:
        check_target("--out", out)
    if dataset == Path(GESTURES):
        _compare(options, people, formats, model, out, as_json=as_json)
        raise typer.Exit(DONE)
    if people != PEOPLE:
        raise UsageError("--people, --data and --read-passes are for bench twin gestures")
    if model is None and formats != FORMATS:
        raise UsageError("--size, --columns, --unit and --filter are for a data set of --model")
    _checked("schedule", options.schedule, ("constant", "cosine"))

    task = (
        _nmnist(dataset, options) if model is None else _twin_of(model, dataset, options, formats)
    )
    report = _Bench(task, options, out, as_json).run(threads)
    if not as_json:
        _print(report)
    raise typer.Exit(DONE)


def _compare(
    options: BaselineOptions,
    people: PeopleOptions,
    formats: DatasetOptions,
    model: str | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Compare with floats on simulated people."""
    from spikewire.apps.bench.baseline.ceiling import CeilingPlan, compare, print_comparison

    own = BaselineOptions(passes=options.passes, seed=options.seed)
    seeds = options.seed or [0]
    if options != own or formats != FORMATS or model is not None or len(seeds) > 1:
        raise UsageError(
            "bench twin gestures takes --passes, one --seed, --data, --people, --read-passes and "
            "--out"
        )
    report = compare(
        CeilingPlan(people.data, people.people, options.passes, people.read_passes, seeds[0], out),
        quiet=as_json,
    )
    if as_json:
        print_json(report)
    else:
        print_comparison(report)


@dataclass(frozen=True, slots=True)
class _Task:
    """A network in floating point, its rule, its parts of a data set, and its training."""

    name: str
    layers: Sequence[Conv]
    rule: Rule
    train: Recordings
    validation: Recordings
    classes: int
    passes: int
    batch: int
    shift: int
    no_network: dict[str, Any]


def _nmnist(dataset: Path, options: BaselineOptions) -> _Task:
    """Prepare one of the baseline's own networks for N-MNIST."""
    from spikewire.apps.bench.baseline.data import load
    from spikewire.apps.bench.baseline.decolle import ARCHITECTURES
    from spikewire.apps.bench.baseline.learning import Rule
    from spikewire.apps.training.split import nmnist_split

    name = options.architecture or DEFAULT_ARCHITECTURE
    _checked("architecture", name, ARCHITECTURES)
    learn, hold = nmnist_split(dataset)
    return _Task(
        name, ARCHITECTURES[name], Rule(rate=options.rate, every=options.every or 5),
        load(learn), load(hold), 10,
        options.passes or 1, options.batch or 50, options.shift or 0, _no_network(dataset),
    )  # fmt: skip


def _twin_of(model: str, dataset: Path, options: BaselineOptions, formats: DatasetOptions) -> _Task:
    """Prepare the twin of a network, on the parts of a data set that `train` takes."""
    from spikewire.apps.bench.baseline.preset_twin import dense_recordings, twin_layers, twin_rule
    from spikewire.apps.cli.models import open_network
    from spikewire.apps.training.binned_dataset import (
        BinnedDataset,
        check_shown,
        choose,
        open_part,
    )
    from spikewire.apps.training.trainer import TrainingPlan

    if options.architecture is not None:
        raise UsageError("--model gives the layers; --architecture belongs to a run without it")
    data = open_part(dataset, None, formats)
    spec = open_network(model, data.classes, 0).spec
    binned = BinnedDataset(data, spec)
    check_shown(binned, data.samples)
    learn, hold = choose(data, "train"), choose(data, "validation")
    plan = TrainingPlan.best(spec, options.passes, options.batch, options.shift, 0)
    return _Task(
        model, twin_layers(spec), twin_rule(spec, options.rate, options.every),
        dense_recordings(binned, learn, data.classes), dense_recordings(binned, hold, data.classes),
        len(data.classes), plan.passes, plan.batch, plan.shift,
        ridge_baseline(binned, learn, hold, data.classes).record(),
    )  # fmt: skip


def _no_network(dataset: Path) -> dict[str, Any]:
    """Evaluate the baseline without a network on the same parts."""
    from spikewire.apps.training.binned_dataset import BinnedDataset, choose
    from spikewire.qcore import load_preset
    from spikewire.sensors import open_dataset

    data = open_dataset(dataset)
    binned = BinnedDataset(data, load_preset("nmnist"))
    learn, hold = choose(data, "train"), choose(data, "validation")
    return ridge_baseline(binned, learn, hold, data.classes).record()


def _checked(name: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise UsageError(f"{name} is {value!r}; allowed are {', '.join(allowed)}")


class _Bench:
    """Training of several networks, and a report that grows with every pass."""

    def __init__(
        self, task: _Task, options: BaselineOptions, out: Path | None, as_json: bool
    ) -> None:
        from spikewire.apps.bench.baseline.training import BaselinePlan

        self._plans = [
            BaselinePlan(task.passes, task.batch, seed, task.shift, options.schedule)
            for seed in dict.fromkeys(options.seed or [0])
        ]
        self._task, self._out, self._as_json = task, out, as_json

    def run(self, threads: int) -> dict[str, Any]:
        """Train every network and return the whole report."""
        import torch

        from spikewire.apps.bench.baseline.decolle import FloatBaseline
        from spikewire.apps.bench.baseline.training import Session, fit

        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        one = self._task
        report = self._begin(threads)
        runs: list[dict[str, Any]] = report["runs"]
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(), TimeRemainingColumn(),
            console=stderr_console(), disable=self._as_json,
        )  # fmt: skip
        with torch.no_grad(), bar:
            task = bar.add_task("passes", total=len(self._plans) * self._plans[0].passes)
            for plan in self._plans:
                run: dict[str, Any] = {"seed": plan.seed, "passes": []}
                runs.append(run)

                def after_pass(record: dict[str, Any], run: dict[str, Any] = run) -> None:
                    bar.print(self._add(report, run, record))
                    bar.advance(task)

                network = FloatBaseline(
                    one.layers, one.train.plane, one.classes, one.rule, plan.seed
                )
                fit(Session(network), one.train, one.validation, plan, after_pass)
        reached = [run["accuracy"] for run in runs]
        report |= {
            "complete": True,
            "ended": now(),
            "accuracy": {
                "readout": _answer(len(one.layers)),
                "mean": round(statistics.fmean(reached), 4),
                "least": min(reached),
                "most": max(reached),
            },
        }
        self._store(report)
        if self._as_json:
            print_json({"event": "result", **report})
        return report

    def _begin(self, threads: int) -> dict[str, Any]:
        plan, task = asdict(self._plans[0]), self._task
        return {
            "bench": "twin",
            "command": command_line(),
            "began": now(),
            "machine": {**machine("torch", "numpy"), "threads": threads},
            "recordings": {"train": len(task.train), "validation": len(task.validation)},
            "architecture": {"name": task.name, "layers": [asdict(one) for one in task.layers]},
            "rule": asdict(task.rule),
            "plan": {key: value for key, value in plan.items() if key != "seed"},
            "no_network": task.no_network,
            "complete": False,
            "runs": [],
            "log": [],
        }

    def _add(self, report: dict[str, Any], run: dict[str, Any], record: dict[str, Any]) -> str:
        """Add a pass to its run and to the report, and return its line of the log."""
        layers = len(report["architecture"]["layers"])
        run["passes"].append(record)
        run["accuracy"] = record["validation"]["accuracy"][_answer(layers)]
        line = _log_line(run["seed"], record, layers)
        report["log"].append(f"{now()} {line}")
        if self._as_json:
            print_json({"event": "pass", "seed": run["seed"], **record})
        self._store(report)
        return line

    def _store(self, report: dict[str, Any]) -> None:
        if self._out is not None:  # a reader, and a kill, find the last whole result
            write_whole(self._out, json.dumps(report, indent=1) + "\n")


def _answer(layers: int) -> str:
    return f"layer{layers}"


def _log_line(seed: int, record: dict[str, Any], layers: int) -> str:
    validation = record["validation"]
    accuracy = validation["accuracy"]
    trained = " ".join(f"{accuracy[f'trained{n + 1}']:.3f}" for n in range(layers))
    own = " ".join(f"{accuracy[f'layer{n + 1}']:.3f}" for n in range(layers))
    active = " ".join(f"{share:.1%}" for share in validation["activity"])
    return (
        f"seed {seed}, pass {record['pass']}: fixed readouts {own}, votes {accuracy['votes']:.3f}, "
        f"trained readouts {trained}, active {active}, {record['train_s']:.0f} s"
    )


def _print(report: dict[str, Any]) -> None:
    table = Table("seed", "accuracy", "votes", "all layers", "trained, last", "active")
    depth = len(report["architecture"]["layers"])
    for run in report["runs"]:
        validation = run["passes"][-1]["validation"]
        accuracy = validation["accuracy"]
        table.add_row(
            str(run["seed"]), f"{run['accuracy']:.3f}", f"{accuracy['votes']:.3f}",
            f"{accuracy['layers']:.3f}", f"{accuracy[f'trained{depth}']:.3f}",
            " ".join(f"{share:.1%}" for share in validation["activity"]),
        )  # fmt: skip
    out = console()
    out.print(table)
    reached = report["accuracy"]
    out.print(
        f"{reached['mean']:.4f} on average ({reached['least']:.3f} to {reached['most']:.3f}) after "
        f"{report['plan']['passes']} passes over {report['recordings']['train']} recordings"
    )
    out.print(baseline_line(report["no_network"]))
