"""Settings and arrays of the temporal layer, in the first row of the layer table."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.layer_table import output_count
from spikewire.qcore.network.spec import NetworkSpec

Take = Callable[[int], int]


def place_temporal(
    layers: npt.NDArray[np.int64], spec: NetworkSpec, classes: int, take: tuple[Take, Take, Take]
) -> None:
    """Place the arrays of the temporal layer behind all others, and fill in its settings.

    Parameters
    ----------
    layers
        The layer table, whose rows are filled in otherwise.
    spec
        A network with a temporal layer.
    classes
        Number of classes.
    take
        Give the place of so many int8, int16, int32.
    """
    own, L = spec.temporal, layers[0]
    i8, i16, i32 = take
    units, delays = own.units, len(own.delays)
    L[at.T_UNITS], L[at.T_DELAYS] = units, delays
    L[at.T_LAYER] = max(n for n, layer in enumerate(spec.layers) if layer.read)
    inputs = output_count(layers[L[at.T_LAYER]])
    L[at.T_INPUTS] = inputs
    # The ring has a place for each tick in which the network reads or learns, or did that long ago.
    every = math.gcd(spec.result_every, spec.readout.every, *own.delays)
    L[at.T_EVERY], L[at.T_LONGEST] = every, own.delays[-1]
    L[at.T_PLACES] = own.delays[-1] // every + 1
    L[at.T_PLASTIC], L[at.T_SLOPE], L[at.T_SHIFT] = own.plastic, own.slope, own.shift
    L[at.T_PERIOD], L[at.T_LIVE_SHIFT] = own.period, own.live_shift
    L[at.T_LOW], L[at.T_HIGH] = own.activity * 65536 // 2000, own.activity * 65536 // 500
    wide = -(-inputs // 8)
    L[at.AT_T_RING] = i8(int(L[at.T_PLACES]) * wide)
    L[at.AT_T_SLOTS] = i8(classes * spec.readout.slots * delays * wide)
    L[at.AT_T_STORE] = i16(delays * inputs * units)
    L[at.AT_T_READ] = i16(classes * units)
    L[at.AT_T_DELAY] = i32(delays)
    L[at.AT_T_THRESHOLD] = i32(units)
    L[at.AT_T_COUNT] = i32(units + 2)
