"""View of the temporal layer of a network, as arrays that share the network's memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.layer_views import view_of


class TemporalView:
    """Temporal layer of a network; writing to its arrays changes the network.

    Parameters
    ----------
    state
        State of a network that has a temporal layer.
    """

    __slots__ = ("_L", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._L = state.layers[0]

    def _get(self, *columns: int) -> tuple[int, ...]:
        return tuple(int(self._L[column]) for column in columns)

    def _classes(self) -> int:
        return int(self._state.registers[at.CLASSES])

    @property
    def units(self) -> int:
        """Number of hidden units."""
        return int(self._L[at.T_UNITS])

    @property
    def inputs(self) -> int:
        """Number of input features, each with every delay."""
        return int(self._L[at.T_INPUTS])

    @property
    def _wide(self) -> int:
        return -(-self.inputs // 8)

    @property
    def delays(self) -> npt.NDArray[np.int32]:
        """Delays in ticks: int32[delays]."""
        start, count = self._get(at.AT_T_DELAY, at.T_DELAYS)
        return view_of(self._state.i32, start, count)

    @property
    def store(self) -> npt.NDArray[np.int16]:
        """Stored weights, whose upper 8 bits are used: int16[delays, inputs, units]."""
        start, delays = self._get(at.AT_T_STORE, at.T_DELAYS)
        return view_of(self._state.i16, start, delays, self.inputs, self.units)

    @property
    def read_store(self) -> npt.NDArray[np.int16]:
        """Stored weights of the readout of the units: int16[classes, units]."""
        return view_of(self._state.i16, self._L[at.AT_T_READ], self._classes(), self.units)

    @property
    def threshold(self) -> npt.NDArray[np.int32]:
        """Thresholds of the units' drive: int32[units]."""
        return view_of(self._state.i32, self._L[at.AT_T_THRESHOLD], self.units)

    @property
    def counts(self) -> npt.NDArray[np.int32]:
        """Lessons with an active unit, lessons of this period, and periods: int32[units + 2]."""
        return view_of(self._state.i32, self._L[at.AT_T_COUNT], self.units + 2)

    @property
    def ring(self) -> npt.NDArray[np.int8]:
        """Inputs of past ticks, one bit each: int8[places, bytes]."""
        start, places = self._get(at.AT_T_RING, at.T_PLACES)
        return view_of(self._state.i8, start, places, self._wide)

    @property
    def slots(self) -> npt.NDArray[np.int8]:
        """Inputs of what is rehearsed, one bit each: int8[classes, slots, delays, bytes]."""
        start, delays = self._get(at.AT_T_SLOTS, at.T_DELAYS)
        slots = int(self._state.registers[at.SLOTS])
        return view_of(self._state.i8, start, self._classes(), slots, delays, self._wide)

    @property
    def ticks_live(self) -> int:
        """Ticks to compute until the ring holds the present features only."""
        return int(self._L[at.T_LIVE])

    @property
    def operations(self) -> int:
        """Weights added to a hidden unit so far."""
        return int(self._L[at.T_OPERATIONS])

    @property
    def updates(self) -> int:
        """Weight updates so far, in weights in reach."""
        return int(self._L[at.T_UPDATES])

    def present(self, tick: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return the input at a tick that was just computed, and the units that it activates.

        Returns
        -------
        tuple
            bool[delays, inputs] and bool[units].
        """
        every, places, slope = self._get(at.T_EVERY, at.T_PLACES, at.T_SLOPE)
        rows = self.ring[(tick - self.delays.astype(np.int64)) // every % places]
        packed = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little")
        bits: npt.NDArray[np.bool_] = packed[:, : self.inputs] != 0
        height = math.isqrt(2**20 // max(int(bits.sum()), 1))
        drive = (self.store >> 8)[bits].sum(0, dtype=np.int64) * height
        active: npt.NDArray[np.bool_] = (drive - self.threshold) >> slope > 0
        return bits, active

    def rest(self) -> None:
        """Let the state be at rest; the ring itself is cleared like other arrays."""
        self._L[at.T_LIVE] = 0

    def learned_arrays(self) -> Iterator[npt.NDArray[Any]]:
        """View all arrays but the ring; those with a row per class have the class first."""
        yield from (self.store, self.read_store, self.threshold, self.counts, self.slots)


def temporal_view(state: State) -> TemporalView | None:
    """View the temporal layer of a network's state; None without one."""
    if state.layers.shape[1] <= at.GENERAL_COLUMNS or state.layers[0, at.T_UNITS] == 0:
        return None
    return TemporalView(state)


def temporal_fault(state: State) -> str | None:
    """Say what is impossible in a temporal layer that was read from a file; None for nothing."""
    layer = temporal_view(state)
    if layer is None:
        return None
    longest = int(state.layers[0, at.T_LONGEST] + state.layers[0, at.T_EVERY])
    if not 0 <= layer.ticks_live <= longest:
        return "the ring of its temporal layer is out of range"
    if (layer.counts < 0).any():
        return "the counts of its temporal layer are negative"
    return None
