"""A folder of recordings, played on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from spikewire.sensors.errors import SensorError, SourceError
from spikewire.sensors.events import Deliver, Policy
from spikewire.sensors.recordings.excerpt import Excerpt
from spikewire.sensors.recordings.recording import open_recording
from spikewire.sensors.recordings.suffixes import RECORDINGS, TEXTS
from spikewire.sensors.sources.excerpt_stream import ExcerptStream
from spikewire.sensors.sources.pacing import Pacer, check_speed


@dataclass(frozen=True, slots=True)
class PlaySummary:
    """Summary of a played excerpt."""

    name: str
    segment: int
    events: int


class ShelfSource:
    """A folder of recordings of which excerpts are played when asked for, one at a time.

    Raises
    ------
    SourceError
        If there is no such folder.
    """

    live = False

    def __init__(self, folder: str | Path, *, policy: Policy = "raise") -> None:
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise SourceError(f"The shelf {folder} is not a folder.")
        self._stream = ExcerptStream(policy)
        self._orders_in, self._orders_out = trio.open_memory_channel[
            tuple[Excerpt, Pacer, "trio.MemorySendChannel[PlaySummary | SensorError]"]
        ](0)
        self.name = f"shelf:{folder}"
        self.size = self._first_size()

    def limit_jumps(self, jump_us: int) -> None:
        """Wait for no step ahead of more than this, whatever the speed."""
        self._stream.jump_us = jump_us

    @property
    def counters(self) -> Mapping[str, int]:
        """Events and packets delivered, and events dropped by reason."""
        return self._stream.counters

    def _first_size(self) -> tuple[int, int]:
        """Return the sensor's size of the first recording that can be read."""
        why = "."
        for name in self.names():
            try:
                size = open_recording(self._folder / name).size
            except SensorError as error:
                why = f": {error}" if why == "." else why
                continue
            if size != (1, 1):  # as where a damaged file gives no event
                return size
            why = f": {name} gives no events." if why == "." else why
        raise SourceError(f"The shelf {self._folder} holds no recording that can be read{why}")

    def names(self) -> list[str]:
        """List the recordings on the shelf; without those whose name no client could send."""
        try:
            return sorted(
                p.name
                for p in self._folder.iterdir()
                if p.suffix.lower() in RECORDINGS - TEXTS and p.is_file() and p.name.isprintable()
            )
        except OSError as error:
            raise SourceError(
                f"The shelf {self._folder} cannot be read: {error.strerror}."
            ) from None

    async def play(
        self,
        name: str,
        *,
        start_us: int = 0,
        stop_us: int | None = None,
        speed: float | None = None,
    ) -> PlaySummary:
        """Stream an excerpt through the running source; returns when all of it was delivered.

        Raises
        ------
        SensorError
            If the name is not on the shelf, the bounds are impossible, or the file is damaged.
        """
        if name not in self.names():
            raise SourceError(f"{name!r} is not on the shelf; there are {', '.join(self.names())}.")
        if start_us < 0 or (stop_us is not None and stop_us <= start_us):
            raise SourceError(f"An excerpt from {start_us} to {stop_us} us holds nothing.")
        pacer = Pacer(check_speed(speed))
        done_in, done_out = trio.open_memory_channel[PlaySummary | SensorError](1)
        excerpt = Excerpt(self._folder / name, start_us, stop_us)
        await self._orders_in.send((excerpt, pacer, done_in))
        try:
            outcome = await done_out.receive()
        except trio.Cancelled:
            # Nobody waits for the excerpt any more: it ends with the next packet.
            pacer.change(wanted_us=0)
            raise
        except trio.EndOfChannel:
            raise SourceError(f"{name} was cut off: the source stopped.") from None
        if isinstance(outcome, SensorError):
            raise outcome
        return outcome

    async def run(self, deliver: Deliver) -> None:
        """Wait for orders and stream them, until cancelled."""
        async for excerpt, pacer, done in self._orders_out:
            with done:
                try:
                    count = await self._stream.stream(excerpt, pacer, deliver)
                    outcome: PlaySummary | SensorError = PlaySummary(
                        excerpt.path.name, self._stream.segment, count
                    )
                except SensorError as error:
                    outcome = error
                done.send_nowait(outcome)
