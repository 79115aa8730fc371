"""Event-driven synapses: each spike adds its weights to the neurons it reaches."""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.reshape import shape1, shape2, shape3
from spikewire.qcore.kernels.scatter_vectors import add_four_runs, add_runs, add_two_runs
from spikewire.qcore.kernels.spike_masks import BITS, lowest, mask_of, without_lowest

SPIKES_PER_FLUSH = 255
"""A spike adds at most one weight to a neuron: 255 stay inside int16 (255 * 128 < 2**15)."""


@inline
def spikes_of_one_place(spikes, n, last):
    """Count the spikes from ``n`` on that lie in one place, for one pass: 1, 2 or 4.

    They come in a row and reach the same neurons: two or four of them are added up on the way,
    which saves loads and stores (1.2 times the speed at 1 % activity, 1.5 times at 6 %).
    """
    together = np.int64(1)
    while (
        together < 4
        and n + together < last
        and spikes[n + together, 1] == spikes[n, 1]
        and spikes[n + together, 2] == spikes[n, 2]
    ):
        together += 1
    if together == 3:
        together = np.int64(2)
    return together


@kernel(
    "int64(int16[:, ::1], int64, int64, int8[:, :, :, ::1], int16[:, :, ::1], int64, int64, int64)"
)
def scatter_conv(spikes, first, last, weights, drive, stride, pad_y, pad_x):
    """Add the weights of ``spikes[first:last]`` to the drive of the neurons they reach.

    ``drive[oy, ox, :] += W[c, y + pad_y - oy * stride, x + pad_x - ox * stride, :]``

    Parameters
    ----------
    spikes
        int16[n, 3]: channel, row, column of each input spike; a neuron may see at most 255 of
        them, so that the 16-bit drive cannot overflow (:func:`last_before_flush`).
    weights
        int8[c_in, rows, columns, c_out], the columns from the last to the first: then what a spike
        adds to a row of neurons lies in memory as the neurons do, and a whole row is one run
        (1.5 times the speed of a run per neuron with 7x7 kernels and 128 channels).
    drive
        int16[rows, columns, c_out], changed in place.

    Returns
    -------
    int
        Synaptic operations: how many weights were added.
    """
    kernel_y, kernel_x, channels = weights.shape[1:]
    rows, columns = drive.shape[:2]
    taps = shape3(weights, weights.shape[0], kernel_y, kernel_x * channels)
    lines = shape2(drive, rows, columns * channels)
    reached = np.int64(0)
    n = np.int64(first)
    while n < last:
        together = spikes_of_one_place(spikes, n, last)
        y = spikes[n, 1] + pad_y
        x = spikes[n, 2] + pad_x
        low_y = max(0, (y - kernel_y + stride) // stride)
        high_y = min(rows - 1, y // stride)
        low_x = max(0, (x - kernel_x + stride) // stride)
        high_x = min(columns - 1, x // stride)
        if high_y < low_y or high_x < low_x:
            n += together
            continue
        reached += together * (high_y - low_y + 1) * (high_x - low_x + 1)
        # Neighbouring neurons see neighbouring taps only where the kernel moves by one.
        width = high_x - low_x + 1
        places, run = (np.int64(1), width * channels) if stride == 1 else (width, channels)
        step = stride * channels
        c, c2 = np.int64(spikes[n, 0]), np.int64(spikes[n + min(together - 1, 1), 0])
        at = (kernel_x - 1 - x + low_x * stride) * channels
        for oy in range(low_y, high_y + 1):
            ky = y - oy * stride
            target = lines[oy, low_x * channels :]
            w = taps[c, ky, at:]
            if together == 1:
                add_runs(target, w, run, places, step)
                continue
            w2 = taps[c2, ky, at:]
            if together == 2:
                add_two_runs(target, w, w2, run, places, step)
                continue
            w3 = taps[np.int64(spikes[n + 2, 0]), ky, at:]
            w4 = taps[np.int64(spikes[n + 3, 0]), ky, at:]
            add_four_runs(target, w, w2, w3, w4, run, places, step)
        n += together
    return reached * channels


@inline
def last_before_flush(spikes, first, count, kernel_y):
    """Find up to where spikes may be scattered before the drive has to be moved away.

    A neuron sees ``kernel_y`` rows of the input: where spikes are listed by row, these may hold 255
    of them. Of others 255 are taken.
    """
    low = first
    for n in range(first, count):
        if n > first and spikes[n, 1] < spikes[n - 1, 1]:
            return max(n, min(first + SPIKES_PER_FLUSH, count))
        while spikes[low, 1] + kernel_y <= spikes[n, 1]:
            low += 1
        if n - low >= SPIKES_PER_FLUSH:
            return n
    return count


@kernel("void(int16[:, ::1], int64, int64, int8[:, ::1], int16[::1], int64, int64)")
def scatter_dense(spikes, first, last, weights, drive, in_rows, in_columns):
    """Add the weights of ``spikes[first:last]`` to a dense layer's drive.

    The input map is flattened in the order channel, row, column from the last: a dense layer is a
    convolution whose kernel covers the whole map, and has its weights in the same order.

    Parameters
    ----------
    spikes
        int16[n, 3]: channel, row, column; at most 255 of them.
    weights
        int8[inputs, outputs], each row of the map from its last column to its first.
    drive
        int16[outputs], changed in place.
    in_rows, in_columns
        Size of the input map, to flatten a spike's place.
    """
    outputs = drive.shape[0]
    for n in range(first, last):
        row = (spikes[n, 0] * in_rows + spikes[n, 1] + 1) * in_columns - 1 - spikes[n, 2]
        add_runs(drive, weights[row], outputs, 1, 0)


@kernel("void(int16[::1], int32[::1])")
def flush_drive(drive, spill):
    """Move a 16-bit drive into the 32-bit ``spill`` and clear it, before it could overflow."""
    for i in range(drive.shape[0]):
        spill[i] = np.int32(spill[i] + np.int32(drive[i]))
        drive[i] = np.int16(0)


@kernel("int64(int16[::1], int32[::1], int64)")
def fold_drive(drive, spill, most):
    """Move sums from ``spill`` back to the drive if no whole sum is beyond ``most``.

    Returns
    -------
    int
        1 if one is: then all stays as it is.
    """
    beyond = np.int32(0)
    high = np.int32(most)
    for i in range(drive.shape[0]):
        total = np.int32(spill[i] + np.int32(drive[i]))
        beyond |= np.int32(1) if total > high or total < -high else np.int32(0)
    if beyond != 0:
        return np.int64(1)
    for i in range(drive.shape[0]):
        drive[i] = np.int16(spill[i] + np.int32(drive[i]))
        spill[i] = np.int32(0)
    return np.int64(0)


@kernel("int64(int8[:, :, ::1], int16[:, ::1])")
def gather_counts(counts, spikes):
    """List the spikes of a sum-pooled map: a count of n stands n times.

    Later stages need not know counts: each entry adds its weights once, so the
    drive is ``count * weight`` exactly, and its 255 spikes per flush bound it as ever.

    Parameters
    ----------
    counts
        int8[rows, columns, channels], not negative.
    spikes
        int16[at least counts.sum(), 3], filled with channel, row, column in memory order. The sum
        is at most the number of neurons before pooling.

    Returns
    -------
    int
        How many there are.
    """
    n = 0
    rows, columns, channels = counts.shape
    for y in range(rows):
        for x in range(columns):
            place = counts[y, x]
            for first in range(0, channels, BITS):
                mask = mask_of(place, first, channels - first)
                while mask != 0:
                    c = first + lowest(mask)
                    for _ in range(place[c]):
                        spikes[n, 0] = c
                        spikes[n, 1] = y
                        spikes[n, 2] = x
                        n += 1
                    mask = without_lowest(mask)
    return n


@inline
def _gather_places(fired, spikes):
    """List the spikes of a map place by place."""
    n = 0
    rows, columns, channels = fired.shape
    for y in range(rows):
        for x in range(columns):
            place = fired[y, x]
            for first in range(0, channels, BITS):
                mask = mask_of(place, first, channels - first)
                while mask != 0:
                    spikes[n, 0] = first + lowest(mask)
                    spikes[n, 1] = y
                    spikes[n, 2] = x
                    n += 1
                    mask = without_lowest(mask)
    return n


@inline
def _gather_runs(fired, spikes):
    """List the spikes of a map whose places are shorter than a mask.

    Quotients are products with reciprocals of 32 bits, which are exact here: a number times the
    reciprocal's error, less than the divisor, is below 2**32.
    """
    n = 0
    columns, channels = fired.shape[1:]
    by_channels = ((np.int64(1) << 32) + channels - 1) // channels
    by_columns = ((np.int64(1) << 32) + columns - 1) // columns
    flat = shape1(fired, fired.size)
    for first in range(0, flat.shape[0], BITS):
        mask = mask_of(flat, first, flat.shape[0] - first)
        while mask != 0:
            at = first + lowest(mask)
            place = (at * by_channels) >> 32
            y = (place * by_columns) >> 32
            spikes[n, 0] = at - place * channels
            spikes[n, 1] = y
            spikes[n, 2] = place - y * columns
            n += 1
            mask = without_lowest(mask)
    return n


@kernel("int64(int8[:, :, ::1], int16[:, ::1])")
def gather(fired, spikes):
    """List the spikes of a map.

    Parameters
    ----------
    fired
        int8[rows, columns, channels] in {0, 1}.
    spikes
        int16[at least fired.size, 3], filled with channel, row, column in memory order.

    Returns
    -------
    int
        How many there are.
    """
    columns, channels = fired.shape[1:]
    if channels < BITS and fired.size * max(channels, columns) < np.int64(1) << 31:
        return _gather_runs(fired, spikes)
    return _gather_places(fired, spikes)
