"""`spikewire evaluate`: a model's accuracy, and its costs by NeuroBench's definitions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import DatasetOptions, DatasetPath, Json, ShowFor, Trials
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.training.answers import answers_table, calibrate, shares_by_class
from spikewire.apps.training.binned_dataset import (
    BinnedDataset,
    Part,
    check_shown,
    choose,
    open_part,
)
from spikewire.apps.training.costs import NEUROBENCH_BASELINE, neurobench_report
from spikewire.apps.training.evaluation import Evaluation, evaluate_batch
from spikewire.apps.training.options import Distort
from spikewire.apps.training.ridge import baseline_line, ridge_baseline

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Dataset, Sample

PARTS: tuple[Part, ...] = ("validation", "train", "all")


def _pixels(text: str) -> str:
    if re.fullmatch(r"-?\d{1,3},-?\d{1,3}", text) is None:
        raise typer.BadParameter(f"{text} is no pair of whole numbers, such as 2,-2")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """The recordings of an evaluation, and their presentation."""

    part: Annotated[
        str,
        typer.Option(metavar="PART", help="Part to evaluate on: validation (a fifth), train, all."),
    ] = "validation"
    trials: Trials = None
    show: ShowFor = None
    batch: Annotated[
        int, typer.Option(min=1, max=1024, help="Recordings computed side by side.")
    ] = 50
    count_on: Annotated[
        int | None,
        typer.Option(
            "--count-on",
            min=0,
            metavar="N",
            help="Recordings to count operations on, evenly spread (default: all; 0: none).",
        ),
    ] = None

    distort: Distort = None
    moved: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            parser=_pixels,
            help="Move recordings by so many pixels to the right and down, such as 2,-2.",
        ),
    ] = None

    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline/--no-baseline",
            help="Compare with a regression on event counts, fitted on the training part.",
        ),
    ] = True

    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Calibrate the margins of answers on these recordings; write the model to FILE.",
        ),
    ] = None

    def check(self) -> Part:
        """Return the part to evaluate on; the test trials are held back as a whole.

        Raises
        ------
        UsageError
            If there is no such part.
        """
        if self.trials == "test":
            return "all"
        for part in PARTS:
            if part == self.part:
                return part
        raise UsageError(f"--part {self.part} is none of {', '.join(PARTS)}")

    def by(self) -> tuple[int, int]:
        """Return the columns and rows that recordings are moved by."""
        x, y = (int(number) for number in (self.moved or "0,0").split(","))
        return x, y


EVALUATION = EvaluationOptions()
FORMATS = DatasetOptions()


@grouped
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model file or preset.")],
    dataset: DatasetPath,
    options: EvaluationOptions = EVALUATION,
    formats: DatasetOptions = FORMATS,
    as_json: Json = False,
) -> None:
    """Evaluate a model on a data set: accuracy, confusion matrix and NeuroBench costs.

    Costs follow NeuroBench's definitions. Operations are counted synapse by synapse and given per
    recording.
    """
    part = options.check()
    load_kernels(learn=False)
    network, data = open_model_and_dataset(model, dataset, formats, options.trials)
    samples = choose(data, part)
    binned = BinnedDataset(data, network.spec, options.show)
    check_shown(binned, samples)
    from spikewire.qcore import Batch

    if options.calibrate is not None:
        network.calibration = calibrate(network, binned, samples)
        network.save(options.calibrate)
    size = min(options.batch, len(samples))
    evaluation = evaluate_batch(
        Batch(network, size), binned, samples,
        distort=options.distort is not None, moved=options.by(),
    )  # fmt: skip
    costs = neurobench_report(network, binned, spread(samples, options.count_on))
    report = {
        "model": model,
        "dataset": str(dataset),
        "part": part,
        "distort": options.distort,
        "moved": options.by(),
        "recordings": evaluation.total,
        "ticks": binned.ticks,
        "tick_us": network.spec.tick_us,
        "classes": list(network.classes),
        "right": evaluation.correct,
        "accuracy": round(evaluation.accuracy, 4),
        "recall": evaluation.recall(),
        "confusion": evaluation.confusion[:, :-1].tolist(),
        "unanswered": evaluation.confusion[:, -1].tolist(),
        "answers": shares_by_class(
            network, binned, samples, distort=options.distort is not None, moved=options.by()
        ),
        "calibration": network.calibration.to_dict(),
        "activity": evaluation.activity,
        "local": evaluation.local,
        "no_network": fit_baseline(dataset, binned, samples, part, options),
        "neurobench": costs,
    }
    if as_json:
        print_json(report)
    else:
        _print(report, evaluation)
    raise typer.Exit(DONE)


def fit_baseline(
    folder: Path,
    binned: BinnedDataset,
    samples: Sequence[Sample],
    part: Part,
    options: EvaluationOptions,
) -> dict[str, Any] | None:
    """Evaluate the baseline without a network, if there is another part to fit it on.

    It has no part in an evaluation of moved recordings.

    Parameters
    ----------
    folder
        The data set, with both of its parts.
    binned, samples, part
        The recordings that are evaluated, and the name of their part.
    options
        Options of the command.
    """
    from spikewire.sensors import open_dataset

    data = binned.dataset
    if (
        not options.baseline
        or options.by() != (0, 0)
        or (part != "validation" and options.trials != "test")
    ):
        return None
    if options.trials != "test":
        learn = choose(data, "train")
    else:
        learn = open_dataset(
            folder, classes=data.classes, part="train",
            size=data.sensor_size, columns=data.columns, unit=data.unit,
        ).samples  # fmt: skip
    return ridge_baseline(binned, learn, samples, data.classes).record()


def open_model_and_dataset(
    model: str,
    dataset: Path,
    formats: DatasetOptions = FORMATS,
    trials: Literal["train", "test"] | None = None,
) -> tuple[Network, Dataset]:
    """Open a model, and a data set whose labels the model must know."""
    from spikewire.qcore import preset_names

    if model in preset_names():
        data = open_part(dataset, trials, formats)
        stderr_console().print(f"note: {model} is untrained, so its answers mean nothing yet")
        return open_network(model, data.classes, 0), data
    network = open_network(model, (), 0)
    return network, open_part(dataset, trials, formats, network.classes)


def spread(samples: Sequence[Sample], count: int | None) -> Sequence[Sample]:
    """Select ``count`` recordings, evenly spread; all for None."""
    if count is None or count >= len(samples):
        return samples
    return [samples[n * len(samples) // count] for n in range(count)]


def _print(report: dict[str, Any], evaluation: Evaluation) -> None:
    out = console()
    names = report["classes"]
    table = Table("true class", "shown", "right", *names, title="answers, by true class")
    for column in table.columns[1:]:
        column.justify = "right"
    if np.any(evaluation.confusion[:, -1]):
        table.add_column("none", justify="right")
    for name, row, recall in zip(names, evaluation.confusion, report["recall"], strict=True):
        cells = [str(n) if n else "[dim]\N{MIDDLE DOT}[/]" for n in row[: len(table.columns) - 3]]
        recall_text = "" if recall is None else f"{recall:.1%}"
        table.add_row(name, str(int(row.sum())), recall_text, *cells)
    out.print(table)
    if report["answers"] is not None:
        out.print(answers_table(report["answers"]))
    out.print(
        f"accuracy {report['accuracy']:.4f}: {report['right']} of {report['recordings']} right "
        f"({report['part']} part{', distorted' if report['distort'] else ''}"
        f"{', moved by ' + str(report['moved']) if any(report['moved']) else ''}, "
        f"{report['ticks']} ticks of {report['tick_us']} us each)"
    )
    active = ", ".join(f"{share:.2%}" for share in report["activity"])
    out.print(f"active units per tick, by layer: {active}")
    if any(share is not None for share in report["local"]):
        own = ", ".join("none" if share is None else f"{share:.4f}" for share in report["local"])
        out.print(f"accuracy of the layers' own readouts: {own}")
    if report["no_network"] is not None:
        out.print(baseline_line(report["no_network"]))
    out.print(_costs_table(report["neurobench"]))


def _costs_table(costs: dict[str, Any]) -> Table:
    table = Table("NeuroBench", "value", title=f"counted on {costs['counted_on']} recordings")
    table.columns[1].justify = "right"
    table.add_row("footprint, with all it needs to learn", f"{costs['footprint_bytes']:,} B")
    table.add_row("footprint, to infer", f"{costs['footprint_infer_bytes']:,} B")
    table.add_row("[dim]NeuroBench's DVS128 Gesture baseline[/]", f"{NEUROBENCH_BASELINE:,} B")
    table.add_row("connection sparsity", f"{costs['connection_sparsity']:.4f}")
    if costs["counted_on"]:
        table.add_row("activation sparsity", f"{costs['activation_sparsity']:.4f}")
        for name, title in (
            ("effective_acs", "effective accumulates"),
            ("effective_macs", "effective multiply-accumulates"),
            ("dense", "dense operations"),
        ):
            each, per_tick = costs["synaptic_operations"][name], costs["per_tick"][name]
            table.add_row(title, f"{each:,.0f} ({per_tick:,.0f} per tick)")
        per_tick = costs["per_tick"]["membrane_updates"]
        table.add_row(
            "membrane updates", f"{costs['membrane_updates']:,.0f} ({per_tick:,.0f} per tick)"
        )
    return table
