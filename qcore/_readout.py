"""The trained readout: a normalised delta rule on the deep layers' traces, with rehearsal.

Features ``F`` (low-passed spikes) are scaled to a constant length, so that scores mean the same
at every event rate; then, per class, ``y = W f``, and for an error ``e = target - y``::

    store += stochastic(e * f >> (shift))

The weights used are the store's upper 8 bits.
"""

from __future__ import annotations

import numpy as np

from qcore._fixed import bit_length, xorshift
from qcore._jit import kernel

LENGTH_BITS = 10
"""Normalised features have length 2**10."""


@kernel("int64(int16[::1], int16[::1])")
def normalise_features(F, f):
    """Scale features to length ``2**10``: ``f = F * (2**26 / |F|) >> 16``, by integer arithmetic.

    Parameters
    ----------
    F
        int16[n], not negative.
    f
        int16[n], overwritten; all zero where ``F`` is.

    Returns
    -------
    int
        ``isqrt(sum F**2)``.
    """
    total = np.int64(0)
    for i in range(F.shape[0]):
        total += np.int64(np.int32(np.int32(F[i]) * np.int32(F[i])))
    if total == 0:
        for i in range(f.shape[0]):
            f[i] = np.int16(0)
        return np.int64(0)
    # Newton's iteration from above converges to floor(sqrt(total)).
    root = np.int64(1) << ((bit_length(total) + 1) >> 1)
    while True:
        closer = (root + total // root) >> 1
        if closer >= root:
            break
        root = closer
    factor = (np.int64(1) << 26) // root
    for i in range(F.shape[0]):
        f[i] = np.int16((np.int64(F[i]) * factor) >> 16)
    return root


@kernel("void(int8[:, ::1], int16[::1], int32[::1])")
def read_scores(W, f, y):
    """Score every class: ``y[c] = sum_i W[c, i] * f[i]``.

    Features have length 2**10, so ``|y| <= 2**7 * sum |f| <= 2**17 * sqrt(n)`` (Cauchy-Schwarz):
    inside int32 for up to 2**28 features.
    """
    for k in range(y.shape[0]):
        row = W[k]
        total = np.int32(0)
        for i in range(f.shape[0]):
            total = np.int32(total + np.int32(np.int32(row[i]) * np.int32(f[i])))
        y[k] = total


@kernel(
    "int64(int32[::1], int64, int64, int16[::1], int16[:, ::1], int8[:, ::1], uint32[::1],"
    " int64, int64)"
)
def delta_rule(y, label, target, f, store, W, lanes, shift, dead_zone):
    """Step the readout towards ``target`` for the label and 0 for the others.

    Parameters
    ----------
    y
        int32[classes]: scores of ``f``.
    label, target
        The true class, and the score it should have.
    f
        int16[n]: normalised features.
    store
        int16[classes, n]: stored weights, saturating.
    W
        int8[classes, n]: ``store >> 8``, refreshed.
    lanes
        uint32[>= 64]: generators, one per feature modulo 64.
    shift
        Right shift of ``e * f``: the smaller, the bolder. ``2 * 10 - 8 = 12`` corrects the whole
        error in one step (features have length 2**10, the store 8 bits more than the weights).
    dead_zone
        Errors up to this size, and false classes that stay below it, are left alone.

    Returns
    -------
    int
        How many classes were updated.
    """
    updated = np.int64(0)
    mask = np.uint32((np.int64(1) << shift) - 1)
    for k in range(y.shape[0]):
        e = np.int64(target) - np.int64(y[k]) if k == label else -np.int64(y[k])
        if k == label:
            if e <= dead_zone:
                continue
        elif e >= -dead_zone:
            continue
        updated += 1
        row = store[k]
        used = W[k]
        for i in range(f.shape[0]):
            if f[i] == 0:
                continue
            lane = i & 63
            lanes[lane] = xorshift(lanes[lane])
            noise = np.int64(np.uint32(lanes[lane] & mask))
            step = (e * np.int64(f[i]) + noise) >> shift
            value = min(max(np.int64(row[i]) + step, -32768), 32767)
            row[i] = np.int16(value)
            used[i] = np.int8(value >> 8)
    return updated


@kernel("void(int16[::1], int64, int8[:, :, ::1], int64[::1], uint32[::1])")
def remember(f, label, slots, seen, lanes):
    """Keep an even sample of a class's features in a bounded store (reservoir sampling).

    Parameters
    ----------
    f
        int16[n]: normalised features, kept as ``min(f >> 2, 127)``.
    slots
        int8[classes, slots, n].
    seen
        int64[classes]: how many were offered so far, per class.
    lanes
        uint32[>= 1]: the generator.
    """
    places = slots.shape[1]
    at = seen[label]
    seen[label] += 1
    if at >= places:
        lanes[0] = xorshift(lanes[0])
        at = np.int64(np.int64(lanes[0]) % (at + 1))
        if at >= places:
            return
    row = slots[label, at]
    for i in range(f.shape[0]):
        row[i] = np.int8(min(np.int32(f[i]) >> 2, 127))


@kernel("int64(int8[:, :, ::1], int64[::1], int16[::1], uint32[::1])")
def recall(slots, seen, f, lanes):
    """Draw one remembered feature vector, every class alike.

    Parameters
    ----------
    slots, seen
        As :func:`remember` fills them.
    f
        int16[n], overwritten with the memory.

    Returns
    -------
    int
        Its class, or -1 if nothing is remembered yet.
    """
    classes = 0
    for k in range(seen.shape[0]):
        if seen[k] > 0:
            classes += 1
    if classes == 0:
        return np.int64(-1)
    lanes[0] = xorshift(lanes[0])
    pick = np.int64(lanes[0]) % classes
    label = np.int64(-1)
    for k in range(seen.shape[0]):
        if seen[k] > 0:
            if pick == 0:
                label = k
                break
            pick -= 1
    lanes[0] = xorshift(lanes[0])
    at = np.int64(lanes[0]) % min(seen[label], slots.shape[1])
    row = slots[label, at]
    for i in range(f.shape[0]):
        f[i] = np.int16(np.int32(row[i]) << 2)
    return label
