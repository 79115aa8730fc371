"""`spikewire info`: format, size, events and damage of recordings."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikewire.apps.cli.errors import DONE, FAILED, UsageError, describe, settle_code
from spikewire.apps.cli.figures import check_plot
from spikewire.apps.cli.file_bar import file_bar
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Filters, Json, RecordingOptions
from spikewire.apps.cli.output import console, print_error, print_json, stderr_console
from spikewire.apps.cli.units import format_bytes, format_rate, format_us

if TYPE_CHECKING:
    from spikewire.sensors import Chain, RecordingInfo

_FORMAT = RecordingOptions()


@grouped
def info(
    files: Annotated[list[Path], typer.Argument(help="Recordings to describe.")],
    format: RecordingOptions = _FORMAT,
    filters: Filters = None,
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
    names = tuple(filters or ())
    codes = [
        _one(path, how, names, as_json, first=number == 0) for number, path in enumerate(files)
    ]
    if plot is not None:
        codes.append(_plot(files[0], how, names, plot))
    raise typer.Exit(max(codes))


def _chain(filters: Sequence[str], size: tuple[int, int]) -> Chain:
    from spikewire.sensors import SensorError, make_chain

    try:
        return make_chain(filters, size)
    except SensorError as error:
        raise UsageError(str(error)) from error


def _left(path: Path, how: dict[str, Any], filters: Sequence[str]) -> dict[str, Any]:
    """Count the events that filters leave, up to damage."""
    from spikewire.sensors import DecodeError, open_recording

    recording = open_recording(path, policy="drop", **how)
    chain, events = _chain(filters, recording.size), 0
    try:
        for chunk in recording.chunks():
            events += len(chain.apply(chunk))
    except DecodeError:
        pass
    return {"filters": list(filters), "events": events, "size": chain.size, **chain.dropped}


def _plot(path: Path, how: dict[str, Any], filters: Sequence[str], plot: Path) -> int:
    """Draw the figure of a recording that was described; damage was reported there."""
    from spikewire.apps.recordings.statistics import RecordingStatistics
    from spikewire.apps.recordings.statistics_plot import plot_statistics
    from spikewire.sensors import DecodeError, SensorError, open_recording

    try:
        recording = open_recording(path, policy="drop", **how)
    except SensorError:
        return FAILED
    chain = _chain(filters, recording.size)
    found = RecordingStatistics(chain.size)
    code = DONE
    try:
        for events in recording.chunks():
            if len(kept := chain.apply(events)):
                found.add(kept)
    except DecodeError:
        code = FAILED
    except SensorError:
        return FAILED
    width, height = chain.size
    plot_statistics(found, f"{path.name}: {recording.format}, {width} x {height}", plot)
    stderr_console().print(f"drawn in {plot}", markup=False, soft_wrap=True)
    return code


def _one(
    path: Path, how: dict[str, Any], filters: Sequence[str], as_json: bool, *, first: bool
) -> int:
    try:
        from spikewire.sensors import describe_recording

        with file_bar("reading") as moved:
            facts = describe_recording(path, **how, progress=moved)
        left = _left(path, how, filters) if filters else None
    except Exception as error:
        described = describe(error)
        if described is None:
            raise
        print_error(described[0])
        return settle_code(*described, [str(path)])
    record = dataclasses.asdict(facts)
    if as_json:
        print_json(record if left is None else {**record, "filtered": left})
    else:
        _print(facts, left, first=first)
    return FAILED if facts.damage is not None else DONE


def _print(facts: RecordingInfo, left: dict[str, Any] | None, *, first: bool) -> None:
    out = console()
    if not first:
        out.print()
    rows = _rows(facts)
    if left is not None:
        share = 100 * left["events"] / facts.events if facts.events else 0
        rows.append(("filtered", f"{left['events']:,} events are left ({share:.0f} %)"))
    for name, value in rows:
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
