"""Local learning: a readout of each layer, its error, and the gradient of one tick.

For layer activations ``a`` (saturating, 6 bits), readout ``G`` and classes ``c`` (DECOLLE, Kaiser
et al. 2020, in the integers of Schaefer & Joshi 2020)::

    y_c     = sum_i G_ci a_i
    e_c     = clip((target_c - y_c) >> error_shift), 0 inside the dead zone
    delta_i = clip((sum_c G_ci e_c) >> delta_shift) where a_i is inside its linear window, else 0
    g      += delta (x) P

``G`` is fixed and random. In its place, layers can take the weights ``W`` of the trained readout on
their own units, and its errors ``target_c - y_c``: the direct part of its gradient. The errors of
the next layer's neurons, carried back by its weights, can be added: the gradient within a tick.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.fixed_point import clip, xorshift
from spikewire.qcore.kernels.readout import score_error


@kernel("void(int8[:, ::1], int8[::1], int32[::1])")
def local_readout(G, activation, y):
    """Read a layer out: ``y[c] = sum_i G[c, i] * activation[i]``.

    Parameters
    ----------
    G
        int8[classes, units], fixed and random.
    activation
        int8[units].
    y
        int32[classes], overwritten. ``|y| <= units * 2**7 * 2**5`` fits for up to 2**19 units.
    """
    for k in range(y.shape[0]):
        row = G[k]
        total = np.int32(0)
        for i in range(activation.shape[0]):
            total = np.int32(total + np.int32(np.int32(row[i]) * np.int32(activation[i])))
        y[k] = total


@kernel("void(int32[::1], int32[::1], int32[::1], int64)")
def add_readout(scores, y, mean, gain):
    """Add a local readout to the scores: ``scores += gain * (y - mean / 16)``, saturating at 2**30.

    A class whose mean is 0 has no mean yet, and is left out.

    Parameters
    ----------
    scores
        int32[classes], changed in place.
    y, mean
        int32[classes]: the readout, and 16 times its slow mean as :func:`local_error` keeps it.
    gain
        Factor, 0 to 256.
    """
    for k in range(scores.shape[0]):
        if mean[k] == 0:
            continue
        own = np.int64(y[k]) - np.int64(mean[k] >> 4)
        total = np.int64(scores[k]) + own * gain
        scores[k] = np.int32(min(max(total, np.int64(-(1 << 30))), np.int64(1 << 30)))


@inline
def take_gap(y, mean, k, label, target):
    """Return how far class ``k``'s readout is below its target, and advance its slow mean."""
    if mean[k] == 0:
        mean[k] = np.int32(np.int64(y[k]) * 16)
    aim = np.int64(target) if k == label else -(np.int64(target) >> 3)
    gap = aim - (np.int64(y[k]) - np.int64(mean[k] >> 4))
    mean[k] = np.int32(mean[k] + np.int32((np.int64(y[k]) * 16 - np.int64(mean[k])) >> 7))
    return gap


@kernel("int64(int32[::1], int32[::1], int64, int64, int64, int64, int64, int32[::1])")
def local_error(y, mean, label, target, error_shift, rail, dead_zone, error):
    """Compare a readout with its target: ``+target`` for the label, ``-target / 8`` for the others.

    Parameters
    ----------
    y
        int32[classes].
    mean
        int32[classes], advanced: 16 times the readout's slow mean, which is taken off first. A
        random readout of non-negative activations has a large constant part. 0
        stands for none yet: then the mean begins at this readout.
    label
        The true class.
    target
        What the true class's readout should be above its mean.
    error_shift, rail, dead_zone
        Errors are shifted right, clipped to ``[-rail, rail]`` and zeroed up to ``dead_zone``.
    error
        int32[classes], overwritten.

    Returns
    -------
    int
        1 if any error is left to learn from.
    """
    left = 0
    for k in range(y.shape[0]):
        gap = take_gap(y, mean, k, label, target)
        value = min(max(gap >> error_shift, -rail), rail)
        if value <= dead_zone and value >= -dead_zone:
            value = 0
        if value != 0:
            left = 1
        error[k] = np.int32(value)
    return left


@inline
def bring_back(G, first, cut, error, sums, units):
    """Add the errors of all classes at each unit, by the upper bits of the weights.

    ``sums[i] += sum_c (G[c, first + i] >> cut) * error[c]``
    """
    for k in range(error.shape[0]):
        e = error[k]
        if e == 0:
            continue
        row = G[k, first : first + units]
        for i in range(units):
            weight = np.int32(np.int32(row[i]) >> np.int32(cut))
            sums[i] = np.int32(sums[i] + np.int32(e * weight))


