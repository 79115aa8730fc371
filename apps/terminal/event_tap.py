"""A source that draws its events on their way to the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from spikewire.apps.terminal.event_image import EventImage
from spikewire.sensors import SourceWrapper

if TYPE_CHECKING:
    from spikewire.sensors import Deliver, Packet, Source


class EventTap(SourceWrapper):
    """A source that draws its events, and may end after some event time.

    Parameters
    ----------
    source
        The wrapped source.
    until_us
        End once this much event time has been delivered; None: when the source ends.

    Attributes
    ----------
    image
        The picture of recent events; it fades when asked to, not by itself.
    seen_us
        Event time delivered so far, in microseconds.
    """

    def __init__(self, source: Source, until_us: int | None = None) -> None:
        super().__init__(source)
        self._until_us = until_us
        self._scope = trio.CancelScope()
        self.image = EventImage(source.size)
        self.seen_us = 0
        self._first: int | None = None

    async def on_packet(self, packet: Packet, deliver: Deliver) -> None:
        """Draw the packet and deliver it unchanged."""
        self.image.add(packet.events)
        await deliver(packet)
        if self._first is None and len(packet.events):
            self._first = int(packet.events["t"][0])
        if self._first is not None:
            self.seen_us = packet.watermark - self._first
        if self._until_us is not None and self.seen_us >= self._until_us:
            self._scope.cancel()

    async def run(self, deliver: Deliver) -> None:
        """Deliver the source's packets until it ends, or until ``until_us``."""
        with trio.CancelScope() as self._scope:
            await super().run(deliver)
