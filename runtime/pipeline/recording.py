"""Recording of computed events: a whole run, or a stretch that a client asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from spikewire.runtime.errors import ServiceError
from spikewire.runtime.interfaces import InThread, NetworkLike, RecordedPiece, Recorder
from spikewire.runtime.pipeline.segment import Segment, TickRange
from spikewire.runtime.protocol.messages import error_reply
from spikewire.sensors import SensorError

log = logging.getLogger("spikewire.runtime")


class RecordingControl:
    """Passes computed events to a recorder, if there is one.

    Parameters
    ----------
    whole
        Is given the whole run.
    make
        Makes a recorder when a client asks for one; None: none may be asked for.
    in_thread
        Runs a blocking call and awaits its result.
    changed
        Called when a recording ends by itself.

    Attributes
    ----------
    path
        What is written at a client's wish; None if nothing is.
    failures
        How many recordings have ended by themselves.
    """

    def __init__(
        self,
        whole: Recorder | None,
        make: Callable[[NetworkLike], Recorder] | None,
        in_thread: InThread,
        changed: Callable[[], None],
    ) -> None:
        self.path: str | None = None
        self.failures = 0
        self._error: str | None = None
        self._whole_error: str | None = None
        self._recorder = whole
        self._whole = whole is not None
        self._make, self._in_thread, self._changed = make, in_thread, changed

    @property
    def error(self) -> str | None:
        """Why the last recording ended by itself, until a reply told a client so.

        The error of a recording of the whole run stays.
        """
        return self._error or self._whole_error

    @property
    def offered(self) -> bool:
        """Whether a client may ask for one."""
        return self._make is not None

    async def note(
        self, segment: Segment, piece: TickRange, first: int, label: str | None, learning: bool
    ) -> None:
        """Write down ticks ``first`` to ``piece.until - 1``."""
        if self._recorder is None:
            return
        events = piece.events.columns()
        noted = RecordedPiece(
            events.t, events.x, events.y, events.p, segment.time_after(first - 1),
            segment.time_after(piece.until - 1), label, learning,
        )  # fmt: skip
        await self._write(lambda recorder: recorder.note(segment.size, noted))

    async def end_segment(self, end_us: int) -> None:
        """End the segment, which lasted until ``end_us``."""
        if self._recorder is not None:
            await self._write(lambda recorder: recorder.end(end_us))

    async def _write(self, write: Callable[[Recorder], None]) -> None:
        assert self._recorder is not None
        try:
            await self._in_thread(partial(write, self._recorder))
        except (SensorError, OSError) as error:
            # A full disk ends the recording, not the service.
            recorder, self._recorder, self.path = self._recorder, None, None
            self._note_failure(f"The recording has ended: {error}")
            if self._whole:
                self._whole, self._whole_error, self._error = False, self._error, None
            else:
                # What was written before can be read all the same.
                with suppress(SensorError, OSError):
                    await self._in_thread(recorder.close)
            self._changed()

    def _note_failure(self, error: str) -> None:
        log.error("%s", error)
        self._error = error
        self.failures += 1

    async def ask(self, on: bool, network: NetworkLike) -> dict[str, Any]:
        """Begin or end one at a client's wish; the body of the answer."""
        if self._make is None:
            return error_reply("no_recordings", "This service has no folder for recordings.")
        if self._whole and on:
            return error_reply("record_failed", "This run is being recorded as a whole.")
        try:
            if on and self.path is None:
                return await self._begin(self._make, network)
            if not on and self.path is not None:
                return {"ok": True, "path": await self._close()}
        except (SensorError, ServiceError, OSError) as error:
            self._recorder = self.path = None
            return error_reply("record_failed", str(error))
        if not on and (why := self.error) is not None:
            self._error = None
            return error_reply("record_failed", why)
        return {"ok": True, "path": self.path}

    async def _begin(
        self, make: Callable[[NetworkLike], Recorder], network: NetworkLike
    ) -> dict[str, Any]:
        self._recorder = await self._in_thread(partial(make, network))
        self.path = str(self._recorder.path)
        before, self._error = self._error, None
        return {"ok": True, "path": self.path, **({} if before is None else {"ended": before})}

    async def close(self) -> None:
        """End the recording that a client began; never fails."""
        if self.path is None:
            return
        try:
            await self._close()
        except (SensorError, OSError) as error:
            self._note_failure(f"The recording could not be closed: {error}")

    async def _close(self) -> str:
        recorder, self._recorder, self.path = self._recorder, None, None
        assert recorder is not None
        return str(await self._in_thread(recorder.close))
