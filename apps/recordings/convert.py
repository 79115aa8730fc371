"""`spikewire convert`: a recording in another format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikewire.apps.cli.errors import DONE, UsageError
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
from spikewire.apps.cli.warmup import patience

if TYPE_CHECKING:
    from spikewire.sensors import Chain, Events, Recording, Times, WrittenRecording

_FORMAT = RecordingOptions()


@grouped
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Recording of any format.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to be written; its suffix names the format.")
    ],
    format: RecordingOptions = _FORMAT,
    filters: Filters = None,
    start: Start = None,
    stop: Stop = None,
    rebase: Annotated[
        bool, typer.Option("--rebase", help="Write times from 0 at the first event on.")
    ] = False,
    keep_times: Annotated[
        bool, typer.Option("--keep-times", help="Write the times as they are, or refuse.")
    ] = False,
    drop: Drop = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Convert a recording to another format, with the same events.

    OUT ends in .aedat4, .aedat (3.1), .bin (N-MNIST), .csv, .dat, .es, .npy or .raw (EVT 3.0).
    Nothing is written for a damaged recording; with --drop the events before the damage are.
    Times that the format cannot hold are written from the first event on, with a note.
    """
    with patience():
        from spikewire.sensors import WRITABLE_FORMATS, SensorError, make_chain, open_recording
    if target.suffix.lower() not in WRITABLE_FORMATS:
        raise UsageError(f"{target} is of no format that is written: {', '.join(WRITABLE_FORMATS)}")
    if target.exists() and not force:
        raise UsageError(f"{target} exists already; give --force to replace it")
    if rebase and keep_times:
        raise UsageError("--rebase changes the times, and --keep-times keeps them: give one")
    if stop is not None and stop <= (start or 0):
        raise UsageError("--stop must lie after --start")
    recording = open_recording(source, policy="drop" if drop else "raise", **format.settings())
    try:
        chain = make_chain(filters or (), recording.size)
    except SensorError as error:
        raise UsageError(str(error)) from error
    work = _Conversion(recording, chain, start or 0, stop, drop)
    times: Times = "rebase" if rebase else "keep" if keep_times else "auto"
    with sigterm_as_interrupt():
        written = work.write(target, times)
    _report(target, work, written, rebase=rebase, as_json=as_json)
    raise typer.Exit(DONE)


@dataclass
class _Conversion:
    """A recording on its way through a cut and filters.

    Attributes
    ----------
    recording, chain
        The recording, and its filters.
    start_us, stop_us
        The part that is converted, after the first event: [start, stop).
    drop
        Keep the events before damage.
    damage
        Sentences about the damage.
    """

    recording: Recording
    chain: Chain
    start_us: int
    stop_us: int | None
    drop: bool
    damage: list[str] = field(default_factory=list)

    def write(self, target: Path, times: Times) -> WrittenRecording:
        """Write the file."""
        from spikewire.sensors import write_recording

        return write_recording(self._chunks(), target, self.chain.size, times=times)

    def _chunks(self) -> Iterator[Events]:
        from spikewire.sensors import DecodeError

        try:
            yield from map(self.chain.apply, self._cut())
        except DecodeError as error:
            if not self.drop:
                raise
            self.damage.append(str(error))

    def _cut(self) -> Iterator[Events]:
        if not self.start_us and self.stop_us is None:
            yield from self.recording.chunks()
            return
        first: int | None = None
        for events in self.recording.chunks():
            t = events["t"]
            if first is None:
                first = int(t[0])
            # Compared as differences: the sum may exceed 64 bits.
            after = t - first
            begin = int(after.searchsorted(self.start_us))
            end = len(t) if self.stop_us is None else int(after.searchsorted(self.stop_us))
            if begin < end:
                yield events[begin:end]
            if end < len(t):
                return

    @property
    def lost(self) -> dict[str, int]:
        """Events that were not written, by reason."""
        counts = {**self.recording.counters, **self.recording.left_out, **self.chain.dropped}
        return {name: int(count) for name, count in counts.items()}


def _report(
    target: Path, work: _Conversion, written: WrittenRecording, *, rebase: bool, as_json: bool
) -> None:
    from spikewire.sensors import WRITABLE_FORMATS

    name, origin = WRITABLE_FORMATS[target.suffix.lower()], written.origin_us
    if origin and not rebase:
        kept = "its header holds the origin" if written.origin_kept else "it has no place for it"
        print_note(
            f"{name} cannot hold these times: they are written from the first event on, which was "
            f"at {origin:,} us; {kept}."
        )
    if as_json:
        print_json(
            {
                "type": "summary", "path": str(target), "format": name, "events": written.events,
                "size": work.chain.size, "dropped": work.lost,
                "damage": work.damage[0] if work.damage else None,
                "origin_us": origin, "origin_kept": written.origin_kept,
            }
        )  # fmt: skip
        return
    summary = f"{target}: {written.events:,} events, {name}"
    summary += f", times from {origin:,} us" if origin and rebase else ""
    summary += "".join(f", {name} {n:,} dropped" for name, n in work.lost.items())
    console().print(summary, markup=False, soft_wrap=True)
    for sentence in work.damage:
        console().print(sentence, markup=False, soft_wrap=True)
