"""Neurons that are driven by traces of their inputs, as in Schaefer & Joshi 2020.

Per tick, for every place of a layer's input map, every neuron, and channel ``c`` (``rnd`` rounds to
the nearest, halves up; the unit of Q and P is an input that always fires)::

    P <- rnd(a * P + (1 - a) * Q)         with the Q of the tick before
    Q <- rnd(b * Q + (1 - b) * s)
    U  = conv(P, W) + bias[c] - R - threshold[c]
    spike when U, rounded to its own width, is at least 0

There is no other state than P, Q and R, so their widths decide the dynamics. ``conv(P, W)`` is kept
from tick to tick, and the changes of P are added to it: exactly the same, because sums of integers
are (modulo 2**32).
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.fixed_point import clip
from spikewire.qcore.kernels.neuron import BIAS, KEEP_R, KICK_R, THRESHOLD
from spikewire.qcore.kernels.reshape import shape2, shape3


@kernel(
    "int64(int8[::1], int16[::1], int16[::1], int32[::1], int64, int64, int64, int64, int64, int64,"
    " int64)"
)
def follow_inputs(fired, Q, P, change, decay_q, kick, decay_p, lift, q_rail, p_rail, stale):
    """Advance the traces that drive a layer, and tell by how much each P changed.

    Parameters
    ----------
    fired
        int8[n], not negative: the tick's spikes, or counts of them.
    Q, P
        int16[n], in ``[0, q_rail]`` and ``[0, p_rail]``, changed in place.
    change
        int32[n], overwritten: by how much each P grew; P itself where ``stale`` is 1.
    decay_q, decay_p
        What a tick takes off Q and P, of 4096: 1 to 4096.
    kick
        What a spike adds to Q, times 4096; at most 2**29.
    lift
        Width of P less that of Q.
    q_rail, p_rail
        The largest Q and P.

    Returns
    -------
    int
        1 if a trace changed, and 2 added if one is not zero.
    """
    keep_q, keep_p = np.int32(4096 - decay_q), np.int32(4096 - decay_p)
    gain_q, gain_p = np.int32(kick), np.int32(decay_p)
    up_q, up_p = np.int32(max(lift, 0)), np.int32(max(-lift, 0))
    shift = np.int32(np.int32(12) + up_p)
    half = np.int32(np.int32(1 << shift) >> 1)
    high_q, high_p = np.int32(q_rail), np.int32(p_rail)
    # More spikes saturate Q whatever it was, and might leave 32 bits.
    most = np.int32((1 << 30) // max(kick, 1))
    known = np.int32(stale - 1)
    changed, some = np.int32(0), np.int32(0)
    for i in range(Q.shape[0]):
        q, p = np.int32(Q[i]), np.int32(P[i])
        kept = np.int32(keep_p * np.int32(p << up_p))
        p_sum = np.int32(kept + np.int32(gain_p * np.int32(q << up_q)))
        p_next = min(np.int32(np.int32(p_sum + half) >> shift), high_p)
        taken = np.int32(gain_q * min(np.int32(fired[i]), most))
        q_sum = np.int32(np.int32(keep_q * q) + taken)
        q_next = min(np.int32(np.int32(q_sum + np.int32(2048)) >> np.int32(12)), high_q)
        changed |= np.int32(np.int32(q_next ^ q) | np.int32(p_next ^ p))
        some |= np.int32(q_next | p_next)
        Q[i], P[i] = np.int16(q_next), np.int16(p_next)
        change[i] = np.int32(p_next - np.int32(p & known))
    return np.int64(changed != 0) + 2 * np.int64(some != 0)


@inline
def add_four_weighted(target, rows, by, run):
    """Add four runs of weights, each times a factor of its own."""
    a, b, c, d = rows
    for k in range(run):
        first = np.int32(np.int32(by[0] * np.int32(a[k])) + np.int32(by[1] * np.int32(b[k])))
        second = np.int32(np.int32(by[2] * np.int32(c[k])) + np.int32(by[3] * np.int32(d[k])))
        target[k] = np.int32(target[k] + np.int32(first + second))


@inline
def list_changes(change, listed, by):
    """List the channels of a place that changed, and by how much; clear them there.

    The list is filled up with zeros to a multiple of four. Returns how many changed.
    """
    n = 0
    for c in range(change.shape[0]):
        if change[c] != 0:
            listed[n] = c
            by[n] = change[c]
            change[c] = np.int32(0)
            n += 1
    for k in range(n, (n + 3) // 4 * 4):
        listed[k] = 0
        by[k] = np.int32(0)
    return n


@kernel("void(int32[:, :, ::1], int8[:, :, :, ::1], int32[:, :, ::1], int64, int64, int64)")
def add_changes(change, weights, total, stride, pad_y, pad_x):
    """Add the weights of inputs times the changes of their traces, and clear the changes.

    ``total[oy, ox] += W[c, y + pad_y - oy * stride, x + pad_x - ox * stride] * change[y, x, c]``

    Parameters
    ----------
    change
        int32[rows in, columns in, c_in], cleared.
    weights
        int8[c_in, rows, columns, c_out], the columns from the last to the first.
    total
        int32[rows, columns, c_out], changed in place, modulo 2**32.
    stride, pad_y, pad_x
        Geometry of the convolution.
    """
    kernel_y, kernel_x, channels = weights.shape[1:]
    rows, columns = total.shape[:2]
    taps = shape3(weights, weights.shape[0], kernel_y, kernel_x * channels)
    lines = shape2(total, rows, columns * channels)
    listed = np.empty(change.shape[2] + 3, np.int64)
    by = np.empty(change.shape[2] + 3, np.int32)
    for place in range(change.shape[0] * change.shape[1]):
        y, x = place // change.shape[1], place % change.shape[1]
        n = list_changes(change[y, x], listed, by)
        if n == 0:
            continue
        y, x = y + pad_y, x + pad_x
        low_x = max(0, (x - kernel_x + stride) // stride)
        high_x = min(columns - 1, x // stride)
        # Neighbouring neurons see neighbouring taps only where the kernel moves by one.
        width = max(high_x - low_x + 1, 0) if stride == 1 else np.int64(1)
        run = width * channels
        for oy in range(max(0, (y - kernel_y + stride) // stride), min(rows, y // stride + 1)):
            ky = y - oy * stride
            for ox in range(low_x, high_x + 1, max(width, 1)):
                at = (kernel_x - 1 - x + ox * stride) * channels
                target = lines[oy, ox * channels : ox * channels + run]
                for k in range(0, n, 4):
                    four = (
                        taps[listed[k], ky, at : at + run],
                        taps[listed[k + 1], ky, at : at + run],
                        taps[listed[k + 2], ky, at : at + run],
                        taps[listed[k + 3], ky, at : at + run],
                    )
                    factors = (by[k], by[k + 1], by[k + 2], by[k + 3])
                    add_four_weighted(target, four, factors, run)


@kernel("int64(int16[:, :, ::1], int64, int64, int64, int64, int64, int64, int64)")
def count_reached(P, kernel_y, kernel_x, rows, columns, stride, pad_y, pad_x):
    """Count the pairs of an input whose trace is not zero and a place of the layer that it reaches.

    Parameters
    ----------
    P
        int16[rows in, columns in, c_in].
    kernel_y, kernel_x, rows, columns, stride, pad_y, pad_x
        The layer's kernel, map and geometry.
    """
    reached = np.int64(0)
    for y in range(P.shape[0]):
        low_y = max(0, (y + pad_y - kernel_y + stride) // stride)
        tall = min(rows - 1, (y + pad_y) // stride) - low_y + 1
        for x in range(P.shape[1]):
            low_x = max(0, (x + pad_x - kernel_x + stride) // stride)
            wide = min(columns - 1, (x + pad_x) // stride) - low_x + 1
            held = np.int64(0)
            for c in range(P.shape[2]):
                held += np.int64(P[y, x, c] != 0)
            reached += held * max(tall, 0) * max(wide, 0)
    return reached


@inline
def scaled_total(total, up, down):
    """Shift a sum of traces times weights to the neuron's unit, saturating at 2**29."""
    most = np.int32(np.int32(1 << 29) >> up)
    return np.int32(np.int32(clip(total, np.int32(-most), most) << up) >> down)


