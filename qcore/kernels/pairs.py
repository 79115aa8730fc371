"""Gradients kept as pairs of errors and traces, and summed when weights are stepped.

A sum per synapse takes four bytes of each. A layer that steps its weights after a few gradients
keeps what these consist of instead, an error per neuron and a trace per input, and sums them for
some output channels at a time. Sums of integers are the same in every order: so are all weights.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.dot_product import PLACES, plane_type
from spikewire.qcore.kernels.fixed_point import xorshift
from spikewire.qcore.kernels.gradient import add_products, lay_planes, list_errors
from spikewire.qcore.kernels.quantiser import measure_gradient
from spikewire.qcore.kernels.reshape import shape2, shape3, shape4
from spikewire.qcore.kernels.rests import step_weights
from spikewire.qcore.kernels.vectors import LANES

BLOCK = LANES
"""Output channels summed at a time: their sums stay in a core's own caches."""


@kernel("void(int16[::1], int8[::1], int64)")
def keep_traces(P, kept, trace_shift):
    """Keep the traces of a gradient: ``kept = P >> trace_shift``, which has at most 7 bits."""
    down = np.int32(trace_shift)
    for i in range(P.shape[0]):
        kept[i] = np.int8(np.int32(np.int32(P[i]) >> down))


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int32[:, :, :, ::1], int64, int64, int64, int64)")
def add_pair(delta, traces, g, first, stride, pad_y, pad_x):
    """Add the outer product of errors and traces, summed over places, for some output channels.

    ``g[c, ky, kx, k] += traces[y, x, c] * delta[oy, ox, first + k]``

    Parameters
    ----------
    delta
        int8[rows, columns, c_out].
    traces
        int8[rows_in, columns_in, c_in], not negative.
    g
        int32[c_in, kernel rows, kernel columns, some of c_out], the columns from the last to the
        first as the weights'; changed in place.
    first
        First output channel.
    stride, pad_y, pad_x
        The convolution's.
    """
    rows, columns = delta.shape[:2]
    rows_in, columns_in, inputs = traces.shape
    kernel_y, kernel_x, count = g.shape[1:]
    for oy in range(rows):
        for ox in range(columns):
            error = delta[oy, ox, first : first + count]
            some = np.int8(0)
            for k in range(count):
                some |= error[k]
            if some == 0:
                continue
            for ky in range(kernel_y):
                y = oy * stride + ky - pad_y
                if y < 0 or y >= rows_in:
                    continue
                for kx in range(kernel_x):
                    x = ox * stride + kx - pad_x
                    if x < 0 or x >= columns_in:
                        continue
                    place = traces[y, x]
                    for c in range(inputs):
                        p = np.int32(place[c])
                        if p == 0:
                            continue
                        target = g[c, ky, kernel_x - 1 - kx]
                        for k in range(count):
                            target[k] = np.int32(target[k] + np.int32(p * np.int32(error[k])))


@inline
def sum_pairs(L, i8, g, first):
    """Sum a layer's pairs into ``g``, int32[c_in, kernel rows, kernel columns, some of c_out]."""
    neurons = L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS]
    inputs = L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS]
    for n in range(L[at.PAIRS]):
        delta_at = L[at.AT_DELTA] + n * neurons
        traces_at = L[at.AT_PAIR_TRACES] + n * inputs
        add_pair(
            shape3(i8[delta_at : delta_at + neurons], L[at.ROWS], L[at.COLUMNS], L[at.CHANNELS]),
            shape3(
                i8[traces_at : traces_at + inputs],
                L[at.IN_ROWS], L[at.IN_COLUMNS], L[at.IN_CHANNELS],
            ),
            g, first, L[at.STRIDE], L[at.PAD_Y], L[at.PAD_X],
        )  # fmt: skip


@inline
def lay_pairs(L, i8, planes, live, high, wide):
    """Lay the traces of a layer's pairs out as planes, one pair's behind another's."""
    inputs = L[at.IN_CHANNELS]
    size = L[at.IN_ROWS] * L[at.IN_COLUMNS] * inputs
    for n in range(L[at.PAIRS]):
        traces_at = L[at.AT_PAIR_TRACES] + n * size
        traces = shape3(
            i8[traces_at : traces_at + size], L[at.IN_ROWS], L[at.IN_COLUMNS], inputs
        )  # fmt: skip
        laid = shape3(planes[n * inputs * high * wide :], inputs, high, wide)
        lay_planes(traces, laid, live, L[at.PAD_Y], L[at.PAD_X], 0)


