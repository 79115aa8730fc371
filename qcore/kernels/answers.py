"""Class means that answer in a network, beside its trained readout.

Each lesson adds the present features to its class's mean, and the distance from it to the common
metric (:mod:`.metric`). Results then score every class by its distance in this metric. A class that
was shown for one lesson answers beside those that were learned from hundreds, and changes none of
them.

The mean of a few lessons lies off that of all there could be. On average its distance in the metric
grows by the trace of the examples' covariance in it, ``T``, divided by the number of lessons, so
that a class of few lessons would win too rarely. Half of this is given back (Moran & Murphy 1979)::

    near_k = x . w_k - mean_k . w_k / 2 + doubt / 128 * T / (2 * lessons_k)

``T`` is found from random signs ``v`` (Hutchinson 1989): ``T = d - ridge * v . inverse . v``, on
average. Examples of one lesson resemble each other: ``doubt / 128`` is the part of their covariance
that lies between lessons.

The unit of ``near`` is chosen so that a class's own mean scores the readout's target more than the
other classes do, on average. The readout, which was corrected by its errors, is better than the
means at telling apart what it has learned for long. So its scores ``y`` are added::

    score_k = near_k + gain / 256 * y_k

A class of fewer than ``KNOWN`` lessons has the ``y`` of the class with the highest score among the
others: between these two the means decide alone.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.fixed_point import bit_length
from spikewire.qcore.kernels.metric import (
    LESSONS,
    MEAN_BITS,
    SHIFT,
    add_example,
    fold,
    lift_of,
    mix,
    ridge_of,
    solve,
    sweep,
)
from spikewire.qcore.kernels.reshape import shape2

EXAMPLES, SHOWN, OFFSET = 0, 1, 2
"""Columns of a class's counts: examples, lessons, and what is taken off its score."""

COUNTS = 3

POWER, HELD, STALE, CUT, LEARNS, MARGIN = 0, 1, 2, 3, 4, 5
"""State: the moment's power of two and its examples; 1 if lessons came after the last solution;
right shift of scores; 1 if lessons are learned; by how much a class's own mean scores more for it
than for the others, 0 before the first solution for two classes."""

STATES = 8

SCORE_BITS = 20
"""A class's own mean scores some ``2**20``, before the unit is that of the readout."""

KNOWN = 32
"""Lessons from which a class is left to the readout as well."""

MOST_POWER = 40
"""Power of two from which the moment takes no more: its products are shifted by 8 bits more."""

PROBES = 4
"""Random vectors for the trace. Of 212 folded features four leave an error of some 5 %."""

_TRACE_BITS = 8
_LARGEST = 1 << 30
_MOST_FOLDED = (1 << 20) - 1


@inline
def has_prototypes(layers):
    """Tell whether class means answer."""
    return layers.shape[1] > at.TEMPORAL_COLUMNS


@inline
def means_hold(layers, i32):
    """Tell whether class means have examples, which other thresholds would make worth less.

    Ten lessons of 300 ms on N-MNIST moved thresholds by 3 to 6 %. Of two digits that were taught by
    them 0.2 were right, compared with 0.7 where thresholds stay.
    """
    return has_prototypes(layers) and i32[layers[0, at.AT_M_STATE] + HELD] > 0


@inline
def class_arrays(R, L, i32):
    """View sums, weights, counts and state."""
    d, classes = L[at.M_SIZE], R[at.CLASSES]
    sums = shape2(i32[L[at.AT_M_SUMS] : L[at.AT_M_SUMS] + classes * d], classes, d)
    weights = shape2(i32[L[at.AT_M_WEIGHTS] : L[at.AT_M_WEIGHTS] + classes * d], classes, d)
    counts = i32[L[at.AT_M_COUNTS] : L[at.AT_M_COUNTS] + COUNTS * classes]
    return sums, weights, shape2(counts, classes, COUNTS), i32[L[at.AT_M_STATE] :]


@inline
def fold_features(R, layers, i16, x):
    """Fold the scaled features; return 0 if all are zero."""
    maps = np.empty((layers.shape[0], 3), np.int64)
    m = np.int64(0)
    for n in range(layers.shape[0]):
        L = layers[n]
        if L[at.READ] != 0:
            maps[m, 0], maps[m, 1], maps[m, 2] = L[at.OUT_ROWS], L[at.OUT_COLUMNS], L[at.CHANNELS]
            m += 1
    f = i16[R[at.AT_NORMAL] : R[at.AT_NORMAL] + R[at.FEATURES]]
    fold(f, maps[:m], np.int64(0), x)
    for i in range(x.shape[0]):
        x[i] = min(max(x[i], np.int32(-_MOST_FOLDED)), np.int32(_MOST_FOLDED))
    some = np.int32(0)
    for i in range(f.shape[0]):
        some |= np.int32(f[i])
    return some


