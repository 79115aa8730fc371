"""A source behind filters."""

from __future__ import annotations

import dataclasses
import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping

import numpy as np
import trio

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Deliver, Packet, Source
from spikewire.sensors.filters.base import Chain
from spikewire.sensors.filters.parse import make_chain
from spikewire.sensors.sources.wrapper import SourceWrapper

_SMALL = 1 << 16
"""Events below which a thread costs more than the filters: half a millisecond of work at most."""


class Filtered(SourceWrapper):
    """A source whose packets pass through filters.

    Parameters
    ----------
    source
        The source of the packets.
    filters
        Names of filters in their order, such as ``"background:5ms"``.

    Attributes
    ----------
    chain
        The filters.

    Raises
    ------
    SensorError
        If a filter's name or value is not understood.
    """

    def __init__(self, source: Source, filters: Iterable[str]) -> None:
        super().__init__(source)
        self.chain: Chain = make_chain(filters, source.size)
        self._segment: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the filtered events."""
        return self.chain.size

    @property
    def counters(self) -> Mapping[str, int]:
        """Counters of the source, and the events removed by each filter."""
        return {**super().counters, **self.chain.dropped}

    def save(self) -> bytes:
        """Return the filters' state as bytes, for :meth:`restore`."""
        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=False, **self.chain.save())
        return out.getvalue()

    def restore(self, data: bytes) -> None:
        """Restore a saved state, so that hot pixels are known from the start.

        Raises
        ------
        SensorError
            If it is damaged, or of other filters.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in saved.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise SensorError(f"The saved filters are damaged: {error}.") from None
        self.chain.restore(arrays)

    async def on_packet(self, packet: Packet, deliver: Deliver) -> None:
        """Deliver the packet's filtered events."""
        if packet.segment != self._segment:
            self._segment = packet.segment
            self.chain.reset()
        if len(packet.events) < _SMALL:
            events = self.chain.apply(packet.events)
        else:
            # A source that is stopped meanwhile has received the packet: it goes on to the queue.
            with trio.CancelScope(shield=True):
                events = await trio.to_thread.run_sync(self.chain.apply, packet.events)
        await deliver(dataclasses.replace(packet, events=events, size=self.chain.size))
