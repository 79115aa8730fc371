"""Refractory traces of few bits that are rounded to the nearest, as those of the paper are."""

from __future__ import annotations

import numpy as np

from spikewire._jit import kernel
from spikewire.qcore.kernels.neuron import KEEP_R, KICK_R, THRESHOLD


@kernel("int64(int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1], int64)")
def fire_lingering(v, r, table, fired, bits):
    """Fire as :func:`~.neuron.fire_coarse`, with a trace that is rounded to the nearest.

    ``r <- min(rnd(r * keep) + 2**(bits - 1) * spike, 2**bits - 1)``, halves up: where the decay of
    a tick is less than half a step the trace stays. With 2 bits and ``keep`` 0.65 a spike takes
    off its whole kick in the next tick, and half of it from then on.

    Parameters
    ----------
    v, r
        int32[places, channels]: membranes and refractory traces.
    table
        int32[8, channels]: the channels' parameters.
    fired
        int8[places, channels], overwritten.
    bits
        Bits of the trace, 1 to 8.

    Returns
    -------
    int
        0 if no refractory trace changed.
    """
    changed = np.int32(0)
    fraction = np.int32(bits - 1)
    one = np.int32(1 << (bits - 1))
    most = np.int32((1 << bits) - 1)
    places, channels = v.shape
    threshold = table[THRESHOLD]
    keep = table[KEEP_R]
    kick = table[KICK_R]
    for i in range(places):
        for c in range(channels):
            taken = np.int32(np.int32(r[i, c] * kick[c]) >> fraction)
            over = np.int32(np.int32(v[i, c] - taken) - threshold[c])
            spike = np.int32(1) if over > 0 else np.int32(0)
            left = np.int32(np.int32(np.int32(r[i, c] * keep[c]) + np.int32(2048)) >> np.int32(12))
            r_next = min(np.int32(left + np.int32(spike * one)), most)
            fired[i, c] = np.int8(spike)
            changed |= np.int32(r_next ^ r[i, c])
            r[i, c] = r_next
    return np.int64(changed != 0)
