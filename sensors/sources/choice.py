"""A source, and recordings that can be shown in its place."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from spikewire._tasks import background_tasks
from spikewire.sensors.errors import SensorError, SourceError
from spikewire.sensors.recordings.excerpt import Excerpt
from spikewire.sensors.recordings.inbox import Inbox
from spikewire.sensors.sources.files import FileSource
from spikewire.sensors.sources.wrapper import SourceWrapper

if TYPE_CHECKING:
    from spikewire.sensors.events import Deliver, Packet, Source

log = logging.getLogger("spikewire.sensors")


class ChoiceSource(SourceWrapper):
    """A source beside a folder of recordings, of which one at a time is shown.

    While a recording is shown, the source's own packets are left out, counted as ``not_shown``; a
    replay is paused meanwhile. Each change begins a new segment.

    Parameters
    ----------
    source
        What is shown first.
    folder
        Of the recordings.

    Attributes
    ----------
    shown
        The recording that is shown; None: the source.
    fault
        Why the last recording ended early.
    """

    def __init__(self, source: Source, folder: Path) -> None:
        super().__init__(source)
        self._inbox = Inbox(folder)
        self.shown: str | None = None
        self.fault: str | None = None
        self._file: FileSource | None = None
        self._file_counts: Counter[str] = Counter()
        self._not_shown = 0
        self._segment = -1
        self._from: tuple[str | None, int] | None = None
        self._jump_us: int | None = None
        self._changed = trio.Event()
        self._playing = trio.CancelScope()
        self._switched = trio.Event()
        self._on_change: Callable[[], None] = lambda: None

    def tell_changes(self, call: Callable[[], None]) -> None:
        """Call this after every change of what is shown."""
        self._on_change = call

    @property
    def recordings(self) -> list[str]:
        """Names of the recordings, the newest first."""
        return self._inbox.names()

    @property
    def counters(self) -> Mapping[str, int]:
        """Counters of the source and of the recordings shown."""
        counts = Counter(super().counters)
        counts.update(self._file_counts)
        if self._file is not None:
            counts.update(self._file.counters)
        counts["events"] -= self._not_shown
        return {**counts, "not_shown": self._not_shown} if self._not_shown else dict(counts)

    @property
    def replay(self) -> Mapping[str, Any] | None:
        """State of the replay; None while a live source is shown."""
        if self._file is not None:
            return self._file.replay
        told: Mapping[str, Any] | None = getattr(self._source, "replay", None)
        return told

    async def control(self, **changes: Any) -> None:
        """Change how what is shown is replayed.

        Raises
        ------
        SourceError
            If it is no recording, or that cannot be.
        """
        shown = self._file or self._source
        if not callable(getattr(shown, "control", None)):
            raise SourceError("What is shown is no recording: it cannot be paused or sought in.")
        if changes.get("speed", 1.0) is None and self.live:
            raise SourceError("Beside a live source no recording is played as fast as possible.")
        await shown.control(**changes)  # type: ignore[attr-defined]

    def limit_jumps(self, jump_us: int) -> None:
        """Wait for no step ahead of more than this, whatever the speed."""
        self._jump_us = jump_us
        getattr(self._source, "limit_jumps", lambda jump_us: None)(jump_us)

    async def receive(self, name: str, size: int, at: int, data: bytes, most: int) -> int:
        """Take a piece of a new recording, as :meth:`Inbox.receive` does."""
        receive = partial(self._inbox.receive, name, size, at, data, most)
        return await trio.to_thread.run_sync(receive)

    async def show(self, name: str | None) -> None:
        """Show a recording from its beginning; None: the source again.

        Raises
        ------
        SensorError
            If there is none of that name, or it cannot be read.
        """
        file: FileSource | None = None
        if name is not None:
            path = self._inbox.path(name)
            make = partial(FileSource, [Excerpt(path)], speed=1.0, wait=True)
            file = await trio.to_thread.run_sync(make)
            if self._jump_us is not None:
                file.limit_jumps(self._jump_us)
        self.fault = None
        await self._switch(name, file)

    async def _switch(self, name: str | None, file: FileSource | None) -> None:
        if self._file is not None:
            self._file_counts.update(self._file.counters)
        was_file, self._file, self.shown = self._file, file, name
        if (was_file is None) != (file is None) and callable(
            getattr(self._source, "control", None)
        ):
            await self._source.control(paused=file is not None)  # type: ignore[attr-defined]
        self._playing.cancel()
        self._changed.set()
        self._switched.set()
        self._switched = trio.Event()
        self._on_change()

    async def run(self, deliver: Deliver) -> None:
        """Deliver what is shown, until the source ends and no recording is shown."""
        async with background_tasks() as nursery:
            nursery.start_soon(self._play, deliver)
            await self._source.run(partial(self._deliver, None, deliver))
            while self.shown is not None:
                await self._switched.wait()

    async def _deliver(self, name: str | None, deliver: Deliver, packet: Packet) -> None:
        if name != self.shown:
            if name is None:
                self._not_shown += len(packet.events)
            return
        if self._from != (name, packet.segment):
            self._from = (name, packet.segment)
            self._segment += 1
        await deliver(dataclasses.replace(packet, segment=self._segment))

    async def _play(self, deliver: Deliver) -> None:
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            file, name = self._file, self.shown
            if file is None:
                continue
            self._from = None
            self._playing = trio.CancelScope()
            try:
                with self._playing:
                    await file.run(partial(self._deliver, name, deliver))
            except SensorError as error:
                log.error("the recording %s ended: %s", name, error)
                if self._file is file:
                    self.fault = str(error)
                    await self._switch(None, None)
