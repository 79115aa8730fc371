"""Packets of a sensor as a network's input, in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import packet_bins as at
from spikewire.qcore.kernels.binning import BinnedEvents
from spikewire.qcore.network.spec import NetworkSpec

_OUTSIDE = -(2**30)
"""Place of columns and rows outside the crop: two of them, and a place, fit into 32 bits."""


@dataclass(frozen=True, slots=True)
class TickClock:
    """Ticks of a stream.

    Attributes
    ----------
    origin_us, origin_tick
        The event time at which tick ``origin_tick`` begins; no event may lie before it.
    tick_us
        Length of a tick in microseconds.
    """

    origin_us: int
    origin_tick: int
    tick_us: int


class PacketBinner:
    """Does as ``bin_events``, the front end and the engine's input do, in one pass.

    Parameters
    ----------
    spec
        The network.
    sensor_size
        (width, height) of the sensor.
    """

    def __init__(self, spec: NetworkSpec, sensor_size: tuple[int, int]) -> None:
        front = spec.front
        self.sensor_size = sensor_size
        self._shape = spec.height, spec.width, spec.polarities
        self._front = int(front.merge), front.most
        rows, columns = (spec.width, spec.height) if front.swap_xy else (spec.height, spec.width)
        x = _scaled(sensor_size[0], spec.plane[0], front.pool_x or front.pool, front.left)
        y = _scaled(sensor_size[1], spec.plane[1], front.pool, front.top)
        step, line = spec.polarities, spec.width * spec.polarities
        if front.swap_xy:
            step, line = line, step
        self._to_x = _places(x, columns, front.flip_x, step)
        self._to_y = _places(y, rows, front.flip_y, line)

    def bin(
        self, packets: Iterable[npt.NDArray[Any]], clock: TickClock, ticks: int
    ) -> tuple[BinnedEvents, int]:
        """Bin packets that follow each other.

        Parameters
        ----------
        packets
            Arrays of ``PACKED_EVENT`` in time order, from one to the next too.
        clock
            The stream's ticks.
        ticks
            How many ticks they cover at most.

        Returns
        -------
        tuple
            The spikes, and how many of all events have polarity 1.

        Raises
        ------
        ValueError
            If an event lies outside the sensor, or is of no channel.
        """
        packets = list(packets)
        rows, columns, channels = self._shape
        merge, most = self._front
        held = np.zeros(rows * columns * channels, np.uint8)
        total = sum(map(len, packets))
        room = min(total, ticks * most * len(held))
        places, tick = np.empty(room, np.int32), np.empty(room, np.int64)
        settings = np.array(
            [clock.origin_us, clock.origin_tick, clock.tick_us, channels, merge, most, columns],
            np.int64,
        )
        state = np.zeros(7, np.int64)
        state[at.END_US] = np.iinfo(np.int64).min
        for events in packets:
            at.bin_packet(events, settings, self._to_x, self._to_y, held, state, places, tick)
            self._check(int(state[at.FAULT]))
        n = int(state[at.COUNT])
        x, y, p = np.empty(n, np.uint16), np.empty(n, np.uint16), np.empty(n, np.uint8)
        at.list_spikes(settings, held, state, places, tick, x, y, p)
        merged = total - n - int(state[at.LEFT_OUT])
        return BinnedEvents(tick[:n], x, y, p, merged, placed=True), int(state[at.ON])

    def _check(self, fault: int) -> None:
        if fault == 1:
            width, height = self.sensor_size
            raise ValueError(f"An event lies outside the sensor's {width}x{height} pixels.")
        if fault == 2:
            raise ValueError(f"An event is of none of the model's {self._shape[2]} channels.")


def _scaled(pixels: int, plane: int, window: int, first: int) -> npt.NDArray[np.int64]:
    """Scale the columns or rows of a sensor to the plane, pool them, and count from the crop."""
    return np.arange(pixels, dtype=np.int64) * plane // pixels // window - first


def _places(
    cells: npt.NDArray[np.int64], count: int, flip: bool, step: int
) -> npt.NDArray[np.int32]:
    """Return where the columns or rows begin that lie ``step`` apart."""
    inside = (cells >= 0) & (cells < count)
    places = (count - 1 - cells if flip else cells) * step
    return np.where(inside, places, _OUTSIDE).astype(np.int32)
