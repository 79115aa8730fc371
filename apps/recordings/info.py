"""`spikewire info`: format, size, events and damage of recordings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikewire.apps.cli.errors import DONE, FAILED, describe
from spikewire.apps.cli.file_bar import file_bar
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Json, RecordingOptions
from spikewire.apps.cli.output import console, print_error, print_json
from spikewire.apps.cli.units import format_bytes, format_rate, format_us
from spikewire.apps.cli.warmup import patience

if TYPE_CHECKING:
    from spikewire.sensors import RecordingInfo

_FORMAT = RecordingOptions()


@grouped
def info(
    files: Annotated[list[Path], typer.Argument(help="Recordings to describe.")],
    format: RecordingOptions = _FORMAT,
    as_json: Json = False,
) -> None:
    """Describe recordings: format, sensor size, events, times and damage."""
    how = format.settings()
    codes = [_one(path, how, as_json, first=number == 0) for number, path in enumerate(files)]
    raise typer.Exit(max(codes))


def _one(path: Path, how: dict[str, Any], as_json: bool, *, first: bool) -> int:
    try:
        with patience():
            from spikewire.sensors import describe_recording
        with file_bar("reading") as moved:
            facts = describe_recording(path, **how, progress=moved)
    except Exception as error:
        described = describe(error)
        if described is None:
            raise
        print_error(described[0])
        return described[1]
    record = dataclasses.asdict(facts)
    if as_json:
        print_json(record)
    else:
        _print(facts, first=first)
    return FAILED if facts.damage is not None else DONE


def _print(facts: RecordingInfo, *, first: bool) -> None:
    out = console()
    if not first:
        out.print()
    for name, value in _rows(facts):
        out.print(f"[dim]{name:<9}[/]", end="")
        out.print(value, markup=False, soft_wrap=True)


def _rows(facts: RecordingInfo) -> list[tuple[str, str]]:
    width, height = facts.size
    guessed = " (the format does not say; from the events)" if facts.size_from == "events" else ""
    rows = [
        ("file", facts.path),
        ("format", f"{facts.format}, {format_bytes(facts.bytes)}, read by {facts.reader}"),
        *([("note", facts.note)] if facts.note else []),
        ("sensor", f"{width} x {height}{guessed}"),
        ("events", f"{facts.events:,} ({facts.on:,} ON, {facts.off:,} OFF)"),
    ]
    if facts.t_first is not None and facts.t_last is not None:
        times = f"from {facts.t_first:,} us to {facts.t_last:,} us"
        rows.append(("time", f"{format_us(facts.duration_us)}, {times}"))
        rows.append(("rate", f"{format_rate(facts.rate)} on average"))
    unusable = ", ".join(f"{name} {count:,}" for name, count in (facts.left_out or {}).items())
    if unusable:
        rows.append(("left out", unusable))
    lost = ", ".join(f"{name} {count:,}" for name, count in facts.dropped.items() if count)
    if lost:
        rows.append(("dropped", lost))
    if facts.damage is not None:
        offset = facts.damage["offset"]
        where = "" if offset is None else f"at byte {offset:,}: "
        rows.append(("damage", where + str(facts.damage["reason"])))
    return rows
