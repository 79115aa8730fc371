"""Looking at a source's events on their way to the network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import trio

from spikewire.apps.terminal.event_image import EventImage

if TYPE_CHECKING:
    from spikewire.sensors import Packet, Source


class Tap:
    """A source that draws what it delivers, and may end after some event time.

    Parameters
    ----------
    source : the source behind it.
    until_us : end once this much event time has been delivered; None: when the source does.

    Attributes
    ----------
    image : the picture of recent events; it fades when asked to, not by itself.
    seen_us : event time delivered so far, in microseconds.
    """

    def __init__(self, source: Source, until_us: int | None = None) -> None:
        self._source = source
        self._until_us = until_us
        self.name, self.live, self.size = source.name, source.live, source.size
        self.image = EventImage(source.size)
        self.seen_us = 0
        self._first: int | None = None

    @property
    def counters(self) -> Mapping[str, int]:
        """The source's counters."""
        return self._source.counters

    async def run(self, deliver: Callable[[Packet], Awaitable[None]]) -> None:
        """Deliver the source's packets, unchanged."""
        with trio.CancelScope() as scope:

            async def pass_on(packet: Packet) -> None:
                self.image.add(packet.events)
                await deliver(packet)
                if self._first is None and len(packet.events):
                    self._first = int(packet.events["t"][0])
                if self._first is not None:
                    self.seen_us = packet.watermark - self._first
                if self._until_us is not None and self.seen_us >= self._until_us:
                    scope.cancel()

            await self._source.run(pass_on)
