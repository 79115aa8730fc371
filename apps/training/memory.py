"""`spikewire memory`: a network's memory, in bits by the paper's count and in bytes."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, CommandError
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.shared import Json
from spikewire.apps.cli.output import console, print_json
from spikewire.apps.cli.units import format_bytes
from spikewire.apps.training.costs import NEUROBENCH_BASELINE, memory_report


def memory(
    model: Annotated[str, typer.Argument(metavar="PRESET|FILE", help="Preset or model file.")],
    class_count: Annotated[
        int,
        typer.Option(min=1, max=1024, help="Number of a preset's classes (DVS128 Gesture: 11)."),
    ] = 11,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="BYTES", help="Fail if the network takes more than this."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Count a network's memory: in bits at its widths and at 32, and in bytes as it is built.

    Bits are counted as by Schaefer & Joshi 2020. For each kind of array, a sentence explains the
    difference between bits and bytes.
    """
    names = [f"class {n + 1}" for n in range(class_count)]
    network = open_network(model, names, 0, grow=False)
    report = memory_report(network)
    if as_json:
        print_json({"model": model, **report})
    else:
        _print(model, report)
    total = report["bytes"]["total"]
    if limit is not None and total > limit:
        raise CommandError(
            f"{model} takes {total:,} bytes, {total - limit:,} more than the limit of {limit:,}"
        )
    raise typer.Exit(DONE)


def _print(model: str, report: dict[str, Any]) -> None:
    out = console()
    if report["options"]:
        out.print(f"Options of {model}: {', '.join(report['options'])}.", soft_wrap=True)
        out.print()
    table = Table("counted", "numbers", "width", "bits", title=f"{model}: by the paper's count")
    for column in table.columns[1:]:
        column.justify = "right"
    for item in report["count"]["items"]:
        numbers = (f"{item[key]:,}" for key in ("numbers", "width", "bits"))
        table.add_row(item["name"], *numbers)
    out.print(table)
    out.print(_count_line(report["count"]), soft_wrap=True)
    if report["paper"] is not None:
        out.print(
            "As the paper counts it, with 1,440 units in layer 1, which has 14,400, and gradients "
            f"for every layer: {_count_line(report['paper'])}",
            soft_wrap=True,
        )
    out.print()
    table = Table("array", "type", "bytes", "for", "bits counted", title="as it is built")
    for column in (table.columns[2], table.columns[4]):
        column.justify = "right"
    for kind in report["arrays"]:
        bits = "" if kind["counted_bits"] is None else f"{kind['counted_bits']:,}"
        table.add_row(kind["kind"], kind["dtype"], f"{kind['bytes']:,}", kind["for"], bits)
    out.print(table)
    for kind in report["arrays"]:
        out.print(f"[bold]{kind['kind']}[/]: {kind['reason']}")
    out.print()
    sizes = report["bytes"]
    out.print(
        f"{sizes['total']:,} bytes as built: {_less(sizes['saving_percent'])} than the "
        f"{sizes['count_32']:,} of the count at 32 bits per number, and "
        f"{_less(sizes['arrays_saving_percent'])} than the {sizes['arrays_32']:,} of these same "
        "arrays at 32 bits.",
        soft_wrap=True,
    )
    out.print(
        f"{sizes['total']:,} bytes: {sizes['infer']:,} to infer, {sizes['learn']:,} more to learn. "
        f"NeuroBench's baseline for DVS128 Gesture infers in {NEUROBENCH_BASELINE:,} bytes "
        f"({format_bytes(NEUROBENCH_BASELINE)}) and does not learn.",
        soft_wrap=True,
    )


def _less(percent: float) -> str:
    return f"{percent} % less" if percent >= 0 else f"{-percent} % more"


def _count_line(count: dict[str, Any]) -> str:
    return (
        f"{count['bits']:,} bits; {count['bits_32']:,} at 32 bits per number; "
        f"{count['saving_percent']} % less."
    )
