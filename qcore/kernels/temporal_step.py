"""Readings and lessons of a network with a temporal layer (:mod:`.temporal`)."""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.learning_step import read_features
from spikewire.qcore.kernels.readout import (
    choose_shifts,
    delta_rule,
    mark_features,
    normalise_features,
    read_scores,
    recall,
    remember,
)
from spikewire.qcore.kernels.reshape import shape2, shape3
from spikewire.qcore.kernels.temporal import (
    activate_hidden,
    add_hidden,
    regulate_hidden,
    step_rows,
    sum_rows,
    teach_hidden,
)


@inline
def has_temporal(layers):
    """Tell whether the network has a temporal layer."""
    return layers.shape[1] > at.GENERAL_COLUMNS and layers[0, at.T_UNITS] > 0


@inline
def follow_features(R, layers, i8, i16, now):
    """Write this tick's input into the ring, until all of it is alike.

    The count of ticks begins anew with each change of a feature. When it has run out, every place
    of the ring holds the present features: ticks in which nothing else changes can be skipped.
    """
    L = layers[0]
    source = layers[L[at.T_LAYER]]
    if source[at.FEATURE_LIVE] != 0:
        L[at.T_LIVE] = L[at.T_LONGEST] + L[at.T_EVERY] + 1
    if L[at.T_LIVE] == 0:
        return
    L[at.T_LIVE] -= 1
    R[at.CHANGED] = 1
    if now % L[at.T_EVERY] == 0:
        wide = (L[at.T_INPUTS] + 7) >> 3
        place = L[at.AT_T_RING] + wide * (now // L[at.T_EVERY] % L[at.T_PLACES])
        start = source[at.AT_FEATURES]
        mark_features(i16[start : start + L[at.T_INPUTS]], i8[place : place + wide])


@inline
def gather_delayed(L, i8, now, delays, bits):
    """Copy the input of every delay from the ring: int8[delays, bytes]."""
    for d in range(bits.shape[0]):
        # Before the first tick there was nothing, as in the ring.
        place = (now - np.int64(delays[d])) // L[at.T_EVERY] % L[at.T_PLACES]
        start = L[at.AT_T_RING] + bits.shape[1] * place
        for i in range(bits.shape[1]):
            bits[d, i] = i8[start + i]


@inline
def hidden_arrays(R, L, i16, i32):
    """View weights, readout, thresholds and counts of the temporal layer."""
    units, rows = L[at.T_UNITS], L[at.T_DELAYS] * L[at.T_INPUTS]
    store = shape2(i16[L[at.AT_T_STORE] : L[at.AT_T_STORE] + rows * units], rows, units)
    V = i16[L[at.AT_T_READ] : L[at.AT_T_READ] + R[at.CLASSES] * units]
    thresholds = i32[L[at.AT_T_THRESHOLD] : L[at.AT_T_THRESHOLD] + units]
    counts = i32[L[at.AT_T_COUNT] : L[at.AT_T_COUNT] + units + 2]
    return store, shape2(V, R[at.CLASSES], units), thresholds, counts


@inline
def readout_arrays(R, i16):
    """View the features, the scaled features and the readout's stored weights."""
    n, classes = R[at.FEATURES], R[at.CLASSES]
    F = i16[R[at.AT_FEATURE] : R[at.AT_FEATURE] + n]
    f = i16[R[at.AT_NORMAL] : R[at.AT_NORMAL] + n]
    store = i16[R[at.AT_READ_STORE] : R[at.AT_READ_STORE] + classes * n]
    return F, f, shape2(store, classes, n)


@kernel(
    "void(int64[::1], int64[::1], int16[::1], int16[::1], int32[::1], int8[:, ::1], int32[::1],"
    " uint32[::1], int64, int64[::1], int64)"
)
def correct_all(R, L, i16, f, i32, bits, y, lanes, label, shifts, fresh):
    """Score one example, given by scaled features and bits, and correct all weights if taught.

    Parameters
    ----------
    R, L
        The registers, and the first row of the layer table.
    i16, i32
        The flat arrays.
    f
        int16[features]: scaled features.
    bits
        int8[delays, bytes]: input of the temporal layer.
    y
        int32[classes], overwritten with the scores before learning.
    lanes
        Generators.
    label
        The true class, or -1 to change nothing.
    shifts
        int64[classes]: shifts of the steps.
    fresh
        1 for a lesson, 0 for one that is rehearsed: thresholds follow lessons.
    """
    store, V, thresholds, counts = hidden_arrays(R, L, i16, i32)
    _, _, read = readout_arrays(R, i16)
    units = L[at.T_UNITS]
    a, h = np.empty(units, np.int32), np.empty(units, np.int16)
    back = np.empty(units, np.int64)
    ones = sum_rows(bits, store, a)
    height = activate_hidden(a, ones, thresholds, L[at.T_SLOPE], h)
    L[at.T_OPERATIONS] += ones * units
    read_scores(read, f, y)
    add_hidden(V, h, y)
    if label < 0:
        return
    target, dead = R[at.READ_TARGET], R[at.READ_DEAD_ZONE]
    R[at.READ_UPDATES] += delta_rule(y, label, target, f, read, lanes, shifts, dead)
    teach_hidden(y, label, target, dead, shifts, R[at.READ_SHIFT], h, V, lanes, back)
    if L[at.T_PLASTIC] != 0 and R[at.LEARN_LAYERS] != 0 and back.any():
        shift = R[at.READ_SHIFT] + L[at.T_SHIFT]
        shift += L[at.T_LIVE_SHIFT] if R[at.BATCHED] == 0 else np.int64(0)
        step_rows(bits, store, back, height, shift, lanes)
        L[at.T_UPDATES] += ones * units
    if fresh != 0 and L[at.T_PERIOD] > 0 and R[at.LEARN_LAYERS] != 0:
        slowest = np.int64(8) if R[at.BATCHED] != 0 else np.int64(12)
        low, high = L[at.T_LOW], L[at.T_HIGH]
        regulate_hidden(h, counts, thresholds, L[at.T_PERIOD], low, high, slowest)


@inline
def rehearse(R, L, i16, i32, lanes, slots, past_bits, shifts):
    """Learn remembered examples again, with the input of the temporal layer that they had."""
    classes = R[at.CLASSES]
    past = np.empty(R[at.FEATURES], np.int16)
    scores = np.empty(classes, np.int32)
    seen = R[at.REGISTERS : at.REGISTERS + classes]
    for _ in range(R[at.REPLAYS]):
        was = recall(slots, seen, past, lanes)
        if was < 0:
            break
        # The generator still stands where the place was drawn.
        place = np.int64(lanes[0]) % min(seen[was], R[at.SLOTS])
        bits = past_bits[was * R[at.SLOTS] + place]
        correct_all(R, L, i16, past, i32, bits, scores, lanes, was, shifts, np.int64(0))


@kernel(
    "void(int64[::1], int64[:, ::1], int8[::1], int16[::1], int32[::1], int32[::1], uint32[::1],"
    " int64, int64)"
)
def read_temporal(R, layers, i8, i16, i32, y, lanes, label, now):
    """Score the classes with the temporal layer; with ``label >= 0`` learn from it first.

    Parameters
    ----------
    R, layers, i8, i16, i32
        The network's registers, layer table and flat arrays.
    y
        int32[classes], overwritten with the scores before learning.
    lanes
        uint32[>= 64, and >= units]: generators.
    label
        The true class, or -1 to change nothing.
    now
        The tick.
    """
    L = layers[0]
    classes, slots_each = R[at.CLASSES], R[at.SLOTS]
    F, f, _ = readout_arrays(R, i16)
    wide, delays = (L[at.T_INPUTS] + 7) >> 3, L[at.T_DELAYS]
    bits = np.empty((delays, wide), np.int8)
    gather_delayed(L, i8, now, i32[L[at.AT_T_DELAY] : L[at.AT_T_DELAY] + delays], bits)
    taught = label if normalise_features(F, f) != 0 else np.int64(-1)
    seen = R[at.REGISTERS : at.REGISTERS + classes]
    shifts = np.full(classes, R[at.READ_SHIFT], np.int64)
    if taught >= 0 and R[at.BATCHED] == 0:
        choose_shifts(seen, label, R[at.READ_SHIFT], shifts)
    correct_all(R, L, i16, f, i32, bits, y, lanes, taught, shifts, np.int64(1))
    if taught < 0 or slots_each == 0:
        return
    bytes_f = (R[at.FEATURES] + 7) >> 3
    all_slots = i8[R[at.AT_SLOTS] : R[at.AT_SLOTS] + classes * slots_each * bytes_f]
    slots = shape3(all_slots, classes, slots_each, bytes_f)
    past = i8[L[at.AT_T_SLOTS] : L[at.AT_T_SLOTS] + classes * slots_each * delays * wide]
    past_bits = shape3(past, classes * slots_each, delays, wide)
    rehearse(R, L, i16, i32, lanes, slots, past_bits, shifts)
    offered = seen[label]
    remember(f, label, slots, seen, lanes)
    # As :func:`remember` has chosen the place.
    place = offered if offered < slots_each else np.int64(lanes[0]) % (offered + 1)
    if place < slots_each:
        past_bits[label * slots_each + place] = bits


@inline
def read(state, y, label, now, others):
    """Score the classes from the present features; with ``label >= 0`` learn from it first."""
    R, layers, i8, i16, i32, lanes = state
    if others != 0 and has_temporal(layers):
        read_temporal(R, layers, i8, i16, i32, y, lanes, label, now)
    else:
        read_features(R, i8, i16, y, lanes, label)
