"""`spikewire bench dvsgesture`: a network on DVS128 Gesture, by the published split of people.

The network learns from the training people, and is evaluated once, on the others. Nothing is chosen
by their recordings. Its float twin learns the same recordings in the same order.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from spikewire._whole_file import write_whole
from spikewire.apps.bench.machine import command_line, machine, now
from spikewire.apps.cli.errors import DONE, FAILED, CommandError, UsageError, check_target
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import DatasetOptions, DatasetPath, Json
from spikewire.apps.cli.output import console, print_error, print_json, print_note, progress_bar
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.training import resume as resume_file
from spikewire.apps.training.binned_dataset import BinnedDataset, check_shown, open_part
from spikewire.apps.training.costs import memory_report
from spikewire.apps.training.evaluation import Evaluation, evaluate_batch
from spikewire.apps.training.options import TrainingOptions, check_learning
from spikewire.apps.training.resume import run_with_bar
from spikewire.apps.training.ridge import baseline_line, ridge_baseline
from spikewire.apps.training.train import ResumeOptions
from spikewire.apps.training.trainer import Progress, Trainer, TrainingPlan

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Dataset

NEEDS_TWIN = "the float twin needs PyTorch, which is an extra: pip install 'spikewire[twin]'"
FORMATS = DatasetOptions()
RESUME = ResumeOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectOptions(TrainingOptions):
    """The network, its training and its float twin."""

    model: Annotated[
        str, typer.Option(metavar="PRESET|FILE", help="Preset to train, or a trained model file.")
    ] = "schaefer2020"
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the weights, the order and the shifts.")
    ] = 0
    twin: Annotated[
        bool | None,
        typer.Option(
            "--twin/--no-twin",
            help="Train the float twin, too (default: if PyTorch is installed).",
        ),
    ] = None
    threads: Annotated[int, typer.Option(min=1, help="Threads of PyTorch.")] = 1
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Save the trained network.")] = (
        None
    )

    def with_twin(self) -> bool:
        """Tell whether the float twin is wanted, and possible.

        Raises
        ------
        CommandError
            If it is asked for without PyTorch.
        """
        if self.twin is False:
            return False
        if importlib.util.find_spec("torch") is not None:
            return True
        if self.twin:
            raise CommandError(NEEDS_TWIN)
        print_note(NEEDS_TWIN)
        return False


OPTIONS = SubjectOptions()


@grouped
def dvsgesture(
    dataset: DatasetPath,
    options: SubjectOptions = OPTIONS,
    formats: DatasetOptions = FORMATS,
    resuming: ResumeOptions = RESUME,
    out: Annotated[Path | None, typer.Option(metavar="JSON", help="File for the result.")] = None,
    as_json: Json = False,
) -> None:
    """Train on DVS128 Gesture, and test on people that were never shown.

    The folder is the published one, Tonic's copy, or one of `spikewire simulate`. Users 1 to 23
    train, 24 to 29 test. The result has the accuracy, the network's memory, and the distance to
    the same network in floating point (needs spikewire\\[twin]). A model file is only evaluated.
    With --save, a training that is interrupted or killed is resumed with --resume.
    """
    finished = _check_files(out, options.save, resuming)
    with_twin = options.with_twin()
    load_kernels()
    from spikewire.qcore import is_untrained

    untrained = is_untrained(options.model)
    network = None
    if finished or not untrained:
        given = str(options.save) if finished else options.model
        network = open_network(given, (), options.seed)
    train, test = _open(dataset, formats, None if network is None else network.classes)
    if network is None:
        network = open_network(options.model, train.classes, options.seed)
    binned = BinnedDataset(train, network.spec, options.show)
    for part in (train, test):
        check_shown(binned, part.samples)
    plan = options.plan(network.spec, options.seed)
    if untrained and not finished:
        check_learning(options.model, network.spec)
        trainer = Trainer(network, binned, train.samples, (), plan)
        network = _train(trainer, options, resuming, as_json=as_json)
    report = _begin(options, binned, test, network, plan) | {"trained_here": untrained}
    report["network"] = _judge(network, binned, test)
    report["memory"] = _memory(network)
    report["without_network"] = ridge_baseline(
        binned, train.samples, test.samples, network.classes
    ).record()
    report["twin"] = _twin(network, binned, test, plan, options.threads) if with_twin else None
    if report["twin"] is not None:
        distance = 100 * (report["twin"]["accuracy"] - report["network"]["accuracy"])
        report["points_under_twin"] = round(distance, 2)
    report["ended"] = now()
    if out is not None:
        write_whole(out, json.dumps(report, indent=1) + "\n")
    if as_json:
        print_json({"type": "result", **report})
    else:
        _print(report)
    raise typer.Exit(DONE)


def _open(
    path: Path, formats: DatasetOptions, classes: Sequence[str] | None
) -> tuple[Dataset, Dataset]:
    """Open both parts of a data set, which must share nobody."""
    train = open_part(path, "train", formats, classes)
    test = open_part(path, "test", formats, train.classes)
    both = set(train.subjects()) & set(test.subjects())
    if both:
        raise CommandError(f"{path} shows {', '.join(sorted(both))} in training and in test")
    return train, test


def _check_files(out: Path | None, saved: Path | None, resuming: ResumeOptions) -> bool:
    """Check the files of a bench, and tell whether its network is trained and saved already."""
    for name, target in (("--out", out), ("--save", saved)):
        if target is not None:
            check_target(name, target)
    if saved is None:
        if resuming.resume:
            raise UsageError(
                "--resume needs --save FILE: a training is resumed from FILE.unfinished"
            )
        return False
    return resume_file.open_path(saved, resume=resuming.resume) is None


def _train(
    trainer: Trainer, options: SubjectOptions, resuming: ResumeOptions, *, as_json: bool
) -> Network:
    """Train from the beginning, or from the resume file, and return the network."""
    progress, points = Progress(), None
    if options.save is not None:
        path = resume_file.resume_path(options.save)
        settings = {
            "model": options.model,
            "network": trainer.network.spec.digest(),
            "data": resume_file.data_digest(trainer.learn, ()),
            **asdict(trainer.plan),
            "ticks": trainer.binned.ticks,
            "filters": list(trainer.binned.dataset.filters),
        }
        points = resume_file.ResumePoints(path, settings, resuming.pause_s)
        if path.exists():
            progress, network = resume_file.load(path, settings)
            trainer = replace(trainer, network=network)

    def after_pass(record: dict[str, Any]) -> None:
        if as_json:
            print_json({"type": "pass", "of": "network", **record})

    try:
        run_with_bar(trainer, progress, points, after_pass, "training")
    except KeyboardInterrupt:
        kept = points is not None and points.path.exists()
        print_error(
            f"interrupted; --resume goes on from {points.path}"
            if points and kept
            else "interrupted"
        )
        raise typer.Exit(FAILED) from None
    if options.save is not None:
        trainer.network.save(options.save)
        resume_file.resume_path(options.save).unlink(missing_ok=True)
    return trainer.network


def _begin(
    options: SubjectOptions,
    binned: BinnedDataset,
    test: Dataset,
    network: Network,
    plan: TrainingPlan,
) -> dict[str, Any]:
    return {
        "bench": "dvsgesture",
        "command": command_line(),
        "began": now(),
        "machine": machine("numpy", "numba"),
        "data": {
            "kind": binned.dataset.kind,
            "classes": list(network.classes),
            "train": _part(binned.dataset),
            "test": _part(test),
            "ticks": binned.ticks,
            "tick_us": network.spec.tick_us,
        },
        "model": options.model,
        "plan": asdict(plan),
    }


def _part(dataset: Dataset) -> dict[str, Any]:
    return {"recordings": len(dataset), "subjects": list(dataset.subjects())}


def _judge(network: Network, binned: BinnedDataset, test: Dataset) -> dict[str, Any]:
    from spikewire.qcore import Batch

    batch = Batch(network, min(50, len(test)))
    evaluation: Evaluation = evaluate_batch(batch, binned, test.samples)
    return {
        "accuracy": round(evaluation.accuracy, 4),
        "right": evaluation.correct,
        "of": evaluation.total,
        "recall": evaluation.recall(),
        "confusion": evaluation.confusion.tolist(),
        "activity": evaluation.activity,
        "updates": network.updates,
    }


def _memory(network: Network) -> dict[str, Any]:
    report = memory_report(network)
    return {name: report[name] for name in ("count", "paper", "bytes")}


def _twin(
    network: Network,
    binned: BinnedDataset,
    test: Dataset,
    plan: TrainingPlan,
    threads: int,
) -> dict[str, Any]:
    import torch

    from spikewire.apps.bench.baseline.preset_twin import dense_recordings, train_twin

    torch.set_num_threads(threads)
    classes = network.classes
    with progress_bar() as bar:
        task = bar.add_task("float twin, passes", total=plan.passes)
        return train_twin(
            network.spec,
            dense_recordings(binned, binned.dataset.samples, classes),
            dense_recordings(binned, test.samples, classes),
            len(classes), plan, lambda record: bar.advance(task),
        )  # fmt: skip


def _print(report: dict[str, Any]) -> None:
    out = console()
    data, reached = report["data"], report["network"]
    table = Table("class", "recall", title=f"{report['model']}: people that were never shown")
    table.columns[1].justify = "right"
    for name, recall in zip(data["classes"], reached["recall"], strict=True):
        table.add_row(name, "" if recall is None else f"{recall:.1%}")
    out.print(table)
    for line in _lines(report):
        out.print(line, markup=False, soft_wrap=True)


def _lines(report: dict[str, Any]) -> list[str]:
    data, reached, sizes = report["data"], report["network"], report["memory"]
    train, test = data["train"], data["test"]
    counted = sizes["paper"] or sizes["count"]
    lines = [
        f"{data['kind']}: {train['recordings']} recordings to learn (subjects: "
        f"{len(train['subjects'])}), {test['recordings']} to test (subjects: "
        f"{len(test['subjects'])})",
        f"accuracy {reached['accuracy']:.4f}: {reached['right']} of {reached['of']} right",
        baseline_line(report["without_network"]),
        f"memory {counted['bits']:,} bits of {counted['bits_32']:,}, "
        f"{counted['saving_percent']} % less; {sizes['bytes']['total']:,} bytes as built",
    ]
    twin = report["twin"]
    if twin is None:
        return [*lines, "float twin: not trained"]
    distance = report["points_under_twin"]
    side = "under" if distance >= 0 else "above"
    return [
        *lines,
        f"float twin {twin['accuracy']:.4f}: the integer network is {abs(distance):.2f} points "
        f"{side} it",
    ]
