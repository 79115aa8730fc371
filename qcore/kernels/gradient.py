"""Gradients of convolutions: outer products of traces and errors, summed over places.

Where errors lie side by side, their products with a synapse's traces are sums of four products of
bytes: :mod:`~spikewire.qcore.kernels.dot_product` takes them. Traces are laid out for it as one
plane per input channel, with the convolution's border of zeros around each.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.dot_product import (
    PLACES,
    PLANE,
    ROWS,
    dot_products,
    place_of,
    plane_type,
)
from spikewire.qcore.kernels.reshape import shape2, shape3
from spikewire.qcore.kernels.vectors import LANES


@kernel(
    [
        f"int64(int16[:, :, ::1], {PLANE}[:, :, ::1], uint8[::1], int64, int64, int64)",
        f"int64(int8[:, :, ::1], {PLANE}[:, :, ::1], uint8[::1], int64, int64, int64)",
    ]
)
def lay_planes(traces, planes, live, pad_y, pad_x, shift):
    """Lay traces out as a plane per input channel: ``planes[c, pad_y + y, pad_x + x]``.

    Parameters
    ----------
    traces
        int16 or int8[rows, columns, channels], not negative.
    planes
        :data:`~.dot_product.PLANE`[channels, rows + 2 * pad_y or more, columns + 2 * pad_x or
        more]: receives the traces, shifted right; the borders are left alone.
    live
        uint8[channels]: bits of each channel's traces are added.
    pad_y, pad_x, shift
        Borders, and what traces are shifted by.

    Returns
    -------
    int
        All bits of the shifted traces; above 255 the planes cannot hold them.
    """
    rows, columns, channels = traces.shape
    down = np.int32(shift)
    bits = np.int32(0)
    for y in range(rows):
        for x in range(columns):
            for c in range(channels):
                p = np.int32(np.int32(traces[y, x, c]) >> down)
                bits |= p
                live[c] |= np.uint8(p)
                planes[c, pad_y + y, pad_x + x] = plane_type(p)
    return np.int64(bits)


@kernel("int64(int8[:, :, ::1], int64, int64, int64, int32[::1], int8[::1], int64)")
def list_errors(delta, first, wide, base, offsets, errors, count):
    """List groups of four places beside each other where any of sixteen channels has an error.

    Parameters
    ----------
    delta
        int8[rows, columns, channels].
    first
        First of the channels; those behind the last have no errors.
    wide, base
        Width of a plane of traces, and the offset of the first.
    offsets
        int32: receives each group's offset in the plane.
    errors
        int8: receives 64 errors of each group, at :func:`~.dot_product.place_of`.
    count
        Groups that are listed already.

    Returns
    -------
    int
        Groups that are listed now.
    """
    rows, columns, channels = delta.shape
    last = min(first + LANES, channels)
    for oy in range(rows):
        for ox in range(0, columns, PLACES):
            some = np.int8(0)
            end = min(ox + PLACES, columns)
            for x in range(ox, end):
                for k in range(first, last):
                    some |= delta[oy, x, k]
            if some == 0:
                continue
            group = errors[PLACES * LANES * count : PLACES * LANES * (count + 1)]
            if end - ox < PLACES or last - first < LANES:
                group[:] = 0
            for x in range(ox, end):
                for k in range(first, last):
                    group[place_of(x - ox, k - first)] = delta[oy, x, k]
            offsets[count] = np.int32(base + oy * wide + ox)
            count += 1
    return count


@inline
def _flush(planes, bases, synapses, filled, offsets, errors, count, sums, g, first):
    """Add the sums of some synapses, at most eight, to their gradients."""
    for j in range(filled, ROWS):
        bases[j] = bases[0]
    dot_products(planes, bases, offsets, errors, count, sums)
    channels = min(np.int64(LANES), g.shape[1] - first)
    for j in range(filled):
        target = g[synapses[j], first : first + channels]
        for k in range(channels):
            target[k] = np.int32(target[k] + sums[LANES * j + k])


@kernel(
    f"void({PLANE}[::1], uint8[::1], int64, int64, int64, int64, int32[::1], int8[::1], int64,"
    " int32[:, ::1], int64)"
)
def add_products(
    planes, live, high, wide, kernel_y, kernel_x, offsets, errors, count, g, first
):  # fmt: skip
    """Add the products of traces and listed errors to the gradients of sixteen channels.

    Parameters
    ----------
    planes, live
        From :func:`lay_planes`; channels without a trace cost nothing.
    high, wide
        Rows and columns of a plane.
    kernel_y, kernel_x
        Extent of the convolution.
    offsets, errors, count
        From :func:`list_errors`.
    g
        int32[c_in * kernel_y * kernel_x, channels], the columns from the last to the first as the
        weights'; changed in place.
    first
        Its first column.
    """
    bases, synapses = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64)
    sums = np.empty(ROWS * LANES, np.int32)
    filled = 0
    for c in range(live.shape[0]):
        if live[c] == 0:
            continue
        for ky in range(kernel_y):
            for kx in range(kernel_x):
                bases[filled] = (c * high + ky) * wide + kernel_x - 1 - kx
                synapses[filled] = (c * kernel_y + ky) * kernel_x + kx
                filled += 1
                if filled == ROWS:
                    _flush(planes, bases, synapses, filled, offsets, errors, count, sums, g, first)
                    filled = 0
    if filled > 0:
        _flush(planes, bases, synapses, filled, offsets, errors, count, sums, g, first)


@kernel("void(int8[:, :, ::1], int16[:, :, ::1], int32[:, :, :, ::1], int64, int64, int64, int64)")
def gradient_by_places(delta, P, g, stride, pad_y, pad_x, trace_shift):
    """Do as :func:`conv_gradient` place by place, for any stride and traces of any size.

    Places without an error and inputs without a trace cost nothing.

    Parameters
    ----------
    delta, P, g, stride, pad_y, pad_x, trace_shift
        As there.
    """
    rows, columns, channels = delta.shape
    rows_in, columns_in, inputs = P.shape
    kernel_y = g.shape[1]
    kernel_x = g.shape[2]
    down = np.int32(max(trace_shift, 0))
    up = np.int32(max(-trace_shift, 0))
    for oy in range(rows):
        for ox in range(columns):
            error = delta[oy, ox]
            some = np.int8(0)
            for k in range(channels):
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
                    traces = P[y, x]
                    for c in range(inputs):
                        p = np.int32(np.int32(np.int32(traces[c]) >> down) << up)
                        if p == 0:
                            continue
                        target = g[c, ky, kernel_x - 1 - kx]
                        for k in range(channels):
                            target[k] = np.int32(target[k] + np.int32(p * np.int32(error[k])))


@kernel("void(int8[:, :, ::1], int16[:, :, ::1], int32[:, :, :, ::1], int64, int64, int64, int64)")
def conv_gradient(delta, P, g, stride, pad_y, pad_x, trace_shift):
    """Add one tick's gradient: the outer product of traces and errors, summed over places.

    ``g[c, ky, kx, :] += (P[y, x, c] >> trace_shift) * delta[oy, ox, :]``; a negative shift goes
    left, which keeps the scale where P has fewer bits than the gradient would take of it.

    Parameters
    ----------
    delta
        int8[rows, columns, c_out].
    P
        int16[rows_in, columns_in, c_in]: presynaptic traces.
    g
        int32[c_in, kernel rows, kernel columns, c_out], the columns from the last to the first as
        the weights'; changed in place.
    stride, pad_y, pad_x
        The convolution's.
    trace_shift
        How far traces are shifted right.
    """
    rows, columns, channels = delta.shape
    rows_in, columns_in, inputs = P.shape
    if stride == 1 and trace_shift >= 0 and columns >= PLACES:
        high, wide = rows_in + 2 * pad_y, columns_in + 2 * pad_x + PLACES - 1
        planes = np.zeros(inputs * high * wide, plane_type)
        live = np.zeros(inputs, np.uint8)
        shaped = shape3(planes, inputs, high, wide)
        if lay_planes(P, shaped, live, pad_y, pad_x, trace_shift) <= 255:
            groups = rows * ((columns + PLACES - 1) // PLACES)
            offsets = np.empty(groups, np.int32)
            errors = np.empty(PLACES * LANES * groups, np.int8)
            kernel_y, kernel_x = g.shape[1], g.shape[2]
            flat = shape2(g, inputs * kernel_y * kernel_x, channels)
            for first in range(0, channels, LANES):
                count = list_errors(delta, first, wide, 0, offsets, errors, 0)
                if count > 0:
                    add_products(
                        planes, live, high, wide, kernel_y, kernel_x,
                        offsets, errors, count, flat, first,
                    )  # fmt: skip
            return
    gradient_by_places(delta, P, g, stride, pad_y, pad_x, trace_shift)
