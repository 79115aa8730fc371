"""`spikewire evaluate`: how right a model is, and what it costs by NeuroBench's definitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options import Json
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.training.binned_dataset import BinnedDataset, Part, choose
from spikewire.apps.training.costs import NEUROBENCH_BASELINE, neurobench_report
from spikewire.apps.training.evaluation import Evaluation, evaluate_batch

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Dataset, Sample

PARTS: tuple[Part, ...] = ("validation", "train", "all")

DatasetPath = Annotated[
    Path, typer.Argument(metavar="DATASET", help="A folder of labelled recordings.")
]
ShowFor = Annotated[
    int | None,
    typer.Option(
        "--show", metavar="TIME", parser=duration_us,
        help="How much of each recording is shown, such as 300ms (default: by the data set).",
    ),
]  # fmt: skip
Trials = Annotated[
    Literal["train", "test"] | None,
    typer.Option(
        "--trials", help="Only that part of a set which has two (trials_to_test.txt, Test)."
    ),
]


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or a preset.")],
    dataset: DatasetPath,
    part: Annotated[
        str,
        typer.Option(metavar="PART", help="validation (the fifth held back), train, or all."),
    ] = "validation",
    trials: Trials = None,
    show: ShowFor = None,
    batch: Annotated[int, typer.Option(min=1, max=1024, help="Recordings side by side.")] = 50,
    count_on: Annotated[
        int | None,
        typer.Option(
            "--count-on",
            min=0,
            metavar="N",
            help="BitCount operations on N recordings, evenly spread (default: all; 0: none).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how right a model is on a data set, which classes it confuses, and what it costs.

    Costs are by NeuroBench's definitions, counted synapse by synapse, per recording shown.
    """
    if trials == "test":
        part = "all"  # it is all held back
    chosen = next((one for one in PARTS if one == part), None)
    if chosen is None:
        raise UsageError(f"--part {part} is none of {', '.join(PARTS)}")
    load_kernels()
    network, data = open_model_and_dataset(model, dataset, trials)
    samples = choose(data, chosen)
    binned = BinnedDataset(data, network.spec, show)
    from spikewire.qcore import Batch

    evaluation = evaluate_batch(Batch(network, min(batch, len(samples))), binned, samples)
    report = {
        "model": model,
        "dataset": str(dataset),
        "part": part,
        "recordings": evaluation.total,
        "ticks": binned.ticks,
        "tick_us": network.spec.tick_us,
        "classes": list(network.classes),
        "right": evaluation.correct,
        "accuracy": round(evaluation.accuracy, 4),
        "recall": evaluation.recall(),
        "confusion": evaluation.confusion[:, :-1].tolist(),
        "unanswered": evaluation.confusion[:, -1].tolist(),
        "activity": evaluation.activity,
        "neurobench": neurobench_report(network, binned, spread(samples, count_on)),
    }
    if as_json:
        print_json(report)
    else:
        _print(report, evaluation)
    raise typer.Exit(DONE)


def open_model_and_dataset(
    model: str, dataset: Path, trials: Literal["train", "test"] | None = None
) -> tuple[Network, Dataset]:
    """Open a model and a data set whose labels it must know."""
    from spikewire.qcore import preset_names
    from spikewire.sensors import open_dataset

    if model in preset_names():
        data = open_dataset(dataset, part=trials)
        stderr_console().print(f"note: {model} is untrained, so its answers mean nothing yet")
        return open_network(model, data.classes, 0), data
    network = open_network(model, (), 0)
    return network, open_dataset(dataset, classes=network.classes, part=trials)


def spread(samples: Sequence[Sample], count: int | None) -> Sequence[Sample]:
    """Take ``count`` of the recordings, evenly spread; all for None."""
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
        right = "" if recall is None else f"{recall:.1%}"
        table.add_row(name, str(int(row.sum())), right, *cells)
    out.print(table)
    out.print(
        f"accuracy {report['accuracy']:.4f}: {report['right']} of {report['recordings']} right "
        f"({report['part']} part, {report['ticks']} ticks of {report['tick_us']} us each)"
    )
    active = ", ".join(f"{share:.2%}" for share in report["activity"])
    out.print(f"active units per tick, by layer: {active}")
    found = report["neurobench"]
    table = Table("NeuroBench", "value", title=f"counted on {found['counted_on']} recordings")
    table.columns[1].justify = "right"
    table.add_row("footprint, with all it needs to learn", f"{found['footprint_bytes']:,} B")
    table.add_row("footprint, to infer", f"{found['footprint_infer_bytes']:,} B")
    table.add_row("[dim]NeuroBench's DVS128 Gesture baseline[/]", f"{NEUROBENCH_BASELINE:,} B")
    table.add_row("connection sparsity", f"{found['connection_sparsity']:.4f}")
    if found["counted_on"]:
        table.add_row("activation sparsity", f"{found['activation_sparsity']:.4f}")
        for name, title in (
            ("effective_acs", "effective accumulates"),
            ("effective_macs", "effective multiply-accumulates"),
            ("dense", "dense operations"),
        ):
            each, per_tick = found["synaptic_operations"][name], found["per_tick"][name]
            table.add_row(title, f"{each:,.0f} ({per_tick:,.0f} per tick)")
        per_tick = found["per_tick"]["membrane_updates"]
        table.add_row(
            "membrane updates", f"{found['membrane_updates']:,.0f} ({per_tick:,.0f} per tick)"
        )
    out.print(table)