@inline
def refractory_part(r, kick, bits, fraction):
    """Return what a refractory trace takes off: itself with all bits, else parts of a kick."""
    return np.int32(np.int32(r * kick) >> fraction) if bits > 0 else r


@kernel(
    "int64(int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1], int64, int64, int64, int64)"
)
def fire_traced(total, r, table, fired, lift, slope, bits, nearest):
    """Fire where the membrane, rounded to its width, is at least zero; advance refractory traces.

    Parameters
    ----------
    total
        int32[places, channels]: sums of traces times weights.
    r
        int32[places, channels]: refractory traces, changed in place.
    table
        int32[8, channels]: the channels' parameters.
    fired
        int8[places, channels], overwritten.
    lift
        Left shift from the sums to the neuron's unit; a right shift if negative.
    slope
        The membrane's last bit is worth ``2**slope``.
    bits
        Bits of the refractory trace in parts of its kick, or 0 if it has 24 in the neuron's unit.
    nearest
        1 if refractory traces are rounded to the nearest, 0 if they are rounded down.

    Returns
    -------
    int
        0 if no refractory trace changed.
    """
    up, down = np.int32(max(lift, 0)), np.int32(max(-lift, 0))
    half = np.int32((1 << slope) >> 1)
    fraction = np.int32(max(bits - 1, 0))
    most = np.int32((1 << bits) - 1) if bits > 0 else np.int32(8388607)
    half_r = np.int32(2048 * nearest)
    changed = np.int32(0)
    keep, kick = table[KEEP_R], table[KICK_R]
    for i in range(total.shape[0]):
        for c in range(total.shape[1]):
            off = refractory_part(r[i, c], kick[c], bits, fraction)
            offset = np.int32(table[BIAS, c] - table[THRESHOLD, c])
            over = np.int32(np.int32(scaled_total(total[i, c], up, down) + offset) - off)
            spike = np.int32(1) if np.int32(over + half) >= 0 else np.int32(0)
            high = np.int32(np.int32(r[i, c] >> np.int32(12)) * keep[c])
            low = np.int32(np.int32(np.int32(r[i, c] & np.int32(4095)) * keep[c]) + half_r)
            added = np.int32(1 << fraction) if bits > 0 else kick[c]
            left = np.int32(high + np.int32(low >> np.int32(12)))
            r_next = min(np.int32(left + np.int32(spike * added)), most)
            fired[i, c] = np.int8(spike)
            changed |= np.int32(r_next ^ r[i, c])
            r[i, c] = r_next
    return np.int64(changed != 0)


