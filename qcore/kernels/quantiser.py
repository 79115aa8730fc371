"""The paper's quantiser: numbers are divided by a power of two near their largest, then rounded.

``q(x) = clip(round(x / 2**n * 2**(bits - 1)))`` with ``n = round(log2(max |x|))``, symmetric, as
Schaefer & Joshi (2020) quantise errors. These kernels stand beside those of
:mod:`~spikewire.qcore.kernels.local_learning`, whose shifts are fixed.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.fixed_point import bit_length
from spikewire.qcore.kernels.gradient_vectors import is_sixteen, measure_sixteen
from spikewire.qcore.kernels.local_learning import bring_back, take_gap

GAP = np.int64(2**31 - 1)
"""Gaps between readout and target are clipped to this, to fit 32 bits."""


@inline
def nearest_power(value):
    """``round(log2(value))`` for ``1 <= value <= 2**31``."""
    low = bit_length(value) - 1
    # Above the geometric mean of two powers: value**2 >= 2**(2 * low + 1).
    return low + 1 if (value * value) >> (2 * low) >= 2 else low


@inline
def quantise(value, power, rail):
    """``value / 2**power * (rail + 1)``, rounded (halves away from zero), clipped to ``rail``.

    For ``|value| < 2**32`` and a rail below 2**16.
    """
    size = abs(value) * (rail + 1)
    rounded = min((size + ((np.int64(1) << power) >> 1)) >> power, rail)
    return rounded if value >= 0 else -rounded


@kernel("int64(int32[::1], int32[::1], int64, int64, int64, int64, int64, int32[::1])")
def normalised_error(y, mean, label, target, error_shift, rail, dead_zone, error):
    """Do as ``local_error``, but divide the errors by a power of two near their largest.

    Errors that ``local_error`` finds inside the dead zone are zero before that.

    Parameters
    ----------
    y, mean, label, target, error_shift, dead_zone
        As for ``local_error``; the shift gives the dead zone's unit only.
    rail
        ``2**(bits - 1) - 1``.
    error
        int32[classes], overwritten.

    Returns
    -------
    int
        1 if any error is left to learn from.
    """
    largest = np.int64(0)
    for k in range(y.shape[0]):
        gap = take_gap(y, mean, k, label, target)
        coarse = min(max(gap >> error_shift, -rail), rail)
        if coarse <= dead_zone and coarse >= -dead_zone:
            gap = np.int64(0)
        gap = min(max(gap, -GAP), GAP)
        error[k] = np.int32(gap)
        largest = max(largest, abs(gap))
    if largest == 0:
        return np.int64(0)
    power = nearest_power(largest)
    for k in range(y.shape[0]):
        error[k] = np.int32(quantise(np.int64(error[k]), power, rail))
    return np.int64(1)


@kernel("int64(int8[:, ::1], int32[::1], int8[::1], int8[::1], int32[::1], int64, int64)")
def normalised_delta(G, error, activation, delta, scratch, rail, delta_rail):
    """Do as ``local_delta``, but divide the sums by a power of two near their largest.

    The largest is that of all units, those outside the surrogate's window included.

    Parameters
    ----------
    G
        int8[classes, units]: the feedback.
    error
        int32[classes].
    activation
        int8[units] in ``[0, rail]``; units at either end get no error.
    delta
        int8[units], overwritten.
    scratch
        int32[at least units].
    rail
        The largest activation.
    delta_rail
        ``2**(bits - 1) - 1``.

    Returns
    -------
    int
        How many units have an error.
    """
    units = activation.shape[0]
    scratch[:units] = 0
    bring_back(G, 0, 0, error, scratch, units)
    largest = np.int32(0)
    for i in range(units):
        largest = max(largest, np.int32(abs(scratch[i])))
    power = nearest_power(np.int64(max(largest, np.int32(1))))
    n = np.int64(0)
    for i in range(units):
        a = activation[i]
        inside = np.int64(1) if (a > 0 and a < rail) else np.int64(0)
        value = quantise(np.int64(scratch[i]), power, delta_rail) * inside
        delta[i] = np.int8(value)
        n += np.int64(value != 0)
    return n


@kernel("void(int8[::1], int8[::1], int64, int64, int64, int64)")
def finish_delta(delta, activation, rail, delta_rail, sigmoid, largest):
    """Multiply deltas by the slope of the sigmoid, and quantise them once more.

    Parameters
    ----------
    delta
        int8[neurons], changed in place: errors brought back, before pooling.
    activation
        int8[neurons] in ``[0, rail]``, before pooling.
    rail
        The largest activation, ``2**bits - 1``.
    delta_rail
        ``2**(bits - 1) - 1`` of the deltas' bits.
    sigmoid
        1 to multiply by ``a * (rail - a)``, the derivative of a sigmoid whose value is ``a``.
    largest
        1 to divide by a power of two near the largest, 0 by ``((rail + 1) / 2)**2``, which the
        sigmoid's slope reaches in its middle. Without a sigmoid only 1 makes sense.
    """
    n = delta.shape[0]
    power = 2 * bit_length(rail) - 2
    scale = np.int64(1)
    if largest != 0:
        top = np.int64(0)
        for i in range(n):
            a = np.int64(activation[i])
            top = max(top, abs(np.int64(delta[i])) * (a * (rail - a) if sigmoid != 0 else 1))
        if top == 0:  # no delta, or the slope is zero at each: their activations are at a rail
            delta[:] = 0
            return
        power = nearest_power(top)
        scale = delta_rail + 1
    half = (np.int64(1) << power) >> 1
    for i in range(n):
        d = np.int64(delta[i])
        if d == 0:
            continue
        a = np.int64(activation[i])
        size = abs(d) * (a * (rail - a) if sigmoid != 0 else 1) * scale
        size = min((size + half) >> power, delta_rail)
        delta[i] = np.int8(size if d > 0 else -size)


@kernel("int64(int32[:, ::1], int32[::1], int32[::1], int64, int64)")
def measure_gradient(g, mean, bits, centre, tensor):
    """Find what each output's gradient is divided by, and its mean.

    Parameters
    ----------
    g
        int32[rows, outputs], each inside ``[-2**30, 2**30]``.
    mean
        int32[outputs], overwritten: ``floor(sum(g[:, k]) / rows)``, or zero.
    bits
        int32[outputs], overwritten: the power of two to divide by.
    centre
        1 if the outputs' means are taken off.
    tensor
        1 for one power of two, the nearest to the largest ``|g[:, k] - mean[k]|`` of all; 0 for
        one per output, the next one above its largest.

    Returns
    -------
    int
        0 if there is no gradient at all.
    """
    rows, outputs = g.shape
    total = np.zeros(outputs, np.int64)
    highest = np.zeros(outputs, np.int32)
    lowest = np.zeros(outputs, np.int32)
    if is_sixteen(g):
        found = np.empty((4, outputs), np.int32)
        measure_sixteen(g, found)
        for k in range(outputs):
            total[k] = (np.int64(found[1, k]) << 16) + np.int64(found[0, k])
            highest[k] = found[2, k]
            lowest[k] = found[3, k]
    else:
        highest[:] = g[0]
        lowest[:] = g[0]
        for i in range(rows):
            for k in range(outputs):
                total[k] += np.int64(g[i, k])
                highest[k] = max(highest[k], g[i, k])
                lowest[k] = min(lowest[k], g[i, k])
    some = np.int64(0)
    top = np.int64(1)
    for k in range(outputs):
        some |= np.int64(highest[k]) | np.int64(lowest[k])
        mean[k] = np.int32(total[k] // np.int64(rows)) if centre != 0 else np.int32(0)
        middle = np.int64(mean[k])
        largest = max(np.int64(highest[k]) - middle, middle - np.int64(lowest[k]))
        top = max(top, largest)
        bits[k] = np.int32(bit_length(largest))
    if tensor != 0:
        for k in range(outputs):
            bits[k] = np.int32(nearest_power(top))
    return np.int64(some != 0)
