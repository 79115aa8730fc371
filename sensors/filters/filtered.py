"""A source behind filters."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import trio

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Deliver, Packet, Source
from spikewire.sensors.filters.base import Chain
from spikewire.sensors.filters.live import LiveFilters
from spikewire.sensors.sources.wrapper import SourceWrapper

_SMALL = 1 << 16
"""Events below which a thread costs more than the filters: half a millisecond of work at most."""


_SETTINGS = "live.filters"


class Filtered(SourceWrapper):
    """A source whose packets pass through filters, which can be changed between two packets.

    Parameters
    ----------
    source
        The source of the packets.
    filters
        Names of filters in their order, such as ``"background:5ms"``.

    Raises
    ------
    SensorError
        If a filter's name or value is not understood.
    """

    def __init__(self, source: Source, filters: Iterable[str]) -> None:
        super().__init__(source)
        self._filters = LiveFilters(source.size, filters)
        self._segment: int | None = None
        self._filtering = trio.Lock()

    @property
    def chain(self) -> Chain:
        """The filters that are on."""
        return self._filters.chain

    @property
    def filters(self) -> list[dict[str, Any]]:
        """The filters in their order, as the protocol describes them."""
        return self._filters.state()

    async def change_filters(self, **changes: Any) -> None:
        """Add, change, switch or remove a filter, between two packets.

        Parameters
        ----------
        changes
            ``add``: the text of a new one; or its ``number``, and ``to`` (its new text), ``on``, or
            ``remove``.

        Raises
        ------
        SensorError
            If that cannot be; then nothing has changed.
        """
        async with self._filtering:
            self._filters.change(**changes)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the filtered events."""
        return self.chain.size

    @property
    def counters(self) -> Mapping[str, int]:
        """Counters of the source, and the events removed by each filter."""
        return {**super().counters, **self._filters.removed}

    def save(self) -> bytes | None:
        """Return the filters' state as bytes, for :meth:`restore`; None where there were none."""
        if not self.chain.filters and not self._filters.changed:
            return None
        arrays = self._filters.save()
        if self._filters.changed:
            text = json.dumps(self._filters.settings())
            arrays[_SETTINGS] = np.frombuffer(text.encode(), np.uint8)
        out = io.BytesIO()
        np.savez_compressed(out, allow_pickle=False, **arrays)
        return out.getvalue()

    def restore(self, data: bytes) -> None:
        """Restore a saved state, so that hot pixels are known from the start.

        Filters that had been changed while the source ran take the place of those given.

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
        if (settings := arrays.pop(_SETTINGS, None)) is not None:
            try:
                self._filters.adopt(json.loads(settings.tobytes()))
            except (ValueError, TypeError) as error:
                raise SensorError(f"The saved filters are damaged: {error}.") from None
        self._filters.restore(arrays)

    async def on_packet(self, packet: Packet, deliver: Deliver) -> None:
        """Deliver the packet's filtered events."""
        if packet.segment != self._segment:
            self._segment = packet.segment
            self.chain.reset()
        if packet.size != self._filters.size:
            self._filters.fit(packet.size)
        chain = self.chain
        if not chain.filters:
            await deliver(packet)
            return
        if len(packet.events) < _SMALL:
            events = chain.apply(packet.events)
        else:
            # A source that is stopped meanwhile has received the packet: it goes on to the queue.
            with trio.CancelScope(shield=True):
                async with self._filtering:
                    chain = self.chain
                    events = await trio.to_thread.run_sync(chain.apply, packet.events)
        await deliver(dataclasses.replace(packet, events=events, size=chain.size))
