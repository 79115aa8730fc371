"""Any source, seen through filters."""

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

_SMALL = 1 << 16
"""Events below which a thread costs more than the filters: half a millisecond of work at most."""


class Filtered:
    """A source whose packets pass through filters.

    Parameters
    ----------
    source
        Where packets come from. What else it offers is offered here as well.
    filters
        Their names, in order, such as ``"background:5ms"``.

    Raises
    ------
    SensorError
        If a filter cannot be.
    """

    def __init__(self, source: Source, filters: Iterable[str]) -> None:
        self._source = source
        self.chain: Chain = make_chain(filters, source.size)
        self._segment: int | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    @property
    def name(self) -> str:
        """The source's name."""
        return self._source.name

    @property
    def live(self) -> bool:
        """Whether it cannot wait."""
        return self._source.live

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what comes out."""
        return self.chain.size

    @property
    def counters(self) -> Mapping[str, int]:
        """The source's counters, and what each filter left out."""
        return {**self._source.counters, **self.chain.dropped}

    def save(self) -> bytes:
        """What the filters remember, to go on with later."""
        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=False, **self.chain.save())
        return out.getvalue()

    def restore(self, data: bytes) -> None:
        """Go on with what filters remembered: hot pixels are known from the start.

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

    async def run(self, deliver: Deliver) -> None:
        """Deliver filtered packets until the source is over."""

        async def filtered(packet: Packet) -> None:
            if packet.segment != self._segment:
                self._segment = packet.segment
                self.chain.reset()
            if len(packet.events) < _SMALL:
                events = self.chain.apply(packet.events)
            else:
                events = await trio.to_thread.run_sync(self.chain.apply, packet.events)
            await deliver(dataclasses.replace(packet, events=events, size=self.chain.size))

        await self._source.run(filtered)
