"""Pooling of spikes and activations over square windows that do not overlap."""

from __future__ import annotations

import numpy as np

from spikewire._jit import kernel
from spikewire.qcore.kernels.spike_masks import or_into


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int64)")
def pool_or(full, pooled, size):
    """Take the OR of each ``size`` x ``size`` window; rows and columns left over are dropped.

    That is the spike of the window's largest membrane (the paper's max-pooling).

    Parameters
    ----------
    full
        int8[rows, columns, channels] in {0, 1}.
    pooled
        int8[rows // size, columns // size, channels], overwritten.
    """
    pooled[:, :, :] = 0
    rows, columns, channels = pooled.shape
    for y in range(rows):
        for x in range(columns):
            target = pooled[y, x]
            for dy in range(size):
                for dx in range(size):
                    or_into(target, full[y * size + dy, x * size + dx], channels)


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int64)")
def pool_max(full, pooled, size):
    """Take the maximum of each ``size`` x ``size`` window; rows and columns left over are dropped.

    On activations it is that of the window's largest membrane.
    """
    rows, columns, channels = pooled.shape
    for y in range(rows):
        for x in range(columns):
            target = pooled[y, x]
            for c in range(channels):
                target[c] = np.int8(-128)
            for dy in range(size):
                for dx in range(size):
                    source = full[y * size + dy, x * size + dx]
                    for c in range(channels):
                        target[c] = max(target[c], source[c])


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int8[:, :, ::1], int8[:, :, ::1], int64)")
def route(activation, pooled, delta_pooled, delta, size):
    """Send the error of each pooled unit back to the first neuron that holds the window's maximum.

    Parameters
    ----------
    activation, pooled
        int8 maps before and after :func:`pool_max`.
    delta_pooled
        int8 map after pooling: the errors to send back; cleared as they are taken.
    delta
        int8 map before pooling, overwritten.
    """
    delta[:, :, :] = 0
    rows, columns, channels = pooled.shape
    for y in range(rows):
        for x in range(columns):
            for dy in range(size):
                for dx in range(size):
                    source = activation[y * size + dy, x * size + dx]
                    target = delta[y * size + dy, x * size + dx]
                    for c in range(channels):
                        if delta_pooled[y, x, c] != 0 and source[c] == pooled[y, x, c]:
                            target[c] = delta_pooled[y, x, c]
                            delta_pooled[y, x, c] = np.int8(0)


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int64)")
def pool_sum(full, pooled, size):
    """Count the spikes of each ``size`` x ``size`` window; rows and columns left over are dropped.

    ``size`` is at most 11, so that a count fits into 8 bits (11 * 11 = 121).
    """
    rows, columns, channels = pooled.shape
    for y in range(rows):
        for x in range(columns):
            target = pooled[y, x]
            for c in range(channels):
                target[c] = np.int8(0)
            for dy in range(size):
                for dx in range(size):
                    source = full[y * size + dy, x * size + dx]
                    for c in range(channels):
                        target[c] = np.int8(target[c] + source[c])


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int64, int64)")
def pool_mean(full, pooled, size, rail):
    """Average the activations of each window, rounded down, but to an end only where all are there.

    A unit of a sum-pooled map is inside its surrogate's window as long as one neuron of it may be:
    its activation is 0 or ``rail`` only where that of all its neurons is.

    Parameters
    ----------
    full, pooled
        int8 maps in ``[0, rail]`` before and after pooling.
    size
        At most 11: then the sum times ``ceil(2**22 / size**2)``, shifted right by 22, is the exact
        quotient (the sum times the factor's error stays under 2**22), and fits 32 bits.
    rail
        The largest activation, at least 3.
    """
    rows, columns, channels = pooled.shape
    area = size * size
    factor = np.int32(((np.int64(1) << 22) + area - 1) // area)
    most = np.int32(area * rail)
    inner = np.int32(rail - 1)
    total = np.empty(channels, np.int32)
    for y in range(rows):
        for x in range(columns):
            target = pooled[y, x]
            for c in range(channels):
                total[c] = np.int32(0)
            for dy in range(size):
                for dx in range(size):
                    source = full[y * size + dy, x * size + dx]
                    for c in range(channels):
                        total[c] = np.int32(total[c] + np.int32(source[c]))
            for c in range(channels):
                mean = np.int32(np.int32(total[c] * factor) >> np.int32(22))
                low = min(total[c], np.int32(1))
                high = inner if total[c] < most else np.int32(inner + 1)
                target[c] = np.int8(min(max(mean, low), high))


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int8[:, :, ::1], int64, int64)")
def route_sum(activation, delta_pooled, delta, size, rail):
    """Send the error of each pooled unit to every neuron of its window that may use it.

    The derivative of a sum is one for each of its terms: a neuron gets the whole error if its own
    activation is inside the surrogate's window, ``0 < a < rail``, and none otherwise.

    Parameters
    ----------
    activation
        int8 map before pooling.
    delta_pooled
        int8 map after pooling: the errors to send back.
    delta
        int8 map before pooling, overwritten.
    """
    delta[:, :, :] = 0
    rows, columns, channels = delta_pooled.shape
    for y in range(rows):
        for x in range(columns):
            back = delta_pooled[y, x]
            for dy in range(size):
                for dx in range(size):
                    source = activation[y * size + dy, x * size + dx]
                    target = delta[y * size + dy, x * size + dx]
                    for c in range(channels):
                        inside = source[c] > 0 and source[c] < rail
                        target[c] = back[c] if inside else np.int8(0)