@kernel("void(int64[::1], int64[:, ::1], int16[::1], int32[::1], uint32[::1], int64)")
def learn_means(R, layers, i16, i32, lanes, label):
    """Learn the present features as an example of a class.

    Parameters
    ----------
    R, layers, i16, i32
        The network's registers, layer table and flat arrays. The features were scaled.
    lanes
        uint32[>= 64]: generators.
    label
        The true class.
    """
    L = layers[0]
    d, classes = L[at.M_SIZE], R[at.CLASSES]
    sums, _, counts, state = class_arrays(R, L, i32)
    if state[LEARNS] == 0:
        return
    x = np.empty(d, np.int32)
    if fold_features(R, layers, i16, x) == 0:
        return
    # Counts have 31 bits, 248 days of results every 10 ms: then a class is as known as can be.
    full = counts[label, EXAMPLES] == 2147483647 or state[HELD] == 2147483647
    if full or state[POWER] >= MOST_POWER:
        return
    held = np.empty(classes, np.int64)
    for k in range(classes):
        held[k] = np.int64(counts[k, EXAMPLES])
    registers = np.empty(2, np.int64)
    registers[SHIFT], registers[LESSONS] = np.int64(state[POWER]), np.int64(state[HELD])
    size = (d * (d + 1)) >> 1
    moment = i16[L[at.AT_M_MOMENT] : L[at.AT_M_MOMENT] + size]
    add_example(x, label, sums, held, moment, registers, lanes, np.empty(d, np.int64))
    counts[label, EXAMPLES] = np.int32(held[label])
    if L[at.M_SINCE] != R[at.LABEL_SINCE]:
        L[at.M_SINCE] = R[at.LABEL_SINCE]
        counts[label, SHOWN] = np.int32(counts[label, SHOWN] + 1)
    state[POWER], state[HELD] = np.int32(registers[SHIFT]), np.int32(registers[LESSONS])
    state[STALE] = 1


