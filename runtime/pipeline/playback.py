"""Excerpts played on request, answered when the network has computed them."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any, cast

import trio

from spikewire.runtime.interfaces import PlaysOnRequest, SourceLike
from spikewire.runtime.pipeline.input_queue import PendingRequest
from spikewire.runtime.pipeline.segment import FinishedSegment
from spikewire.runtime.protocol.messages import Play, error_reply
from spikewire.sensors import SensorError

log = logging.getLogger("spikewire.runtime")

# Finished segments remembered for a play whose source has not yet returned from it.
_REMEMBERED = 256


class PlaybackRequests:
    """Connects a shelf's segments with the network task's word that they are computed."""

    def __init__(self, source: SourceLike) -> None:
        self._shelf = (
            cast(PlaysOnRequest, source) if callable(getattr(source, "play", None)) else None
        )
        self._finished: OrderedDict[int, FinishedSegment] = OrderedDict()
        self._waiting: dict[int, trio.Event] = {}
        self._over = trio.Event()
        self._lasting: trio.Nursery | None = None

    async def run(self) -> None:
        """Hold the plays that outlast their connections, until cancelled."""
        async with trio.open_nursery() as self._lasting:
            await trio.sleep_forever()

    @property
    def there(self) -> bool:
        """Whether the source plays anything on request."""
        return self._shelf is not None

    def finished(self, number: int, finished: FinishedSegment) -> None:
        """Note that a segment was computed to its end."""
        self._finished[number] = finished
        while len(self._finished) > _REMEMBERED:
            self._finished.popitem(last=False)
        if (event := self._waiting.pop(number, None)) is not None:
            event.set()

    def source_over(self) -> None:
        """Refuse further plays: the source has ended."""
        self._over.set()

    def abandon(self) -> None:
        """End the waits: nothing more is computed."""
        for event in self._waiting.values():
            event.set()
        self._waiting.clear()

    async def play(self, request: Play) -> dict[str, Any]:
        """Play an excerpt; the answer, once all its results are published.

        The excerpt ends with a caller that is cancelled, unless the request is ``lasting``.
        """
        if not request.lasting or self._lasting is None:
            return await self._play(request)
        pending = PendingRequest(request)
        self._lasting.start_soon(self._outlast, request, pending)
        return await pending.answer()

    async def _outlast(self, request: Play, pending: PendingRequest) -> None:
        try:
            pending.reply(await self._play(request))
        except Exception as error:
            # A fault of ours in one play must not end the pipeline.
            log.exception("a play ended by an unforeseen error")
            pending.reply(error_reply("play_failed", f"The play failed: {error}."))
        finally:
            pending.reply(error_reply("stopping", "The service stopped before the excerpt ended."))

    async def _play(self, request: Play) -> dict[str, Any]:
        if self._shelf is None:
            return error_reply("no_shelf", "The source of this service plays nothing on request.")
        if self._over.is_set():
            return error_reply("stopping", "The source has ended.")
        summary: Any = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._give_up, nursery.cancel_scope)
            try:
                summary = await self._shelf.play(
                    request.name,
                    start_us=request.start_us,
                    stop_us=request.stop_us,
                    speed=request.speed,
                )
            except SensorError as error:
                # A play that fails is its asker's trouble; the shelf stays open.
                nursery.cancel_scope.cancel()
                return error_reply("play_failed", str(error))
            nursery.cancel_scope.cancel()
        if summary is None:
            return error_reply("stopping", "The source ended before the excerpt was over.")
        number = int(summary.segment)
        if number not in self._finished:
            await self._waiting.setdefault(number, trio.Event()).wait()
        finished = self._finished.get(number)
        if finished is None:
            return error_reply("stopping", "The service stopped before the excerpt was computed.")
        return {
            "ok": True,
            "tick": finished.end_tick,
            "first_tick": finished.first_tick,
            "segment": finished.first,
            "last_segment": finished.last,
            "events": finished.events,
        }

    async def _give_up(self, play: trio.CancelScope) -> None:
        await self._over.wait()
        play.cancel()
