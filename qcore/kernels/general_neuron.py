"""The neurons of networks trained elsewhere: floors, late resets, several spikes, recurrence.

They are those of :mod:`spikewire.qcore.kernels.neuron` in all else. Per tick, for a neuron of
channel ``c`` with ``n'`` spikes in the tick before::

    u <- sat(tz(u * (one - du) / one) + (drive << exponent) + (back << back exponent))
    v <- tz(v * (one - dv) / one) + u + bias[c] + own bias    (or the biases act on u)
    late reset:  v <- v - n' * threshold,  or the reset's value if n' > 0
    v <- max(sat(v), floor[c])
    n = the whole thresholds in v, or those that it is above; at most so many
    reset:  v <- sat(v - n * threshold),  or the reset's value if n > 0

``one`` is 4096, or as much as 65536 where decays have more bits.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.fixed_point import clip, fine_decay, saturate
from spikewire.qcore.kernels.neuron import (
    BIAS,
    FLOOR,
    KEEP_U,
    KEEP_V,
    KICK_R,
    RESET_SUBTRACT,
    RESET_VALUE,
    RESET_ZERO,
    THRESHOLD,
)


@inline
def shifted(total, shift):
    """Clip a sum of weights, which saturates the current beyond, and shift it left."""
    most = np.int32(np.int32(1 << 25) >> shift)
    return np.int32(clip(total, np.int32(-most), most) << shift)


@kernel(
    "int64(int64[::1], int32[:, ::1], int32[:, ::1], int32[:, ::1], int32[:, ::1], int32[:, ::1])"
)
def follow_drive(L, drive, back, u, biases, table):
    """Decay the currents of a layer and take in the tick's drive, and biases that act on them.

    Parameters
    ----------
    L
        int64[columns]: the layer's row of the table.
    drive, back
        int32[places, channels]: sums of the input's and of the layer's own spikes; cleared.
        ``back`` has no row without recurrent weights.
    u
        int32[places, channels]: currents, 24-bit, changed in place.
    biases
        int32[places, channels]: the neurons' own biases; no row without.
    table
        int32[8, channels]: the channels' parameters.

    Returns
    -------
    int
        0 if no current changed.
    """
    shift, back_shift = np.int32(L[at.EXPONENT]), np.int32(L[at.BACK_EXPONENT])
    changed = np.int32(0)
    places, channels = u.shape
    keep, bias = table[KEEP_U], table[BIAS]
    fine = np.int32(L[at.FINE_DECAY])
    own = np.int64(L[at.BIAS_TO_CURRENT] != 0 and biases.shape[0] > 0)
    for i in range(places):
        for c in range(channels):
            total = shifted(drive[i, c], shift)
            drive[i, c] = np.int32(0)
            if back.shape[0] > 0:
                total = np.int32(total + shifted(back[i, c], back_shift))
                back[i, c] = np.int32(0)
            if L[at.BIAS_TO_CURRENT] != 0:
                total = np.int32(total + bias[c])
            if own != 0:
                total = np.int32(total + biases[i, c])
            u_next = saturate(np.int32(fine_decay(u[i, c], keep[c], fine) + total))
            changed |= np.int32(u_next ^ u[i, c])
            u[i, c] = u_next
    return np.int64(changed != 0)


@kernel(
    "int64(int64[::1], int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1], int32[:, ::1])"
)
def follow_current(L, u, v, biases, fired, table):
    """Decay the membranes of a layer and take in currents, biases and late resets.

    Parameters
    ----------
    L
        int64[columns]: the layer's row of the table.
    u, v
        int32[places, channels]: currents, and membranes, which are changed in place.
    biases
        int32[places, channels]: the neurons' own biases; no row without.
    fired
        int8[places, channels]: spikes of the tick before, for a late reset.
    table
        int32[8, channels]: the channels' parameters.

    Returns
    -------
    int
        0 if no membrane changed.
    """
    changed = np.int32(0)
    places, channels = u.shape
    keep, bias, threshold = table[KEEP_V], table[BIAS], table[THRESHOLD]
    floor, value = table[FLOOR], table[RESET_VALUE]
    fine = np.int32(L[at.FINE_DECAY])
    by_value = L[at.RESET] == RESET_ZERO
    here = L[at.BIAS_TO_CURRENT] == 0
    for i in range(places):
        for c in range(channels):
            v_next = np.int32(fine_decay(v[i, c], keep[c], fine) + u[i, c])
            if here:
                v_next = np.int32(v_next + bias[c])
            if here and biases.shape[0] > 0:
                v_next = np.int32(v_next + biases[i, c])
            if L[at.RESET_LATE] != 0:
                spikes = np.int32(fired[i, c])
                if by_value:
                    v_next = value[c] if spikes > 0 else v_next
                else:
                    v_next = np.int32(v_next - np.int32(spikes * threshold[c]))
            v_next = max(saturate(v_next), floor[c])
            changed |= np.int32(v_next ^ v[i, c])
            v[i, c] = v_next
    return np.int64(changed != 0)


@inline
def reset_membrane(kind, v, spikes, threshold, value):
    """Return a membrane after ``spikes``, by the kind of reset."""
    if kind == RESET_SUBTRACT:
        return saturate(np.int32(v - np.int32(spikes * threshold)))
    if kind == RESET_ZERO and spikes > 0:
        return value
    return v


@kernel("int64(int64[::1], int32[:, ::1], int8[:, ::1], int8[:, ::1], int32[:, ::1])")
def fire_general(L, v, r, fired, table):
    """Fire, once or several times, and reset.

    Parameters
    ----------
    L
        int64[columns]: the layer's row of the table.
    v
        int32[places, channels]: membranes, changed in place.
    r
        int8[places, channels]: refractory ticks left, in which a neuron is silent and its membrane
        rests at the reset's value; changed in place.
    fired
        int8[places, channels]: spikes, overwritten.
    table
        int32[8, channels]: the channels' parameters.

    Returns
    -------
    int
        0 if no membrane, refractory value or number of spikes changed.
    """
    changed = np.int32(0)
    places, channels = v.shape
    threshold, ticks, value = table[THRESHOLD], table[KICK_R], table[RESET_VALUE]
    # A membrane at its threshold counts as above one that is lower by one.
    below = np.int32(1 - L[at.REACHED])
    most = np.int32(L[at.MOST_SPIKES])
    kind = np.int64(-1) if L[at.RESET_LATE] != 0 else L[at.RESET]
    for i in range(places):
        for c in range(channels):
            wait = np.int32(r[i, c])
            membrane = value[c] if wait > 0 else v[i, c]
            spikes = np.int32(0)
            if wait <= 0 and np.int32(membrane - below) >= threshold[c]:
                spikes = np.int32(1)
                if most > 1:
                    spikes = min(np.int32(np.int32(membrane - below) // threshold[c]), most)
            v_next = reset_membrane(kind, membrane, spikes, threshold[c], value[c])
            r_next = np.int32(wait - 1) if wait > 0 else np.int32(min(spikes, 1) * ticks[c])
            moved = np.int32(np.int32(v_next ^ v[i, c]) | np.int32(r_next ^ wait))
            changed |= np.int32(moved | np.int32(spikes ^ np.int32(fired[i, c])))
            v[i, c] = v_next
            r[i, c] = np.int8(r_next)
            fired[i, c] = np.int8(spikes)
    return np.int64(changed != 0)
