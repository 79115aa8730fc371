"""`spikewire info`: format, size, events and damage of recordings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikewire.apps.cli.errors import DONE, FAILED, UsageError, describe
from spikewire.apps.cli.figures import check_plot
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
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG|SVG",
            help="Draw rate, polarity, places, intervals and hot pixels of the recording.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe recordings: format, sensor size, events, times and damage."""
    how = format.settings()
    if plot is not None:
        if len(files) > 1:
            raise UsageError("--plot draws one recording; several are named")
        check_plot(plot)
    codes = [_one(path, how, as_json, first=number == 0) for number, path in enumerate(files)]
    if plot is not None:
        codes.append(_plot(files[0], how, plot))
    raise typer.Exit(max(codes))


def _plot(path: Path, how: dict[str, Any], plot: Path) -> int:
    """Draw the figure of a recording that was described; what is damaged was told there."""
    from spikewire.apps.recordings.statistics import RecordingStatistics
    from spikewire.apps.recordings.statistics_plot import plot_statistics
    from spikewire.sensors import DecodeError, SensorError, open_recording

    try:
        recording = open_recording(path, policy="drop", **how)
    except SensorError:
        return FAILED
    found = RecordingStatistics(recording.size)
    code = DONE
    try:
        for events in recording.chunks():
            found.add(events)
    except DecodeError:
        code = FAILED
    except SensorError:
        return FAILED
    width, height = recording.size
    plot_statistics(found, f"{path.name}: {recording.format}, {width} x {height}", plot)
    return code


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
    if facts.dropped.get("time_backwards"):
        lost += "; --sort puts events in time order"
    if lost:
        rows.append(("dropped", lost))
    if facts.damage is not None:
        offset = facts.damage["offset"]
        where = "" if offset is None else f"at byte {offset:,}: "
        rows.append(("damage", where + str(facts.damage["reason"])))
    return rows
