"""`spikewire bench twin`: accuracy of the same network in floating point.

DECOLLE in PyTorch learns N-MNIST on the same recordings, in the same order and with the same split
as the integer network, so that accuracies are comparable. PyTorch is an optional extra; it is
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
from spikewire.apps.cli.errors import DONE, CommandError, UsageError
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.training.ridge import baseline_line, ridge_baseline

if TYPE_CHECKING:
    from spikewire.apps.bench.baseline.data import Recordings

DEFAULT_ARCHITECTURE = "decolle"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineOptions:
    """Networks of the float baseline, and their training."""

    architecture: Annotated[str, typer.Option(help="Shape of the layers.")] = DEFAULT_ARCHITECTURE
    passes: Annotated[int, typer.Option(min=1, max=1000, help="Passes over the training part.")] = 1
    seed: Annotated[
        list[int] | None, typer.Option(min=0, help="Seed of a network; repeatable (default: 0).")
    ] = None
    batch: Annotated[
        int, typer.Option(min=1, max=1000, help="Recordings learned side by side.")
    ] = 50
    rate: Annotated[
        float, typer.Option(min=0.0, help="Largest step of a weight, relative to the RMS weight.")
    ] = 1e-2
    every: Annotated[int, typer.Option(min=1, max=250, help="Ticks between two updates.")] = 5
    shift: Annotated[
        int, typer.Option(min=0, max=8, help="Largest random shift of a recording in pixels.")
    ] = 0
    schedule: Annotated[str, typer.Option(help="Schedule of the rate: constant or cosine.")] = (
        "cosine"
    )


OPTIONS = BaselineOptions()


@grouped
def twin(
    dataset: Annotated[Path, typer.Argument(help="Folder of N-MNIST recordings.")],
    options: BaselineOptions = OPTIONS,
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="JSON file for the result, written after every pass.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train the float baseline (DECOLLE in PyTorch) on N-MNIST.

    It learns from 800 of 1,000 recordings and is evaluated on the other 200. Accuracy is that of
    the last layer's fixed readout, summed over a recording. The result holds the accuracy of every
    other readout as well.
    """
    if importlib.util.find_spec("torch") is None:
        raise CommandError(
            "the float baseline needs PyTorch, which is an extra: pip install 'spikewire[twin]'"
        )
    if out is not None and not out.absolute().parent.is_dir():
        raise CommandError(f"{out.parent} is not a folder to write {out.name} into")
    _checked("schedule", options.schedule, ("constant", "cosine"))

    from spikewire.apps.bench.baseline.data import load
    from spikewire.apps.bench.baseline.decolle import ARCHITECTURES
    from spikewire.apps.training.split import nmnist_split

    _checked("architecture", options.architecture, ARCHITECTURES)
    learn, hold = nmnist_split(dataset)
    bench = _Bench(options, out, as_json, _no_network(dataset))
    report = bench.run(load(learn), load(hold), threads)
    if not as_json:
        _print(report)
    raise typer.Exit(DONE)


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
        self,
        options: BaselineOptions,
        out: Path | None,
        as_json: bool,
        no_network: dict[str, Any],
    ) -> None:
        from spikewire.apps.bench.baseline.learning import Rule
        from spikewire.apps.bench.baseline.training import BaselinePlan

        self._rule = Rule(rate=options.rate, every=options.every)
        self._plans = [
            BaselinePlan(options.passes, options.batch, seed, options.shift, options.schedule)
            for seed in dict.fromkeys(options.seed or [0])
        ]
        self._architecture, self._out, self._as_json = options.architecture, out, as_json
        self._no_network = no_network

    def run(self, train: Recordings, validation: Recordings, threads: int) -> dict[str, Any]:
        """Train every network and return the whole report."""
        import torch

        from spikewire.apps.bench.baseline.data import HEIGHT, POLARITIES, WIDTH
        from spikewire.apps.bench.baseline.decolle import ARCHITECTURES, FloatBaseline
        from spikewire.apps.bench.baseline.training import Session, fit

        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        layers = ARCHITECTURES[self._architecture]
        report = self._begin(train, validation, threads)
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

                shape = (POLARITIES, HEIGHT, WIDTH)
                network = FloatBaseline(layers, shape, 10, self._rule, plan.seed)
                fit(Session(network), train, validation, plan, after_pass)
        reached = [run["accuracy"] for run in runs]
        report |= {
            "complete": True,
            "ended": now(),
            "accuracy": {
                "readout": _answer(len(layers)),
                "mean": round(statistics.fmean(reached), 4),
                "least": min(reached),
                "most": max(reached),
            },
        }
        self._store(report)
        if self._as_json:
            print_json({"event": "result", **report})
        return report

    def _begin(self, train: Recordings, validation: Recordings, threads: int) -> dict[str, Any]:
        from spikewire.apps.bench.baseline.decolle import ARCHITECTURES

        plan = asdict(self._plans[0])
        layers = ARCHITECTURES[self._architecture]
        return {
            "bench": "twin",
            "command": command_line(),
            "began": now(),
            "machine": {**machine("torch", "numpy"), "threads": threads},
            "recordings": {"train": len(train), "validation": len(validation)},
            "architecture": {"name": self._architecture, "layers": [asdict(one) for one in layers]},
            "rule": asdict(self._rule),
            "plan": {key: value for key, value in plan.items() if key != "seed"},
            "no_network": self._no_network,
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
        if self._out is None:
            return
        # A reader, and a kill, find the last whole result.
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
