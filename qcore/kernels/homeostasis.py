"""Homeostasis: thresholds are adapted to keep each channel's activity in its target range."""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.fixed_point import bit_length
from spikewire.qcore.kernels.neuron import KICK_R, THRESHOLD


@inline
def regulation_gain(periods, slowest):
    """Return the shift by which thresholds move in a period, after so many periods.

    The gain falls from 1/4 to 1/256 over 96 periods, and from 1,024 periods on halves as often as
    their number doubles, down to ``2**-slowest``: a new network finds its activity within a second
    of events, an experienced one only follows slow drifts. (With 1/256 for ever, one gesture shown
    for 5 s moved the shipped network's thresholds by up to two thirds, and cost the others up to
    2.3 points.)
    """
    gain_shift = min(np.int64(8), 2 + (periods >> 4))
    return min(slowest, gain_shift + bit_length(periods >> 10))


@kernel("void(int16[:, ::1], int64, int32[::1])")
def count_channels(spikes, n, counts):
    """Count ``spikes[:n]`` (int16[n, 3]: channel, row, column) by channel into int32[channels]."""
    for i in range(n):
        counts[spikes[i, 0]] = np.int32(counts[spikes[i, 0]] + 1)


@kernel("void(int32[::1], int32[:, ::1], int64, int64, int64, int64, int64)")
def adapt_thresholds(counts, table, chances, low, high, gain_shift, refractory):
    """Move each channel's threshold by ``threshold >> gain_shift`` towards its target activity.

    Parameters
    ----------
    counts
        int32[channels]: spikes since the last time; cleared.
    table
        int32[8, channels]: the channels' parameters.
    chances
        Units of a channel times ticks: the count of a channel that always fires.
    low, high
        The target range, in 1/65536 spikes per unit and tick; inside it thresholds stay.
    gain_shift
        The larger, the gentler.
    refractory
        1 if the refractory kick follows the threshold (the paper's reset).
    """
    for k in range(counts.shape[0]):
        rate = np.int64(counts[k]) * 65536 // chances
        now = np.int64(table[THRESHOLD, k])
        step = max(np.int64(1), now >> gain_shift)
        if rate > high:
            now = min(now + step, np.int64(2**22))
        elif rate < low:
            now = max(now - step, np.int64(64))
        table[THRESHOLD, k] = np.int32(now)
        if refractory != 0:
            table[KICK_R, k] = np.int32(now)
        counts[k] = np.int32(0)