@kernel(
    "void(int32[:, ::1], int32[:, ::1], int32[:, ::1], int8[:, ::1], int64, int64, int64, int64)"
)
def activate_traced(total, r, table, activation, lift, slope, rail, bits):
    """Take the membranes of this tick at their own width, before the neurons fire.

    ``rnd(U / 2**slope) + (rail + 1) / 2``, clipped to ``[0, rail]``: spikes have the upper half.

    Parameters
    ----------
    total, r, table, lift, slope, bits
        As for :func:`fire_traced`, before it.
    activation
        int8[places, channels], overwritten.
    rail
        The largest activation.
    """
    up, down = np.int32(max(lift, 0)), np.int32(max(-lift, 0))
    steep = np.int32(slope)
    half = np.int32((1 << slope) >> 1)
    fraction = np.int32(max(bits - 1, 0))
    high = np.int32(rail)
    middle = np.int32(np.int32(high + 1) >> 1)
    kick = table[KICK_R]
    for i in range(total.shape[0]):
        for c in range(total.shape[1]):
            off = refractory_part(r[i, c], kick[c], bits, fraction)
            offset = np.int32(table[BIAS, c] - table[THRESHOLD, c])
            over = np.int32(np.int32(scaled_total(total[i, c], up, down) + offset) - off)
            near = np.int32(np.int32(over + half) >> steep)
            activation[i, c] = np.int8(clip(np.int32(near + middle), np.int32(0), high))