@kernel("int64(int32[::1], int64, int64, int64, int64, int64)")
def trained_error(y, label, target, dead_zone, shift, rail):
    """Turn the trained readout's scores into its errors, as :func:`~.readout.delta_rule` has them.

    Parameters
    ----------
    y
        int32[classes]: scores; overwritten with the errors, which are shifted right, rounded to the
        nearest, and clipped to ``[-rail, rail]``.
    label, target
        The true class, and the score it should have.
    dead_zone
        Errors up to this size, and false classes that stay below it, are zero.
    shift, rail
        Unit and largest value of an error.

    Returns
    -------
    int
        1 if any error is left to learn from.
    """
    left = np.int64(0)
    half = (np.int64(1) << shift) >> 1
    for k in range(y.shape[0]):
        # 0 stays 0: less than a half of the unit is added.
        e = score_error(y, k, label, target, dead_zone)
        value = min(max((e + half) >> shift, -rail), rail)
        left |= np.int64(value != 0)
        y[k] = np.int32(value)
    return left


@inline
def cut_to_window(sums, activation, delta, delta_shift, rail, delta_rail):
    """Shift and clip the sums of units inside the surrogate's window; return how many are left."""
    shift = np.int32(delta_shift)
    high = np.int32(rail)
    most = np.int32(delta_rail)
    n = np.int64(0)
    for i in range(activation.shape[0]):
        a = np.int32(activation[i])
        inside = np.int32(1) if (a > 0 and a < high) else np.int32(0)
        back = clip(np.int32(sums[i] >> shift), np.int32(-most), most)
        value = np.int32(back * inside)
        delta[i] = np.int8(value)
        n += np.int64(value != 0)
    return n


@kernel(
    "int64(int16[:, ::1], int64, int32[::1], int8[::1], int8[::1], int32[::1],"
    " int64, int64, int64, int64)"
)
def trained_delta(
    store, first, error, activation, delta, sums, carry_shift, delta_shift, rail, delta_rail
):
    """Do as :func:`local_delta` with the weights in use of the trained readout.

    ``sums[i] = sum_c (store[c, first + i] >> 8) * error[c] + (sums[i] >> carry_shift)``

    Parameters
    ----------
    store
        int16[classes, features]: stored weights of the trained readout.
    first
        The feature that is the layer's first unit.
    error
        int32[classes], from :func:`trained_error`; int32[0] for a layer that is not read.
    activation, delta, delta_shift, rail, delta_rail
        As there.
    sums
        int32[at least units], from :func:`carry_back` where there is a ``carry_shift``;
        overwritten. Up to 1024 classes with errors of 8 bits add less than 2**24, which fits.
    carry_shift
        Right shift of the carried sums, 0 to 30; -1 where none are carried.

    Returns
    -------
    int
        How many units have an error.
    """
    units = activation.shape[0]
    if carry_shift < 0:
        sums[:units] = 0
    else:
        shift = np.int32(carry_shift)
        for i in range(units):
            sums[i] = np.int32(sums[i] >> shift)
    bring_back(store, first, 8, error, sums, units)
    return cut_to_window(sums, activation, delta, delta_shift, rail, delta_rail)


@kernel("void(int8[:, :, ::1], int8[:, :, :, ::1], int32[:, :, ::1], int64, int64, int64)")
def carry_back(delta, weights, sums, stride, pad_y, pad_x):
    """Carry the errors of a layer's neurons back to the map that it takes as input.

    ``sums[y, x, c] = sum_k weights[c, ky, kx, k] * delta[oy, ox, k]`` over all neurons that the
    place reaches: the transposed convolution.

    Parameters
    ----------
    delta
        int8[rows, columns, c_out]. Places without an error cost nothing.
    weights
        int8[c_in, kernel rows, kernel columns, c_out], the columns from the last to the first.
    sums
        int32[rows_in, columns_in, c_in], overwritten. An input with n synapses has
        ``|sums| <= n * 2**7 * 127``, which fits for up to 2**17 of them, and leaves room for what
        :func:`trained_delta` adds.
    stride, pad_y, pad_x
        The convolution's.
    """
    rows, columns, channels = delta.shape
    rows_in, columns_in, inputs = sums.shape
    kernel_y, kernel_x = weights.shape[1:3]
    sums[:, :, :] = 0
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
                    target = sums[y, x]
                    for c in range(inputs):
                        row = weights[c, ky, kernel_x - 1 - kx]
                        total = np.int32(0)
                        for k in range(channels):
                            total = np.int32(
                                total + np.int32(np.int32(row[k]) * np.int32(error[k]))
                            )
                        target[c] = np.int32(target[c] + total)


