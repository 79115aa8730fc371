"""`spikewire convert`: recordings in another format, whole or in parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.file_bar import file_bar
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import (
    Drop,
    Filters,
    Json,
    RecordingOptions,
    Start,
    Stop,
)
from spikewire.apps.cli.output import console, print_json, print_note
from spikewire.apps.cli.signals import sigterm_as_interrupt
from spikewire.apps.cli.units import time_span
from spikewire.apps.recordings.conversion import Conversion, Cut, Part
from spikewire.apps.recordings.cut import empty_part

if TYPE_CHECKING:
    from spikewire.sensors import Times, WrittenRecording

_FORMAT = RecordingOptions()


@grouped
def convert(
    sources: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Recordings of any format.")
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="File to be written, named by its format, or an existing folder."
        ),
    ],
    format: RecordingOptions = _FORMAT,
    filters: Filters = None,
    start: Start = None,
    stop: Stop = None,
    cut: Annotated[
        list[str] | None,
        typer.Option(
            "--cut", metavar="START..STOP", help="Part to convert, such as 1s..2.5s; repeatable."
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", metavar="SUFFIX", help="Format of files in a folder.")
    ] = ".aedat4",
    rebase: Annotated[
        bool, typer.Option("--rebase", help="Write times from 0 at the first event on.")
    ] = False,
    keep_times: Annotated[
        bool, typer.Option("--keep-times", help="Write the times as they are, or refuse.")
    ] = False,
    drop: Drop = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Convert recordings to another format, with the same events.

    OUT ends in .aedat4, .aedat (3.1), .bin (N-MNIST), .csv, .dat, .es, .h5 or .hdf5 (as DSEC),
    .npy, .npz or .raw (EVT 3.0), and holds the parts of all recordings one after the other. In a
    folder each part is a file of its own. Nothing is written for a damaged recording; with --drop
    the events before the damage are.
    Times that the format cannot hold are written from the first event on, with a note.
    """
    from spikewire.sensors import WRITABLE_FORMATS

    suffix = (to if target.is_dir() else target.suffix).lower()
    if suffix not in WRITABLE_FORMATS:
        raise UsageError(
            f"{to if target.is_dir() else target} is of no format that is written: "
            f"{', '.join(WRITABLE_FORMATS)}"
        )
    if rebase and keep_times:
        raise UsageError("--rebase changes the times, and --keep-times keeps them: give one")
    cuts = _cuts(start, stop, cut)
    how = {**format.settings(), "policy": "drop" if drop else "raise"}
    parts = [[_part(source, each, filters or (), how) for each in cuts] for source in sources]
    files = _files(sources, parts, target, suffix)
    for file in files:
        if file.exists() and not force:
            raise UsageError(f"{file} exists already; give --force to replace it")
    work = [Conversion(file, held, drop, rebase) for file, held in files.items()]
    times: Times = "rebase" if rebase else "keep" if keep_times else "auto"
    with sigterm_as_interrupt(), file_bar("converting", sum(map(len, files.values()))) as moved:
        done = 0
        written = []
        for each in work:
            before = done
            written.append(each.write(times, lambda n, before=before: moved(before + n)))  # type: ignore[misc]
            done += len(each.parts)
    for each, one in zip(work, written, strict=True):
        _report(each, one, suffix, rebase=rebase, as_json=as_json)
    raise typer.Exit(DONE)


def _cuts(start: int | None, stop: int | None, cut: Sequence[str] | None) -> list[Cut]:
    if not cut:
        if stop is not None and stop <= (start or 0):
            raise UsageError("--stop must lie after --start")
        return [(start or 0, stop)]
    if start is not None or stop is not None:
        raise UsageError("--cut says where a part begins and ends: leave --start and --stop out")
    return [time_span(each) for each in cut]


def _part(source: Path, cut: Cut, filters: Sequence[str], how: dict[str, Any]) -> Part:
    from spikewire.sensors import SensorError, make_chain, open_recording

    recording = open_recording(source, **how)
    try:
        return Part(recording, make_chain(filters, recording.size), cut)
    except SensorError as error:
        raise UsageError(str(error)) from error


def _files(
    sources: Sequence[Path], parts: Sequence[Sequence[Part]], target: Path, suffix: str
) -> dict[Path, list[Part]]:
    """Return what each file shall hold: all of it, or in a folder each part by itself."""
    if not target.is_dir():
        return {target: [part for held in parts for part in held]}
    files: dict[Path, list[Part]] = {}
    for source, held in zip(sources, parts, strict=True):
        for number, part in enumerate(held, 1):
            name = f"{source.stem}_{number}" if len(held) > 1 else source.stem
            file = target / f"{name}{suffix}"
            if file in files:
                raise UsageError(f"two recordings would be written as {file}: rename one of them")
            files[file] = [part]
    return files


def _report(
    work: Conversion, written: WrittenRecording, suffix: str, *, rebase: bool, as_json: bool
) -> None:
    from spikewire.sensors import WRITABLE_FORMATS

    for part in work.parts if not written.events else ():
        print_note(f"{empty_part(part.recording.path, *part.cut)}: {work.target} is empty")
    name, origin = WRITABLE_FORMATS[suffix], written.origin_us
    if origin and not rebase:
        kept = "its header holds the origin" if written.origin_kept else "it has no place for it"
        print_note(
            f"{name} cannot hold these times: they are written from the first event on, which was "
            f"at {origin:,} us; {kept}."
        )
    if as_json:
        print_json(
            {
                "type": "summary", "path": str(work.target), "format": name,
                "events": written.events, "size": work.size, "dropped": work.lost,
                "damage": work.damage[0] if work.damage else None,
                "origin_us": origin, "origin_kept": written.origin_kept,
            }
        )  # fmt: skip
        return
    summary = f"{work.target}: {written.events:,} events, {name}"
    summary += f", times from {origin:,} us" if origin and rebase else ""
    summary += "".join(f", {name} {n:,} dropped" for name, n in work.lost.items())
    console().print(summary, markup=False, soft_wrap=True)
    for sentence in work.damage:
        console().print(sentence, markup=False, soft_wrap=True)
