"""Stored weights kept as what those in use leave of them.

A stored weight is one in use times ``2**used_shift``, and a rest. The rest has 8 bits, where the
stored weight would take 16. The bits of both are the same.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.fixed_point import clip, xorshift
from spikewire.qcore.kernels.gradient_vectors import apply_sixteen, is_sixteen
from spikewire.qcore.kernels.local_learning import apply_gradient, noise_bits
from spikewire.qcore.kernels.reshape import shape2


@inline
def step_sixteen(g, by_channel, lane, rests, weights, first, numbers):
    """Step the weights of sixteen channels in vectors."""
    mean, spare, shift, mask = by_channel
    columns = np.empty((5, g.shape[1]), np.int32)
    for k in range(g.shape[1]):
        columns[0, k] = mean[k]
        columns[1, k] = np.int32(lane[k])
        columns[2, k] = np.int32(spare[k])
        columns[3, k] = np.int32(shift[k])
        columns[4, k] = np.int32(mask[k])
    apply_sixteen(g, columns, rests, weights, first, numbers)
    for k in range(g.shape[1]):
        lane[k] = np.uint32(columns[1, k])


@kernel(
    "void(int32[:, ::1], int32[::1], int32[::1], int8[:, ::1], int8[:, ::1], uint32[::1],"
    " int64, int64, int64, int64, int64, int64)"
)
def apply_to_rests(
    g, mean, bits, rests, weights, lanes, first, step, step_bits, rail, used_shift, rounded
):
    """Do as ``apply_gradient`` where rests are kept in place of stored weights.

    Parameters
    ----------
    g, mean, bits, lanes, first, step, step_bits, rail, used_shift, rounded
        As there; ``used_shift`` is at most 7.
    rests
        int8[rows, outputs or more]: ``store - (weights << used_shift)``, changed in place.
    weights
        int8[rows, outputs or more], changed in place.
    """
    high, low = np.int32(rail), np.int32(rounded - 1 - rail)
    used, half = np.int32(used_shift), np.int32(rounded << used_shift >> 1)
    most = np.int32(rail >> used_shift)
    least = np.int32(rounded - 1 - (rail >> used_shift))
    outputs = g.shape[1]
    spare = np.empty(outputs, np.int64)
    shift = np.empty(outputs, np.int64)
    mask = np.empty(outputs, np.uint32)
    noise_bits(bits, step_bits, spare, shift, mask)
    lane = lanes[first : first + outputs]
    if is_sixteen(g):
        rails = (np.int64(low), np.int64(high), np.int64(least), np.int64(most))
        numbers = np.array((step, used_shift, np.int64(half), *rails))
        step_sixteen(g, (mean, spare, shift, mask), lane, rests, weights, first, numbers)
        return
    for i in range(g.shape[0]):
        rest = rests[i, first : first + outputs]
        weight = weights[i, first : first + outputs]
        for k in range(outputs):
            lane[k] = xorshift(lane[k])
            value = np.int64(np.int32(g[i, k] - mean[k])) * step >> spare[k]
            noise = np.int64(np.uint32(lane[k] & mask[k]))
            moved = np.int32(np.int64(value + noise) >> shift[k])
            stored = np.int32(np.int32(np.int32(weight[k]) << used) + np.int32(rest[k]))
            after = clip(np.int32(moved + stored), low, high)
            near = clip(np.int32(np.int32(after + half) >> used), least, most)
            weight[k] = np.int8(near)
            rest[k] = np.int8(np.int32(after - np.int32(near << used)))
            g[i, k] = np.int32(0)


@inline
def step_weights(L, i8, i16, g, mean, bits, lanes, first):
    """Step weights in use and stored ones by the gradient of the channels from ``first`` on."""
    channels = L[at.CHANNELS]
    rows = g.shape[0]
    size = rows * channels
    weights = shape2(i8[L[at.AT_WEIGHTS] : L[at.AT_WEIGHTS] + size], rows, channels)
    if L[at.AT_REST] > 0:
        rests = shape2(i8[L[at.AT_REST] : L[at.AT_REST] + size], rows, channels)
        apply_to_rests(
            g, mean, bits, rests, weights, lanes, first,
            L[at.STEP], L[at.STEP_BITS], L[at.STORE_RAIL], L[at.USED_SHIFT], L[at.ROUNDED],
        )  # fmt: skip
    else:
        store = shape2(i16[L[at.AT_STORE] : L[at.AT_STORE] + size], rows, channels)
        apply_gradient(
            g, mean, bits, store, weights, lanes, first,
            L[at.STEP], L[at.STEP_BITS], L[at.STORE_RAIL], L[at.USED_SHIFT], L[at.ROUNDED],
        )  # fmt: skip
