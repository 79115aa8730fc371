"""The temporal layer: hidden units on features of several moments, learned by the readout's error.

Inputs are bits: a feature that reaches the root mean square of all features of its layer in a tick.
A ring holds the bits of past ticks. For the set bits of all delays, and ``n`` of them::

    height = isqrt(2**20 / n);  a_j = height * sum_i w_ij
    h_j = clip((a_j - threshold_j) >> slope, 0, 127)
    y_k = sum_i W_ki f_i + sum_j V_kj 2 h_j

``W f`` is the readout on the features, ``V`` the readout of the hidden units. The error of ``y``
goes back through ``V`` itself, so that the step is that of gradient descent (back-propagation
through one hidden layer), with the units inside their window in place of a derivative::

    V_kj <- V_kj + ((e_k 2 h_j + noise) >> shift)
    w_ij <- w_ij + ((height sum_k V_kj e_k + noise) >> (shift + more)),  0 < h_j < 127

Only rows of set bits are read and changed, and nothing of the past is needed but the ring.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.fixed_point import xorshift
from spikewire.qcore.kernels.homeostasis import regulation_gain
from spikewire.qcore.kernels.readout import score_error, square_root

MOST_ACTIVE = 127
"""Largest output of a hidden unit."""

UP = 1
"""Bits by which the readout's input is above a hidden unit's output.