@inline
def list_pairs(L, i8, first, high, wide, offsets, errors):
    """List the errors of a layer's pairs in sixteen output channels; return how many groups."""
    neurons = L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS]
    count = np.int64(0)
    for n in range(L[at.PAIRS]):
        delta_at = L[at.AT_DELTA] + n * neurons
        delta = shape3(i8[delta_at : delta_at + neurons], L[at.ROWS], L[at.COLUMNS], L[at.CHANNELS])
        base = n * L[at.IN_CHANNELS] * high * wide
        count = list_errors(delta, first, wide, base, offsets, errors, count)
    return count


@inline
def step_block(L, i8, i16, g, lanes, first):
    """Step the weights of some output channels by ``g``; return 0 if they have no gradient."""
    count = g.shape[1]
    mean = np.empty(count, np.int32)
    bits = np.empty(count, np.int32)
    centre = np.int64(L[at.GRADIENT_KIND] == 0)
    some = measure_gradient(g, mean, bits, centre, np.int64(0))
    if some != 0:
        step_weights(L, i8, i16, g, mean, bits, lanes, first)
    return some


@kernel("int64(int64[::1], int8[::1], int16[::1], int32[::1], uint32[::1])")
def step_by_pairs(L, i8, i16, work, lanes):
    """Step a layer's weights by the sum of its pairs, and forget these.

    Parameters
    ----------
    L
        int64[columns]: the layer's row of the table.
    i8, i16
        The flat arrays.
    work
        int32[fan-in * ``BLOCK`` at least], zeroed; it is again on return.
    lanes
        uint32[channels at least]: one generator per output channel.

    Returns
    -------
    int
        0 if there is no gradient at all: then nothing has changed.
    """
    if L[at.PAIRS] == 0:
        return np.int64(0)
    channels = L[at.CHANNELS]
    inputs, kernel_y, kernel_x = L[at.IN_CHANNELS], L[at.KERNEL_Y], L[at.KERNEL_X]
    fan_in = inputs * kernel_y * kernel_x
    high, wide = L[at.IN_ROWS] + 2 * L[at.PAD_Y], L[at.IN_COLUMNS] + 2 * L[at.PAD_X] + PLACES - 1
    side_by_side = L[at.STRIDE] == 1 and L[at.COLUMNS] >= PLACES
    groups = L[at.PAIRS] * L[at.ROWS] * ((L[at.COLUMNS] + PLACES - 1) // PLACES)
    planes = np.zeros(L[at.PAIRS] * inputs * high * wide if side_by_side else 0, plane_type)
    live = np.zeros(inputs, np.uint8)
    offsets = np.empty(groups, np.int32)
    errors = np.empty(PLACES * LANES * groups, np.int8)
    if side_by_side:
        lay_pairs(L, i8, planes, live, high, wide)
    empty = np.zeros((channels + BLOCK - 1) // BLOCK, np.int8)
    some = np.int64(0)
    for block in range(empty.shape[0]):
        first = block * BLOCK
        count = min(BLOCK, channels - first)
        g = shape2(work[: fan_in * count], fan_in, count)
        if side_by_side:
            listed = list_pairs(L, i8, first, high, wide, offsets, errors)
            add_products(
                planes, live, high, wide, kernel_y, kernel_x, offsets, errors, listed, g, 0
            )
        else:
            sum_pairs(L, i8, shape4(g, inputs, kernel_y, kernel_x, count), first)
        stepped = step_block(L, i8, i16, g, lanes, first)
        empty[block] = np.int8(stepped == 0)
        some |= stepped
    L[at.PAIRS] = 0
    if some == 0:
        return np.int64(0)
    for block in range(empty.shape[0]):
        if empty[block] != 0:
            # Channels without a gradient draw their numbers, too: a step of zero moves nothing.
            for k in range(block * BLOCK, min(block * BLOCK + BLOCK, channels)):
                for _ in range(fan_in):
                    lanes[k] = xorshift(lanes[k])
    return np.int64(1)


@kernel("void(int64[::1], int8[::1], int32[::1])")
def sum_layer(L, i8, g):
    """Add the sum of a layer's pairs to ``g``, int32[synapses]; the pairs stay."""
    fan_in = L[at.IN_CHANNELS] * L[at.KERNEL_Y] * L[at.KERNEL_X]
    whole = shape4(
        g[: fan_in * L[at.CHANNELS]],
        L[at.IN_CHANNELS], L[at.KERNEL_Y], L[at.KERNEL_X], L[at.CHANNELS],
    )  # fmt: skip
    sum_pairs(L, i8, whole, np.int64(0))
