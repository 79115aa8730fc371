"""Pictures of the events and rasters of the spikes, made only for subscribers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import trio

from spikewire.qcore import SpikeProbe
from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.interfaces import NetworkLike
from spikewire.runtime.pipeline.event_parts import EventColumns
from spikewire.runtime.pipeline.membrane import Membrane, NeuronPlace

MOST_CELLS = 128
"""Columns and rows of a picture at most: 32 KiB for both polarities."""
MOST_TICKS = 64
"""Ticks of a raster."""
MOST_ROWS = 128
"""Units of a layer that a raster shows."""


def cell_size(size: tuple[int, int]) -> int:
    """Pixels of a sensor's side that one cell of its picture stands for."""
    return -(-max(size) // MOST_CELLS)


class Picture:
    """Events per cell, of some ticks.

    Counting at once would touch every cell for a handful of events: their places are kept, until
    there are enough of them.

    Parameters
    ----------
    events
        Whose places they are, in pixels.
    size
        (width, height) of the sensor.
    """

    def __init__(self, events: EventColumns, size: tuple[int, int]) -> None:
        scale = cell_size(size)
        columns, rows = -(-size[0] // scale), -(-size[1] // scale)
        self.size = size
        self._shape = 2, rows, columns
        # Unsigned 16 bits would wrap: a picture has up to 2 x 16,384 cells.
        place = events.y.astype(np.int64) // scale * columns + events.x // scale
        place += events.p.astype(np.int64) * (rows * columns)
        self._places, self._kept = [place], len(place)
        self._counts: npt.NDArray[np.int64] | None = None
        if self._kept > _MOST_PLACES:
            self._fold()

    def join(self, later: Picture) -> None:
        """Take the events of a later picture of the same sensor in, too."""
        if later._counts is not None:
            self._counts = later._counts if self._counts is None else self._counts + later._counts
        self._places += later._places
        self._kept += later._kept
        if self._kept > _MOST_PLACES:
            self._fold()

    def counts(self) -> npt.NDArray[np.int64]:
        """Events per cell: int64[2, rows, columns], OFF first."""
        return self._fold().reshape(self._shape)

    def _fold(self) -> npt.NDArray[np.int64]:
        cells = math.prod(self._shape)
        counts = np.bincount(np.concatenate(self._places), minlength=cells)
        self._counts = counts if self._counts is None else self._counts + counts
        self._places, self._kept = [_NOWHERE], 0
        return self._counts


_NOWHERE = np.zeros(0, np.int64)
_MOST_PLACES = 16_384


@dataclass(frozen=True, slots=True)
class Raster:
    """Spikes of some ticks, for each layer.

    Attributes
    ----------
    first, stop
        The ticks that are covered: [first, stop).
    fired
        Spikes of each layer: int8[ticks, rows].
    """

    first: int
    stop: int
    fired: list[npt.NDArray[np.int8]]

    def join(self, later: Raster) -> Raster:
        """This raster, then a later one, as far back as a raster goes."""
        if later.first != self.stop:
            return later
        first = max(self.first, later.stop - MOST_TICKS)
        ticks = later.stop - first
        both = [np.concatenate(pair)[-ticks:] for pair in zip(self.fired, later.fired, strict=True)]
        return Raster(first, later.stop, both)

    def body(self, units: list[int]) -> dict[str, Any]:
        """The fields of a ``spikes`` message; ``units`` are the layers' sizes."""
        layers = []
        for n, of in enumerate(units):
            tick, row = np.nonzero(self.fired[n])
            layers.append(
                {
                    "units": min(of, MOST_ROWS),
                    "of": of,
                    "tick": tick.astype(np.uint8).tobytes(),
                    "unit": row.astype(np.uint8).tobytes(),
                }
            )
        return {"first_tick": self.first, "ticks": self.stop - self.first, "layers": layers}


@cache
def picked(units: int) -> npt.NDArray[np.int64]:
    """Units that a raster shows of so many: int64[rows]."""
    rows = min(units, MOST_ROWS)
    return np.arange(rows, dtype=np.int64) * units // max(rows, 1)


class Previews:
    """Collects what was computed, and publishes it at a steady pace.

    Parameters
    ----------
    broker
        Knows the subscribers, and publishes.
    network
        Whose layers a raster shows.
    per_s
        Messages a second at most; asked anew each time.

    Attributes
    ----------
    pictures
        Whether they are subscribed to.
    probe
        Units to record for a raster; None while rasters are not subscribed to.
    chosen
        The neuron that a client chose.
    place
        The same; None while its membrane is not subscribed to.
    """

    def __init__(self, broker: Broker, network: NetworkLike, per_s: Callable[[], float]) -> None:
        self.pictures = False
        self.probe: SpikeProbe | None = None
        self.chosen: NeuronPlace | None = None
        self.place: NeuronPlace | None = None
        units = (layer.spikes.size for layer in network.layers)
        self._everybody = SpikeProbe(tuple(picked(of) for of in units), MOST_TICKS)
        self._broker, self._network, self._per_s = broker, network, per_s
        self._picture: Picture | None = None
        self._facts: dict[str, int] = {}
        self._last_end: tuple[int, int] | None = None  # segment and time of the last picture's end
        self._raster: Raster | None = None
        self._membrane: Membrane | None = None

    async def run(self) -> None:
        """Publish what was collected, until cancelled."""
        while True:
            self.pictures = self._broker.wanted("events")
            self.probe = self._everybody if self._broker.wanted("spikes") else None
            self.place = self.chosen if self._broker.wanted("membrane") else None
            await trio.sleep(1.0 / self._per_s())
            self.publish()

    def add_picture(
        self, picture: Picture, *, tick: int, start_us: int, t_us: int, segment: int
    ) -> None:
        """Take the events of some ticks that end with ``tick``, at ``t_us``."""
        kept = self._picture
        if kept is None or kept.size != picture.size or self._facts["segment"] != segment:
            self._picture = picture
            since = (
                self._last_end[1] if self._last_end and self._last_end[0] == segment else start_us
            )
            self._facts = {"since": since}
        else:
            kept.join(picture)
        self._facts |= {"tick": tick, "t_us": t_us, "segment": segment}

    def add_raster(self, raster: Raster) -> None:
        """Take the spikes of some ticks."""
        self._raster = raster if self._raster is None else self._raster.join(raster)

    def add_membrane(self, membrane: Membrane) -> None:
        """Take a neuron's membrane of some ticks."""
        kept = self._membrane
        self._membrane = membrane if kept is None else kept.join(membrane)

    def publish(self) -> None:
        """Publish what there is."""
        picture, raster, membrane = self._picture, self._raster, self._membrane
        self._picture = self._raster = self._membrane = None
        if membrane is not None:
            self._broker.publish("membrane", membrane.body())
        if picture is not None and (counts := picture.counts()).any():
            _, rows, columns = counts.shape
            off, on = np.minimum(counts, 255).astype(np.uint8)
            facts = self._facts
            self._last_end = (facts["segment"], facts["t_us"])
            self._broker.publish(
                "events",
                {
                    "tick": facts["tick"], "t_us": facts["t_us"], "segment": facts["segment"],
                    "span_us": facts["t_us"] - facts["since"], "size": list(picture.size),
                    "shape": [columns, rows], "on": on.tobytes(), "off": off.tobytes(),
                    "on_events": int(counts[1].sum()), "off_events": int(counts[0].sum()),
                },
            )  # fmt: skip
        if raster is not None:
            network = self._network
            units = [layer.spikes.size for layer in network.layers]
            self._broker.publish("spikes", raster.body(units))
