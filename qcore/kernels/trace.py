"""Presynaptic traces: the integer double exponential that stands for a synapse's recent past."""

from __future__ import annotations

import numpy as np

from spikewire._jit import kernel
from spikewire.qcore.kernels.fixed_point import shift_to_zero
from spikewire.qcore.kernels.trace_vectors import features_in_vectors, traces_in_vectors
from spikewire.qcore.kernels.vectors import HAS_VECTORS, LANES


@kernel("int64(int8[::1], int16[::1], int16[::1], int64, int64, int64, int64, int64)")
def advance_traces(fired, Q, P, kick, fast, slow, rail, lift):
    """Advance ``Q <- min(Q - ceil(Q / 2**fast) + kick * s, rail)`` and P towards ``Q * 2**lift``.

    ``P <- P + tz((Q << lift) - P, slow)``. With the paper's widths (Q 10, P 12 bits, so
    ``lift = 2``) and ``kick = 120, fast = 3`` an input that fires every tick settles at Q <= 960
    and P <= 3,840; only the counts of a sum-pooled map reach the rail, where Q saturates. P cannot
    pass ``rail * 2**lift``. The ceiling takes Q all the way back to zero.

    Parameters
    ----------
    fired
        int8[n], not negative: the tick's spikes, or counts of them.
    Q, P
        int16[n], not negative, changed in place.
    kick, fast, slow
        What one spike adds to Q; how fast Q decays and P follows, as powers of two.
    rail
        Largest value of Q: ``2**width - 1``.
    lift
        Width of P less that of Q; where negative, Q's lowest bits do not reach P.

    Returns
    -------
    int
        0 if no trace changed.
    """
    changed = np.int32(0)
    round_up = np.int32((1 << fast) - 1)
    shift_fast = np.int32(fast)
    shift_slow = np.int32(slow)
    step = np.int32(kick)
    high = np.int32(rail)
    up = np.int32(max(lift, 0))
    down = np.int32(max(-lift, 0))
    whole = np.int64(0)
    if HAS_VECTORS:
        whole = fired.shape[0] // LANES * LANES
        numbers = (fast, np.int64(round_up), kick, rail, np.int64(up), np.int64(down), slow)
        changed = np.int32(traces_in_vectors(fired, Q, P, numbers))
    for i in range(whole, fired.shape[0]):
        q = np.int32(Q[i])
        p = np.int32(P[i])
        lost = np.int32(np.int32(q + round_up) >> shift_fast)
        q_next = np.int32(np.int32(q - lost) + np.int32(step * np.int32(fired[i])))
        q_next = min(q_next, high)
        gap = np.int32(np.int32(np.int32(q_next << up) >> down) - p)
        p_next = np.int32(p + shift_to_zero(gap, shift_slow))
        changed |= np.int32(np.int32(q_next ^ q) | np.int32(p_next ^ p))
        Q[i] = np.int16(q_next)
        P[i] = np.int16(p_next)
    return np.int64(changed != 0)


@kernel("int64(int8[::1], int16[::1], int64, int64)")
def advance_features(fired, F, kick, slow):
    """Advance the readout's features ``F <- F - ceil(F / 2**slow) + kick * s``, at most 32,767.

    ``fired`` holds spikes, or the counts of a sum-pooled map. Returns 0 if no feature changed.
    """
    changed = np.int32(0)
    round_up = np.int32((1 << slow) - 1)
    shift = np.int32(slow)
    step = np.int32(kick)
    whole = np.int64(0)
    if HAS_VECTORS:
        whole = fired.shape[0] // LANES * LANES
        numbers = (slow, np.int64(round_up), kick, np.int64(32767))
        changed = np.int32(features_in_vectors(fired, F, numbers))
    for i in range(whole, fired.shape[0]):
        f = np.int32(F[i])
        lost = np.int32(np.int32(f + round_up) >> shift)
        f_next = np.int32(np.int32(f - lost) + np.int32(step * np.int32(fired[i])))
        f_next = np.int32(min(f_next, np.int32(32767)))
        changed |= np.int32(f_next ^ f)
        F[i] = np.int16(f_next)
    return np.int64(changed != 0)
