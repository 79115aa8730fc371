"""Class means in a shared metric, in integers: what is learned once is never overwritten.

Every class keeps the sum of its examples, and all classes together one second moment of the
distances to their own class's mean. Both are sums: the order of lessons leaves no trace but
rounding, and a new class leaves the old ones as they are. The answer is the class whose mean is
nearest when distances are measured by that moment (a linear discriminant, as streamed by Hayes &
Kanan 2020, "Lifelong machine learning with deep streaming linear discriminant analysis").

A network's features are too many for a second moment in few bytes, so they are first folded into
``d`` places by signed hashing (Weinberger et al. 2009). Places and signs follow from the seed and
where the feature lies; no table is kept.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels.fixed_point import bit_length, xorshift

MEAN_BITS = 6
"""Fractional bits of a mean."""

SHIFT, LESSONS = 0, 1
"""Registers: the power of two in which the moment counts, and how many examples it holds."""


@inline
def mix(value):
    """One output of splitmix64 (Steele et al. 2014)."""
    z = np.uint64(value + np.uint64(0x9E3779B97F4A7C15))
    z = np.uint64((z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    z = np.uint64((z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(z ^ (z >> np.uint64(31)))


@inline
def _add(x, value, seed, number):
    """Add a feature to the two places of its number, with their signs."""
    if value != 0:
        drawn = mix(mix(np.uint64(seed)) ^ np.uint64(number))
        for _ in range(2):
            # 31 bits choose the place, one the sign.
            half = np.uint64(drawn & np.uint64(0xFFFFFFFF))
            place = np.int64(
                np.uint64((half >> np.uint64(1)) * np.uint64(x.shape[0])) >> np.uint64(31)
            )
            if half & np.uint64(1):
                x[place] = np.int32(x[place] - np.int32(value))
            else:
                x[place] = np.int32(x[place] + np.int32(value))
            drawn = np.uint64(drawn >> np.uint64(32))


@kernel("void(int16[::1], int64[:, ::1], int64, int32[::1])")
def fold(f, maps, seed, x):
    """Add each feature, with a sign, to two places; neighbours of a channel share sign and places.

    On a map the features of 2 x 2 positions go the same way, which sums them: what is alike in
    neighbours survives the folding better than what is not.

    Parameters
    ----------
    f
        int16[n]: features.
    maps
        int64[m, 3]: rows, columns and channels of the maps they lie on, one after the other; what
        follows the last has no neighbours.
    seed
        Draws places and signs.
    x
        int32[d], overwritten.
    """
    for i in range(x.shape[0]):
        x[i] = np.int32(0)
    at = np.int64(0)
    group = np.int64(0)
    for m in range(maps.shape[0]):
        rows, columns, channels = maps[m]
        across = (columns + 1) >> 1
        for row in range(rows):
            for column in range(columns):
                first = group + ((row >> 1) * across + (column >> 1)) * channels
                for k in range(channels):
                    _add(x, f[at], seed, first + k)
                    at += 1
        group += ((rows + 1) >> 1) * across * channels
    for i in range(at, f.shape[0]):
        _add(x, f[i], seed, group + i - at)


@inline
def make_room(away, share, moment, registers, lanes):
    """Halve the moment, and double its unit, until an example's products fit into 16 bits."""
    # The largest entry stands on the diagonal.
    while True:
        top = np.int64(0)
        for i in range(away.shape[0]):
            at = (i * (i + 3)) >> 1
            grown = np.int64(moment[at]) + ((away[i] * away[i] * share) >> (8 + registers[SHIFT]))
            top = max(top, grown)
        if top < 32767:
            break
        for i in range(moment.shape[0]):
            lane = i & 63
            lanes[lane] = xorshift(lanes[lane])
            odd = np.int64(lanes[lane] >> np.uint32(31))
            moment[i] = np.int16((np.int64(moment[i]) + odd) >> 1)
        registers[SHIFT] += 1


@inline
def add_products(away, share, moment, shift, lanes):
    """Add ``away[i] * away[j] * share >> shift`` to the moment, rounded stochastically."""
    mask = (np.int64(1) << shift) - 1
    # A generator gives 32 bits; after some 2**27 examples more than those are shifted out.
    beyond = max(shift - 32, np.int64(0))
    at = np.int64(0)
    for i in range(away.shape[0]):
        scaled = away[i] * share
        for j in range(i + 1):
            lane = at & 63
            lanes[lane] = xorshift(lanes[lane])
            noise = (np.int64(lanes[lane]) << beyond) & mask
            grown = np.int64(moment[at]) + ((scaled * away[j] + noise) >> shift)
            moment[at] = np.int16(min(max(grown, np.int64(-32767)), np.int64(32767)))
            at += 1


