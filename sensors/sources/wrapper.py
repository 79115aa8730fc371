"""A source round another source: the base of filters, counters and displays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spikewire.sensors.events import Deliver, Packet, Source


class SourceWrapper:
    """A source that delivers the packets of another one.

    A subclass overrides :meth:`on_packet`. All other attributes of the wrapped source, such as
    ``control`` of a recording, are passed through.

    Parameters
    ----------
    source
        The wrapped source.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getattr__(self, name: str) -> object:
        if name == "_source":  # a copy that is not initialised yet
            raise AttributeError(name)
        return getattr(self._source, name)

    @property
    def name(self) -> str:
        """Name of the wrapped source."""
        return self._source.name

    @property
    def live(self) -> bool:
        """Whether the source cannot wait."""
        return self._source.live

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the delivered events."""
        return self._source.size

    @property
    def counters(self) -> Mapping[str, int]:
        """Counters of the wrapped source."""
        return self._source.counters

    async def on_packet(self, packet: Packet, deliver: Deliver) -> None:
        """Handle one packet; delivers it unchanged unless overridden."""
        await deliver(packet)

    async def run(self, deliver: Deliver) -> None:
        """Run the wrapped source until it ends."""

        async def handle(packet: Packet) -> None:
            await self.on_packet(packet, deliver)

        await self._source.run(handle)
