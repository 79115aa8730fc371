"""The trained readout: a normalised delta rule on the deep layers' traces, with rehearsal.

Features ``F`` (low-passed spikes) are scaled to a constant length, so that scores mean the same
at every event rate; then, per class, ``y = W f``, and for an error ``e = target - y``::

    store += stochastic(e * f >> shift)

The weights used are the store's upper 8 bits, taken when they are used: a copy of them would cost
as much memory as six remembered feature vectors per class.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.fixed_point import bit_length, xorshift

LENGTH_BITS = 10
"""Normalised features have length 2**10."""

KNOWN_CLASS_LESSONS = 512
"""Lessons after which a class counts as known: 2.5 s at one every 5 ms."""

KNOWN_CLASS_SHIFT = 9
"""Bits by which a known class' step is smaller while another class is taught.

Taught a new gesture for 5 s, the shipped network lost 2.0 points on the eleven of unseen people
with 0, 1.2 with 7, 0.5 with 8, none with 9 and 10; worst of 24 lessons 3.4, 3.8, 2.3, 1.1, 0.8.
"""


@kernel("int64(int64)")
def square_root(value):
    """Return ``floor(sqrt(value))`` of a positive integer, by Newton's iteration from above."""
    root = np.int64(1) << ((bit_length(value) + 1) >> 1)
    while True:
        closer = (root + value // root) >> 1
        if closer >= root:
            return root
        root = closer


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
    root = square_root(total)
    factor = (np.int64(1) << 26) // root
    for i in range(F.shape[0]):
        f[i] = np.int16((np.int64(F[i]) * factor) >> 16)
    return root


@kernel("void(int16[:, ::1], int16[::1], int32[::1])")
def read_scores(store, f, y):
    """Score every class: ``y[c] = sum_i (store[c, i] >> 8) * f[i]``.

    Features have length 2**10, so ``|y| <= 2**7 * sum |f| <= 2**17 * sqrt(n)`` (Cauchy-Schwarz):
    inside int32 for up to 2**28 features.

    Parameters
    ----------
    store
        int16[classes, n]: stored weights.
    f
        int16[n]: normalised features.
    y
        int32[classes], overwritten.
    """
    for k in range(y.shape[0]):
        row = store[k]
        total = np.int32(0)
        for i in range(f.shape[0]):
            weight = np.int32(np.int32(row[i]) >> 8)
            total = np.int32(total + np.int32(weight * np.int32(f[i])))
        y[k] = total


@kernel("void(int64[::1], int64, int64, int64[::1])")
def choose_shifts(seen, taught, shift, shifts):
    """Choose how boldly each class is corrected while one of them is taught.

    A gesture of some seconds says much about its class, and little about those that
    were learned from many: few memories of these are rehearsed, and to follow those alone at full
    step would forget the others.

    Parameters
    ----------
    seen
        int64[classes]: lessons so far, per class.
    taught
        The true class.
    shift
        Of the class that is taught, and of all that are not known well yet.
    shifts
        int64[classes], overwritten: ``shift``, or ``KNOWN_CLASS_SHIFT`` bits more, 30 at most.
    """
    for k in range(seen.shape[0]):
        known = k != taught and seen[k] >= KNOWN_CLASS_LESSONS
        shifts[k] = max(shift, min(shift + KNOWN_CLASS_SHIFT, np.int64(30))) if known else shift


@inline
def score_error(y, k, label, target, dead_zone):
    """Return by how much a score misses its target, 0 for a false class: 0 in the dead zone."""
    if k == label:
        e = np.int64(target) - np.int64(y[k])
        return e if e > dead_zone else np.int64(0)
    e = -np.int64(y[k])
    return e if e < -dead_zone else np.int64(0)


@kernel(
    "int64(int32[::1], int64, int64, int16[::1], int16[:, ::1], uint32[::1], int64[::1], int64)"
)
def delta_rule(y, label, target, f, store, lanes, shifts, dead_zone):
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
    lanes
        uint32[>= 64]: generators, one per feature modulo 64.
    shifts
        int64[classes]: right shift of ``e * f``, the smaller, the bolder. ``2 * 10 - 8 = 12``
        corrects the whole error in one step (features have length 2**10, the store 8 bits more than
        the weights).
    dead_zone
        Errors up to this size, and false classes that stay below it, are left alone.

    Returns
    -------
    int
        How many classes were updated.
    """
    updated = np.int64(0)
    for k in range(y.shape[0]):
        shift = shifts[k]
        mask = np.uint32((np.int64(1) << shift) - 1)
        e = score_error(y, k, label, target, dead_zone)
        if e == 0:
            continue
        updated += 1
        row = store[k]
        for i in range(f.shape[0]):
            if f[i] == 0:
                continue
            lane = i & 63
            lanes[lane] = xorshift(lanes[lane])
            noise = np.int64(np.uint32(lanes[lane] & mask))
            step = (e * np.int64(f[i]) + noise) >> shift
            value = min(max(np.int64(row[i]) + step, -32768), 32767)
            row[i] = np.int16(value)
    return updated


@kernel("void(int16[::1], int8[::1])")
def mark_features(F, bits):
    """Mark the features that reach the root mean square of all: one bit each, the first lowest.

    Parameters
    ----------
    F
        int16[n], not negative.
    bits
        int8[ceil(n / 8)], overwritten; all zero where ``F`` is.
    """
    n = np.int64(F.shape[0])
    total = np.int64(0)
    for i in range(n):
        total += np.int64(np.int32(np.int32(F[i]) * np.int32(F[i])))
    for place in range(bits.shape[0]):
        byte = np.int32(0)
        for i in range(8 * place, min(8 * place + 8, n)):
            square = np.int64(np.int32(np.int32(F[i]) * np.int32(F[i])))
            if F[i] > 0 and square * n >= total:
                byte |= np.int32(1) << np.int32(i & 7)
        bits[place] = np.int8(byte)


@kernel("void(int16[::1], int64, int8[:, :, ::1], int64[::1], uint32[::1])")
def remember(f, label, slots, seen, lanes):
    """Keep an even sample of a class's features in a bounded store (reservoir sampling).

    Parameters
    ----------
    f
        int16[n]: normalised features, not all zero. One bit of each is kept: whether it reaches
        the features' root mean square. (8 bits of each were right no more often: 0.967 and 0.965
        on the simulated camera.)
    slots
        int8[classes, slots, ceil(n / 8)]: bits, the first feature's lowest.
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
    mark_features(f, slots[label, at])


@kernel("int64(int8[:, :, ::1], int64[::1], int16[::1], uint32[::1])")
def recall(slots, seen, f, lanes):
    """Draw one remembered feature vector, every class alike.

    Parameters
    ----------
    slots, seen
        As :func:`remember` fills them.
    f
        int16[n], overwritten with the memory, alike in all features that were kept and of length
        2**10 together.

    Returns
    -------
    int
        Its class, or -1 while the memory is empty.
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
    ones = np.int64(0)
    for i in range(f.shape[0]):
        bit = np.int32(np.int32(row[i >> 3]) >> np.int32(i & 7)) & np.int32(1)
        f[i] = np.int16(bit)
        ones += np.int64(bit)
    height = np.int16(square_root((np.int64(1) << (2 * LENGTH_BITS)) // max(ones, np.int64(1))))
    for i in range(f.shape[0]):
        if f[i] != 0:
            f[i] = height
    return label