A quarter of 64 units at half their range then have the length of the features, 2**9 to 2**10.
"""

LEAST_THRESHOLD, MOST_THRESHOLD = 64, 1 << 22


@inline
def set_rows(bits, inputs, rows):
    """List the rows of the store that belong to set bits; returns how many there are."""
    n = np.int64(0)
    for d in range(bits.shape[0]):
        for place in range(bits.shape[1]):
            byte = np.int32(bits[d, place])
            for b in range(8):
                if np.int32(byte >> np.int32(b)) & np.int32(1) != 0:
                    rows[n] = d * inputs + 8 * place + b
                    n += 1
    return n


@kernel("int64(int8[:, ::1], int16[:, ::1], int32[::1])")
def sum_rows(bits, store, a):
    """Add the weights of all set bits: ``a[j] = sum_i store[i, j] >> 8``.

    Parameters
    ----------
    bits
        int8[delays, bytes]: the input, one bit each.
    store
        int16[delays * inputs, units]: stored weights, by delay and input.
    a
        int32[units], overwritten. ``|a| <= 2**7`` for each set bit, of which there are under 2**24.

    Returns
    -------
    int
        Number of set bits.
    """
    rows = np.empty(8 * bits.size, np.int64)
    ones = set_rows(bits, store.shape[0] // bits.shape[0], rows)
    a[:] = 0
    for i in range(ones):
        row = store[rows[i]]
        for j in range(a.shape[0]):
            a[j] = np.int32(a[j] + np.int32(np.int32(row[j]) >> 8))
    return ones


@kernel("int64(int32[::1], int64, int32[::1], int64, int16[::1])")
def activate_hidden(a, ones, thresholds, slope, h):
    """Scale the sums by the number of set bits, and fire: ``h = clip((a - t) >> slope, 0, 127)``.

    Parameters
    ----------
    a
        int32[units]: sums of weights.
    ones
        Number of set bits.
    thresholds
        int32[units].
    slope
        Right shift.
    h
        int16[units], overwritten.

    Returns
    -------
    int
        The height of a set bit: all of them together have length 2**10.
    """
    height = square_root((np.int64(1) << 20) // max(ones, np.int64(1)))
    for j in range(h.shape[0]):
        above = (np.int64(a[j]) * height - np.int64(thresholds[j])) >> slope
        h[j] = np.int16(min(max(above, np.int64(0)), np.int64(MOST_ACTIVE)))
    return height


@kernel("void(int16[:, ::1], int16[::1], int32[::1])")
def add_hidden(V, h, y):
    """Add the readout of the hidden units: ``y[k] += sum_j (V[k, j] >> 8) * 2 * h[j]``.

    Of 1,024 units it adds up to 2**25 to at most 2**25 for 2**16 features: inside int32.
    """
    for k in range(y.shape[0]):
        total = np.int32(0)
        for j in range(h.shape[0]):
            weight = np.int32(np.int32(V[k, j]) >> 8)
            total = np.int32(total + np.int32(weight * np.int32(h[j])))
        y[k] = np.int32(y[k] + np.int32(total << UP))


@kernel(
    "void(int32[::1], int64, int64, int64, int64[::1], int64, int16[::1], int16[:, ::1],"
    " uint32[::1], int64[::1])"
)
def teach_hidden(y, label, target, dead_zone, shifts, shift, h, V, lanes, back):
    """Bring the errors back through the readout of the hidden units, and step that readout.

    Parameters
    ----------
    y
        int32[classes]: scores, before any step.
    label, target, dead_zone, shifts
        As for :func:`~.readout.delta_rule`.
    shift
        The smallest of the shifts. The error of a class with a larger one comes back as much
        smaller.
    h
        int16[units].
    V
        int16[classes, units]: stored weights, saturating.
    lanes
        uint32[at least units]: one generator per unit.
    back
        int64[units], overwritten: ``sum_k V_kj e_k`` inside the units' windows, else 0.
        Errors have up to 31 bits, weights 8, and classes 10: it fits.
    """
    back[:] = 0
    for k in range(y.shape[0]):
        e = score_error(y, k, label, target, dead_zone)
        if e == 0:
            continue
        mask = np.uint32((np.int64(1) << shifts[k]) - 1)
        gentle = e >> (shifts[k] - shift)
        for j in range(h.shape[0]):
            if h[j] == 0:
                continue
            back[j] += np.int64(np.int32(V[k, j]) >> 8) * gentle
            lanes[j] = xorshift(lanes[j])
            noise = np.int64(np.uint32(lanes[j] & mask))
            moved = np.int64(V[k, j]) + ((e * (np.int64(h[j]) << UP) + noise) >> shifts[k])
            V[k, j] = np.int16(min(max(moved, np.int64(-32768)), np.int64(32767)))
    for j in range(h.shape[0]):
        if h[j] == MOST_ACTIVE:
            back[j] = 0


@inline
def split_steps(back, height, shift, whole, rest):
    """Divide the steps ``back * height`` by ``2**shift``; returns the mask of the noise.

    ``whole`` gets the quotients rounded down, which saturate at the width of the store, and
    ``rest`` what is left, in at most 31 bits. Bits below these cannot decide a rounding.
    """
    spare = max(np.int64(0), shift - 31)
    mask = np.uint32((np.int64(1) << (shift - spare)) - 1)
    for j in range(back.shape[0]):
        value = (back[j] * height) >> spare
        quotient = value >> (shift - spare)
        whole[j] = np.int32(min(max(quotient, np.int64(-65536)), np.int64(65536)))
        rest[j] = np.uint32(value & np.int64(mask))
    return mask


@kernel("void(int8[:, ::1], int16[:, ::1], int64[::1], int64, int64, uint32[::1])")
def step_rows(bits, store, back, height, shift, lanes):
    """Step the weights of all set bits by ``back * height``, rounded stochastically.

    Parameters
    ----------
    bits
        int8[delays, bytes]: the input.
    store
        int16[delays * inputs, units]: stored weights, saturating.
    back
        int64[units]: errors at the units; below 2**50.
    height
        Height of a set bit, up to 2**10.
    shift
        Right shift, 1 to 46.
    lanes
        uint32[at least units]: one generator per unit, advanced once for each set bit.
    """
    units = back.shape[0]
    rows = np.empty(8 * bits.size, np.int64)
    ones = set_rows(bits, store.shape[0] // bits.shape[0], rows)
    whole = np.empty(units, np.int32)
    rest = np.empty(units, np.uint32)
    mask = split_steps(back, height, shift, whole, rest)
    for i in range(ones):
        row = store[rows[i]]
        for j in range(units):
            lanes[j] = xorshift(lanes[j])
            noise = np.uint32(lanes[j] & mask)
            up = np.int32(np.uint32(rest[j] + noise) > mask)
            moved = np.int32(np.int32(np.int32(row[j]) + whole[j]) + up)
            row[j] = np.int16(min(max(moved, np.int32(-32768)), np.int32(32767)))


@kernel("void(int16[::1], int32[::1], int32[::1], int64, int64, int64, int64)")
def regulate_hidden(h, counts, thresholds, period, low, high, slowest):
    """Count active units, and after a period move thresholds towards the target activity.

    Parameters
    ----------
    h
        int16[units].
    counts
        int32[units + 2]: lessons in which a unit was active, in this period; lessons in this
        period; and periods so far.
    thresholds
        int32[units].
    period
        Lessons of a period.
    low, high
        Target range of the activity, in 1/65536 per lesson.
    slowest
        Smallest gain, as in :func:`~.learning_step.regulate_layers`.
    """
    units = h.shape[0]
    for j in range(units):
        counts[j] = np.int32(counts[j] + np.int32(h[j] > 0))
    counts[units] = np.int32(counts[units] + 1)
    if counts[units] < period:
        return
    periods = np.int64(counts[units + 1])
    gain = regulation_gain(periods, slowest)
    lessons = max(np.int64(counts[units]), np.int64(1))
    for j in range(units):
        rate = np.int64(counts[j]) * 65536 // lessons
        now = np.int64(thresholds[j])
        step = max(np.int64(1), now >> gain)
        if rate > high:
            now = min(now + step, np.int64(MOST_THRESHOLD))
        elif rate < low:
            now = max(now - step, np.int64(LEAST_THRESHOLD))
        thresholds[j] = np.int32(now)
        counts[j] = np.int32(0)
    counts[units] = np.int32(0)
    counts[units + 1] = np.int32(min(periods + 1, np.int64(1 << 30)))