@kernel("int64(int8[:, ::1], int32[::1], int8[::1], int8[::1], int32[::1], int64, int64, int64)")
def local_delta(G, error, activation, delta, scratch, delta_shift, rail, delta_rail):
    """Bring the error back through the feedback, inside the surrogate's window.

    Parameters
    ----------
    G
        int8[classes, units]: the feedback, which is the readout itself or one like it.
    error
        int32[classes].
    activation
        int8[units] in ``[0, rail]``; units at either end get no error.
    delta
        int8[units], overwritten.
    scratch
        int32[at least units].
    delta_shift
        Right shift that brings the sum into the deltas' bits.
    rail, delta_rail
        The largest activation; deltas are clipped to ``[-delta_rail, delta_rail]``.

    Returns
    -------
    int
        How many units have an error.
    """
    scratch[: activation.shape[0]] = 0
    bring_back(G, 0, 0, error, scratch, activation.shape[0])
    return cut_to_window(scratch, activation, delta, delta_shift, rail, delta_rail)


@kernel("void(int8[:, :, ::1], int32[::1])")
def bias_gradient(delta, g):
    """Add one tick's gradient of the channels' biases: the errors summed over places."""
    rows, columns, channels = delta.shape
    for oy in range(rows):
        for ox in range(columns):
            for k in range(channels):
                g[k] = np.int32(g[k] + np.int32(delta[oy, ox, k]))


@inline
def noise_bits(bits, step_bits, spare, shift, mask):
    """Split the division by ``2**(bits + 4 + step_bits)`` into a part before the noise and after.

    The noise has 32 bits: bits below it cannot decide a rounding.
    """
    for k in range(bits.shape[0]):
        spare[k] = max(np.int64(0), np.int64(bits[k]) + 4 + step_bits - 31)
        shift[k] = np.int64(bits[k]) + 4 + step_bits - spare[k]
        mask[k] = np.uint32((np.int64(1) << shift[k]) - 1)


@kernel(
    "void(int32[:, ::1], int32[::1], int32[::1], int16[:, ::1], int8[:, ::1], uint32[::1],"
    " int64, int64, int64, int64, int64, int64)"
)
def apply_gradient(
    g, mean, bits, store, weights, lanes, first, step, step_bits, rail, used_shift, rounded
):
    """Step the stored weights by the centred, normalised gradient, and clear it.

    Per output channel ``k``, with ``s = bits[k] + 4 + step_bits``::

        store += ((g - mean[k]) * step + uniform(0, 2**s - 1)) >> s

    The channel's largest gradient moves its weight by ``step / 2**(4 + step_bits)`` LSBs of the
    store, or half of that (its power of two is known, not its value); the rounding is stochastic,
    to whole LSBs, and unbiased for both signs. The weights used are the store divided by
    ``2**used_shift``: rounded to the nearest and clipped symmetrically if ``rounded`` is 1, rounded
    down if it is 0.

    The mean is taken off because it only makes a channel fire more or less, which the regulation
    of its threshold undoes: left in, the two drive each other on for ever, until every weight of
    the channel has the same sign.

    Parameters
    ----------
    g
        int32[rows, outputs]: gradient, with the sign of the wanted change; cleared.
    first
        Column of store, weights and lanes that ``g`` begins with.
    mean, bits
        int32[outputs], from :func:`~.quantiser.measure_gradient`.
    store
        int16[rows, outputs or more], clipped to ``[-rail, rail]``, or to ``[-rail - 1, rail]`` if
        ``rounded`` is 0.
    weights
        int8[rows, outputs or more], refreshed.
    lanes
        uint32[at least outputs]: one xorshift lane per output channel, advanced once per row.
    step
        At most 2**20.
    step_bits
        0 to 12.
    """
    high, low = np.int32(rail), np.int32(rounded - 1 - rail)
    used, half = np.int32(used_shift), np.int32(1 << used_shift >> 1)
    most = np.int32(rail >> used_shift)
    outputs = g.shape[1]
    spare = np.empty(outputs, np.int64)
    shift = np.empty(outputs, np.int64)
    mask = np.empty(outputs, np.uint32)
    noise_bits(bits, step_bits, spare, shift, mask)
    lane = lanes[first : first + outputs]
    for i in range(g.shape[0]):
        row = store[i, first : first + outputs]
        used_row = weights[i, first : first + outputs]
        for k in range(outputs):
            lane[k] = xorshift(lane[k])
            value = np.int64(np.int32(g[i, k] - mean[k])) * step >> spare[k]
            noise = np.int64(np.uint32(lane[k] & mask[k]))
            moved = np.int32(np.int64(value + noise) >> shift[k])
            after = clip(np.int32(moved + np.int32(row[k])), low, high)
            row[k] = np.int16(after)
            weight = np.int32(after >> used)
            if rounded != 0:  # the compiler makes two loops of it
                weight = clip(np.int32(np.int32(after + half) >> used), -most, most)
            used_row[k] = np.int8(weight)
            g[i, k] = np.int32(0)