@kernel(
    "void(int32[::1], int64, int32[:, ::1], int64[::1], int16[::1], int64[::1], uint32[::1],"
    " int64[::1])"
)
def add_example(x, label, sums, counts, moment, registers, lanes, away):
    """Add an example to its class's sum, and its distance to the mean to the moment.

    With ``z = x - mean`` (of the examples before it) and ``n`` of them, the moment grows by
    ``z z' n / (n + 1)`` (Welford 1962), counted in units of ``2**registers[SHIFT]`` and rounded
    stochastically. When an entry would pass 16 bits, all are halved and the unit doubles.

    Parameters
    ----------
    x
        int32[d]: a folded example, ``|x| < 2**20``.
    label
        Its class.
    sums
        int32[classes, d], saturating.
    counts
        int64[classes].
    moment
        int16[d * (d + 1) / 2]: the lower triangle, row by row.
    registers
        int64[2].
    lanes
        uint32[>= 64]: generators.
    away
        int64[d]: scratch.
    """
    d = x.shape[0]
    n = counts[label]
    own = sums[label]
    if n > 0:
        for i in range(d):
            away[i] = np.int64(x[i]) - np.int64(own[i]) // n
        share = (n << 8) // (n + 1)
        make_room(away, share, moment, registers, lanes)
        add_products(away, share, moment, 8 + registers[SHIFT], lanes)
        registers[LESSONS] += 1
    for i in range(d):
        total = np.int64(own[i]) + np.int64(x[i])
        own[i] = np.int32(min(max(total, np.int64(-2147483647)), np.int64(2147483647)))
    counts[label] = n + 1


@kernel("int64(int16[::1], int64)")
def ridge_of(moment, d):
    """Return the mean of the moment's diagonal, at least 1."""
    total = np.int64(0)
    for i in range(d):
        total += np.int64(moment[(i * (i + 3)) >> 1])
    return max(total // d, np.int64(1))


@inline
def lift_of(sums, counts, ridge):
    """Return the left shift that gives a mean's largest entry 24 bits more than the ridge."""
    largest = np.int64(1)
    for k in range(sums.shape[0]):
        if counts[k] > 0:
            for i in range(sums.shape[1]):
                largest = max(largest, abs((np.int64(sums[k, i]) << MEAN_BITS) // counts[k]))
    up = 24 + bit_length(ridge) - bit_length(largest)
    return min(max(up, np.int64(0)), np.int64(36))


@inline
def sweep(moment, ridge, sweeps, ahead, w):
    """Correct each entry of ``w`` so often towards ``(moment + ridge) w = ahead``, saturating."""
    d = w.shape[0]
    for _ in range(sweeps):
        for i in range(d):
            row = (i * (i + 1)) >> 1
            left = ahead[i]
            for j in range(i):
                left -= np.int64(moment[row + j]) * np.int64(w[j])
            at = row + i
            own = np.int64(moment[at]) + ridge
            for j in range(i + 1, d):
                at += j
                left -= np.int64(moment[at]) * np.int64(w[j])
            value = left // own
            value = min(max(value, np.int64(-2147483647)), np.int64(2147483647))
            w[i] = np.int32(value)


@kernel(
    "void(int32[:, ::1], int64[::1], int16[::1], int64, int64, int32[:, ::1], int64[::1],"
    " int64[::1])"
)
def solve(sums, counts, moment, ridge, sweeps, weights, offsets, ahead):
    """Weigh every class: ``(moment + ridge) w = mean``, by Gauss-Seidel sweeps.

    The common scale of all weights does not matter to which score is largest. It is chosen so that
    the largest entry of a mean has 24 bits more than the ridge: weights stay inside 32 bits, and
    saturate where they do not.

    Parameters
    ----------
    sums, counts, moment
        As :func:`add_example` keeps them.
    ridge
        Added to the diagonal, in the moment's unit; at least 1.
    sweeps
        How often each weight is corrected.
    weights
        int32[classes, d], overwritten; zero for a class without examples.
    offsets
        int64[classes], overwritten: ``mean . w / 2``, with ``MEAN_BITS`` fractional bits.
    ahead
        int64[d]: scratch, the class's scaled mean.
    """
    classes, d = sums.shape
    up = lift_of(sums, counts, ridge)
    for k in range(classes):
        w = weights[k]
        for i in range(d):
            w[i] = np.int32(0)
        offsets[k] = np.int64(0)
        if counts[k] == 0:
            continue
        for i in range(d):
            ahead[i] = ((np.int64(sums[k, i]) << MEAN_BITS) // counts[k]) << up
        sweep(moment, ridge, sweeps, ahead, w)
        total = np.int64(0)
        for i in range(d):
            total += (ahead[i] >> up) * np.int64(w[i])
        offsets[k] = total >> 1


@kernel("void(int32[::1], int64[::1], int32[:, ::1], int64[::1], int64[::1])")
def compare(x, counts, weights, offsets, y):
    """Score every class: ``x . w - mean . w / 2``; the lowest number for one without examples.

    Parameters
    ----------
    x
        int32[d]: a folded example, ``|x| < 2**20``.
    counts, weights, offsets
        As :func:`solve` leaves them.
    y
        int64[classes], overwritten.
    """
    for k in range(y.shape[0]):
        if counts[k] == 0:
            y[k] = np.int64(-(1 << 62))
            continue
        total = np.int64(0)
        for i in range(x.shape[0]):
            total += np.int64(x[i]) * np.int64(weights[k, i])
        y[k] = (total << MEAN_BITS) - offsets[k]
