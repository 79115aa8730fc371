"""Gain control: thresholds of the first layer follow the running mean of input spikes per tick.

A camera of half the rate gives a layer half the drive. Its thresholds are divided with the square
root of the rate, so that its activity stays in range without a change of what its channels tell.
The mean moves in ticks with input only, so that idle ticks change nothing. The table of the layer
holds the scaled thresholds inside a call of the engine and the layer's own between calls.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.neuron import THRESHOLD
from spikewire.qcore.kernels.readout import square_root

ONE_BITS = 8
"""Bits below one of the mean and of the factor."""

_HIGHEST = (1 << 23) - 1


@inline
def thresholds_of(layers, i32):
    """View the first layer's thresholds: int32[channels]."""
    channels = layers[0, at.CHANNELS]
    start = layers[0, at.AT_TABLE] + THRESHOLD * channels
    return i32[start : start + channels]


@inline
def scale_thresholds(R, base, thresholds):
    """Write the thresholds of the present mean; without one they are the layer's own."""
    reference = R[at.GAIN] & 0xFFFFFFFF
    most = R[at.GAIN] >> 48
    factor = np.int64(1) << ONE_BITS
    if R[at.GAIN_MEAN] > 0:
        # The mean has 8 bits below one, the quotient 16, and its root 8 again.
        factor = square_root((R[at.GAIN_MEAN] << ONE_BITS) // reference)
        factor = max(min(factor, most << ONE_BITS), (np.int64(1) << ONE_BITS) // most)
    for k in range(base.shape[0]):
        scaled = (np.int64(base[k]) * factor) >> ONE_BITS
        thresholds[k] = np.int32(max(min(scaled, np.int64(_HIGHEST)), np.int64(1)))


@inline
def begin_gain(R, layers, i32):
    """Return a copy of the layer's own thresholds, and scale them; empty without gain control."""
    if R[at.GAIN] == 0:
        return np.empty(0, np.int32)
    thresholds = thresholds_of(layers, i32)
    base = thresholds.copy()
    scale_thresholds(R, base, thresholds)
    return base


@inline
def follow_input(R, layers, i32, base, n_input):
    """Move the mean towards a tick's number of input spikes, and scale the thresholds."""
    now = n_input << ONE_BITS
    if R[at.GAIN_MEAN] == 0:
        R[at.GAIN_MEAN] = now
    elif now > R[at.GAIN_MEAN]:
        R[at.GAIN_MEAN] += (now - R[at.GAIN_MEAN]) >> ((R[at.GAIN] >> 32) & 0xFF)
    else:
        R[at.GAIN_MEAN] -= (R[at.GAIN_MEAN] - now) >> ((R[at.GAIN] >> 40) & 0xFF)
    scale_thresholds(R, base, thresholds_of(layers, i32))


@inline
def end_gain(layers, i32, base):
    """Give the layer its own thresholds back."""
    thresholds = thresholds_of(layers, i32)
    for k in range(base.shape[0]):
        thresholds[k] = base[k]