@kernel("int64(int16[::1], int64, int64, int64)")
def trace_in_metric(moment, d, ridge, sweeps):
    """Return the trace of ``moment / (moment + ridge)``, times ``2**8``, by random signs.

    Parameters
    ----------
    moment
        int16[d * (d + 1) / 2], as :func:`~.metric.add_example` keeps it.
    d
        Its rows.
    ridge, sweeps
        As for :func:`~.metric.solve`.
    """
    ahead = np.empty(d, np.int64)
    w = np.empty(d, np.int32)
    up = 24 + bit_length(ridge)
    total = np.int64(0)
    for probe in range(PROBES):
        for i in range(d):
            sign = mix(np.uint64(probe * d + i)) & np.uint64(1)
            ahead[i] = np.int64(1) << up if sign != 0 else -(np.int64(1) << up)
            w[i] = np.int32(0)
        sweep(moment, ridge, sweeps, ahead, w)
        for i in range(d):
            total += np.int64(w[i]) if ahead[i] > 0 else -np.int64(w[i])
    # ridge * v . inverse . v has `up` fractional bits, for all vectors together.
    lost = (total * ridge // PROBES) >> (up - _TRACE_BITS)
    return min(max((d << _TRACE_BITS) - lost, np.int64(0)), d << _TRACE_BITS)


@inline
def given_back(trace, doubt, up, power, held):
    """Return ``doubt / 128 * trace / 2`` in the unit of the scores, for a class of one lesson."""
    # Scores count 2**(2 * MEAN_BITS + up + power) / held to a squared distance of 1.
    lift = 2 * MEAN_BITS + up + power - 1 - _TRACE_BITS - 7 - 20
    part = ((trace * doubt) << 20) // max(held, np.int64(1))
    if lift <= 0:
        return part >> min(-lift, np.int64(63))
    return part << lift if lift < 62 - bit_length(part) else np.int64(1) << 61


@inline
def mean_margin(sums, counts, weights, offsets, cut):
    """Return by how much a class's mean scores more for it than for the others; at least 1.

    Of fewer than two classes with examples there is nothing to compare: 0.
    """
    classes, d = sums.shape
    total, pairs = np.int64(0), np.int64(0)
    for k in range(classes):
        if counts[k] == 0:
            continue
        own = np.int64(0)
        for j in range(classes):
            if counts[j] == 0:
                continue
            score = np.int64(0)
            for i in range(d):
                mean = (np.int64(sums[k, i]) << MEAN_BITS) // counts[k]
                score += mean * np.int64(weights[j, i])
            score = (score >> cut) - offsets[j]
            if j == k:
                own = score
            else:
                total -= score
                pairs += 1
        others = np.int64(-1)
        for j in range(classes):
            others += np.int64(counts[j] > 0)
        total += own * others
    if pairs == 0:
        return np.int64(0)
    return min(max(total // pairs, np.int64(1)), np.int64(_LARGEST))


@kernel("void(int64[::1], int64[:, ::1], int16[::1], int32[::1])")
def solve_means(R, layers, i16, i32):
    """Weigh every class anew in the metric, and choose the unit of the scores.

    Parameters
    ----------
    R, layers, i16, i32
        The network's registers, layer table and flat arrays.
    """
    L = layers[0]
    d, classes = L[at.M_SIZE], R[at.CLASSES]
    sums, weights, counts, state = class_arrays(R, L, i32)
    held, offsets = np.empty(classes, np.int64), np.empty(classes, np.int64)
    for k in range(classes):
        held[k] = np.int64(counts[k, EXAMPLES])
    moment = i16[L[at.AT_M_MOMENT] : L[at.AT_M_MOMENT] + ((d * (d + 1)) >> 1)]
    ridge = max(ridge_of(moment, d) >> L[at.M_RIDGE_SHIFT], np.int64(1))
    solve(sums, held, moment, ridge, L[at.M_SWEEPS], weights, offsets, np.empty(d, np.int64))
    doubt = np.int64(0)
    if L[at.M_DOUBT] > 0 and state[HELD] > 0:
        trace = trace_in_metric(moment, d, ridge, L[at.M_SWEEPS])
        up = lift_of(sums, held, ridge)
        doubt = given_back(trace, L[at.M_DOUBT], up, np.int64(state[POWER]), np.int64(state[HELD]))
    largest = np.int64(1)
    for k in range(classes):
        largest = max(largest, abs(offsets[k]))
    cut = max(bit_length(largest) - SCORE_BITS, np.int64(0))
    for k in range(classes):
        less = (offsets[k] - doubt // max(np.int64(counts[k, SHOWN]), np.int64(1))) >> cut
        counts[k, OFFSET] = np.int32(min(max(less, np.int64(-_LARGEST)), np.int64(_LARGEST)))
        offsets[k] >>= cut
    state[CUT], state[STALE] = np.int32(cut), 0
    state[MARGIN] = np.int32(mean_margin(sums, held, weights, offsets, cut))


@inline
def add_readout(counts, gain, y, near):
    """Add the readout's scores ``y`` to those of the means, ``near``; ``y`` holds the sums."""
    best, lead = np.int64(-1), np.int64(-1)
    for k in range(y.shape[0]):
        if counts[k, SHOWN] >= KNOWN:
            total = near[k] + ((np.int64(y[k]) * gain) >> 8)
            if best < 0 or total > lead:
                best, lead = np.int64(k), total
    shared = (np.int64(y[best]) * gain) >> 8 if best >= 0 else np.int64(0)
    for k in range(y.shape[0]):
        own = (np.int64(y[k]) * gain) >> 8 if counts[k, SHOWN] >= KNOWN else shared
        y[k] = np.int32(min(max(near[k] + own, np.int64(-_LARGEST)), np.int64(_LARGEST)))


@kernel("void(int64[::1], int64[:, ::1], int16[::1], int32[::1], int32[::1], int64)")
def answer_by_means(R, layers, i16, i32, y, learning):
    """Score every class by its mean and the readout; leave the readout's scores without means.

    Parameters
    ----------
    R, layers, i16, i32
        The network's registers, layer table and flat arrays. The features were scaled.
    y
        int32[classes]: the readout's scores, overwritten. A class without examples is one farther
        than the farthest of the others. Scores saturate at ``2**30``.
    learning
        1 inside a lesson: the solution of before is kept till its end.
    """
    L = layers[0]
    d, classes = L[at.M_SIZE], R[at.CLASSES]
    _, weights, counts, state = class_arrays(R, L, i32)
    if state[STALE] != 0 and learning == 0:
        solve_means(R, layers, i16, i32)
    if state[MARGIN] == 0:
        return
    x = np.empty(d, np.int32)
    if fold_features(R, layers, i16, x) == 0:
        y[:] = 0
        return
    near = np.empty(classes, np.int64)
    lowest = np.int64(_LARGEST)
    for k in range(classes):
        if counts[k, EXAMPLES] == 0:
            continue
        total = np.int64(0)
        for i in range(d):
            total += np.int64(x[i]) * np.int64(weights[k, i])
        score = ((total << MEAN_BITS) >> np.int64(state[CUT])) - np.int64(counts[k, OFFSET])
        score = min(max(score, np.int64(-_LARGEST)), np.int64(_LARGEST))
        near[k] = score * R[at.READ_TARGET] // np.int64(state[MARGIN])
        lowest = min(lowest, near[k])
    for k in range(classes):
        if counts[k, EXAMPLES] == 0:
            near[k] = lowest - 1
    add_readout(counts, L[at.M_GAIN], y, near)
