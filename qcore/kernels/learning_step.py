"""The learning half of a tick: gradients collected and applied, thresholds, the trained readout."""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.gradient import conv_gradient
from spikewire.qcore.kernels.homeostasis import adapt_thresholds, regulation_gain
from spikewire.qcore.kernels.local_learning import (
    add_readout,
    apply_gradient,
    bias_gradient,
    carry_back,
    local_delta,
    local_error,
    local_readout,
    trained_delta,
)
from spikewire.qcore.kernels.neuron import BIAS, RESET_REFRACTORY
from spikewire.qcore.kernels.pairs import keep_traces, step_by_pairs
from spikewire.qcore.kernels.pool import route, route_sum
from spikewire.qcore.kernels.quantiser import (
    finish_delta,
    measure_gradient,
    normalised_delta,
    normalised_error,
)
from spikewire.qcore.kernels.readout import (
    choose_shifts,
    delta_rule,
    normalise_features,
    read_scores,
    recall,
    remember,
)
from spikewire.qcore.kernels.reshape import shape2, shape3, shape4
from spikewire.qcore.kernels.rests import step_weights

SLOWEST = 12
"""Thresholds of a network that runs live follow, in the end, by 1/4096 in 32 active ticks: by a
factor of e in two minutes."""


@inline
def place_of_delta(L, units):
    """Return where in int8 the errors of the layer's output units are kept."""
    return L[at.AT_OUT_DELTA] + (L[at.PAIRS] * units if L[at.POOL] == 1 else 0)


@inline
def output_delta(L, i8, i32, scratch, label, classes):
    """Bring the readout's error back to the layer's output units; return 0 if there is none."""
    units = L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * L[at.CHANNELS]
    G = shape2(i8[L[at.AT_G] : L[at.AT_G] + classes * units], classes, units)
    activation = i8[L[at.AT_OUT_ACTIVATION] : L[at.AT_OUT_ACTIVATION] + units]
    y = scratch[:classes]
    error = scratch[classes : 2 * classes]
    local_readout(G, activation, y)
    mean = i32[L[at.AT_MEAN] : L[at.AT_MEAN] + classes]
    target, shift, rail = L[at.LEARN_TARGET], L[at.ERROR_SHIFT], L[at.ERROR_RAIL]
    if L[at.ERROR_LARGEST] != 0:
        wrong = normalised_error(y, mean, label, target, shift, rail, L[at.DEAD_ZONE], error)
    else:
        wrong = local_error(y, mean, label, target, shift, rail, L[at.DEAD_ZONE], error)
    if wrong == 0:
        return np.int64(0)
    if L[at.AT_FEEDBACK] != 0:
        G = shape2(i8[L[at.AT_FEEDBACK] : L[at.AT_FEEDBACK] + classes * units], classes, units)
    delta_at = place_of_delta(L, units)
    delta = i8[delta_at : delta_at + units]
    sums = scratch[2 * classes :]
    delta_rail = (np.int64(128) >> L[at.DELTA_CUT]) - 1
    if L[at.DELTA_LARGEST] != 0:
        return normalised_delta(G, error, activation, delta, sums, L[at.RAIL], delta_rail)
    return local_delta(G, error, activation, delta, sums, L[at.DELTA_SHIFT], L[at.RAIL], delta_rail)


@inline
def carry_shift(L):
    """Return the shift of sums that the next layer carries back; below 0 if it carries none."""
    return -1 - L[at.ERROR_SHIFT]


@inline
def output_delta_of_trained(R, L, i8, i16, scratch, error, carried):
    """Bring the trained readout's errors back to the layer's output units, beside those carried.

    Returns how many units have an error.
    """
    units = L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * L[at.CHANNELS]
    n, classes = R[at.FEATURES], R[at.CLASSES]
    store = shape2(i16[R[at.AT_READ_STORE] : R[at.AT_READ_STORE] + classes * n], classes, n)
    activation = i8[L[at.AT_OUT_ACTIVATION] : L[at.AT_OUT_ACTIVATION] + units]
    delta_at = place_of_delta(L, units)
    heard = error[: classes if L[at.READ] != 0 else 0]
    return trained_delta(
        store, L[at.AT_FEATURES] - R[at.AT_FEATURE], heard, activation,
        i8[delta_at : delta_at + units], scratch, carry_shift(L) if carried != 0 else np.int64(-1),
        L[at.DELTA_SHIFT], L[at.RAIL], (np.int64(128) >> L[at.DELTA_CUT]) - 1,
    )  # fmt: skip


@inline
def weigh_delta(L, i8, delta):
    """Weigh the neurons' errors by the sigmoid's slope, and divide them by their largest."""
    if L[at.SIGMOID_BITS] == 0 and L[at.DELTA_LARGEST] == 0:
        return
    activation = i8[L[at.AT_ACTIVATION] : L[at.AT_ACTIVATION] + delta.shape[0]]
    finish_delta(
        delta, activation, L[at.RAIL], (np.int64(128) >> L[at.DELTA_CUT]) - 1,
        np.int64(L[at.SIGMOID_BITS] != 0), L[at.DELTA_LARGEST],
    )  # fmt: skip


@inline
def route_back(L, i8, delta):
    """Route the output units' error through the pooling to ``delta``, int8[rows, columns, c]."""
    rows, columns, channels = L[at.OUT_ROWS], L[at.OUT_COLUMNS], L[at.CHANNELS]
    units = rows * columns * channels
    full_flat = i8[L[at.AT_ACTIVATION] : L[at.AT_ACTIVATION] + delta.size]
    full = shape3(full_flat, L[at.ROWS], L[at.COLUMNS], channels)
    back = shape3(i8[L[at.AT_OUT_DELTA] : L[at.AT_OUT_DELTA] + units], rows, columns, channels)
    if L[at.POOL_KIND] == at.POOL_SUM:
        route_sum(full, back, delta, L[at.POOL], L[at.RAIL])
    else:
        reduced_flat = i8[L[at.AT_OUT_ACTIVATION] : L[at.AT_OUT_ACTIVATION] + units]
        route(full, shape3(reduced_flat, rows, columns, channels), back, delta, L[at.POOL])


@inline
def carry_to_before(layers, n, i8, delta, sums):
    """Carry a layer's errors back to the layer before, if that learns by them in this tick.

    Returns 1 if ``sums`` holds what was carried.
    """
    if n == 0 or carry_shift(layers[n - 1]) < 0:
        return np.int64(0)
    if layers[n - 1, at.PLASTIC] == 0 or layers[n - 1, at.TRACE_LIVE] == 0:
        return np.int64(0)
    L = layers[n]
    inputs, channels = L[at.IN_CHANNELS], L[at.CHANNELS]
    size = inputs * L[at.KERNEL_Y] * L[at.KERNEL_X] * channels
    weights = shape4(
        i8[L[at.AT_WEIGHTS] : L[at.AT_WEIGHTS] + size],
        inputs, L[at.KERNEL_Y], L[at.KERNEL_X], channels,
    )  # fmt: skip
    flat = sums[: L[at.IN_ROWS] * L[at.IN_COLUMNS] * inputs]
    back = shape3(flat, L[at.IN_ROWS], L[at.IN_COLUMNS], inputs)
    carry_back(delta, weights, back, L[at.STRIDE], L[at.PAD_Y], L[at.PAD_X])
    return np.int64(1)


@kernel(
    "int64(int64[::1], int64[:, ::1], int64, int8[::1], int16[::1], int32[::1], int32[::1],"
    " int32[::1], int64, int64)"
)
def learn_layer(R, layers, n, i8, i16, i32, scratch, error, label, carried):
    """Add this tick's local gradient to a layer's, where its readout is wrong.

    Parameters
    ----------
    R
        The network's registers.
    layers, n
        int64[layers, columns]: the layer table; and the layer's row. Layers that carry errors back
        learn from the last to the first.
    i8, i16, i32
        The flat arrays.
    scratch
        int32[2 * classes + units], overwritten.
    error
        int32[classes]: errors of the trained readout, for a layer that learns by these.
    label
        Index of the true class.
    carried
        1 if ``scratch`` begins with sums that the next layer has carried back to this one's units.

    Returns
    -------
    int
        1 if ``scratch`` begins with sums that this layer has carried back.
    """
    L = layers[n]
    rows, columns, channels = L[at.ROWS], L[at.COLUMNS], L[at.CHANNELS]
    neurons = rows * columns * channels
    if L[at.AT_FEEDBACK] < 0:
        if output_delta_of_trained(R, L, i8, i16, scratch, error, carried) == 0:
            return np.int64(0)
    elif output_delta(L, i8, i32, scratch, label, R[at.CLASSES]) == 0:
        return np.int64(0)
    delta_at = L[at.AT_DELTA] + L[at.PAIRS] * neurons
    delta = shape3(i8[delta_at : delta_at + neurons], rows, columns, channels)
    if L[at.POOL] > 1:
        route_back(L, i8, delta)
    weigh_delta(L, i8, i8[delta_at : delta_at + neurons])
    bias_gradient(delta, i32[L[at.AT_BIAS_GRADIENT] : L[at.AT_BIAS_GRADIENT] + channels])
    carries = carry_to_before(layers, n, i8, delta, scratch)
    inputs = L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS]
    traces = i16[L[at.AT_P] : L[at.AT_P] + inputs]
    if L[at.AT_GRADIENT] < 0:
        traces_at = L[at.AT_PAIR_TRACES] + L[at.PAIRS] * inputs
        keep_traces(traces, i8[traces_at : traces_at + inputs], L[at.TRACE_SHIFT])
        L[at.PAIRS] += 1
        return carries
    fan_in = L[at.IN_CHANNELS] * L[at.KERNEL_Y] * L[at.KERNEL_X]
    g = shape4(
        i32[L[at.AT_GRADIENT] : L[at.AT_GRADIENT] + fan_in * channels],
        L[at.IN_CHANNELS], L[at.KERNEL_Y], L[at.KERNEL_X], channels,
    )  # fmt: skip
    P = shape3(traces, L[at.IN_ROWS], L[at.IN_COLUMNS], L[at.IN_CHANNELS])
    conv_gradient(delta, P, g, L[at.STRIDE], L[at.PAD_Y], L[at.PAD_X], L[at.TRACE_SHIFT])
    return carries


@kernel("void(int64[::1], int8[::1], int32[::1], int32[::1], int64, int64)")
def add_local_readout(L, i8, i32, scratch, classes, gain):
    """Add ``gain`` times a layer's local readout, less its mean, to ``scratch[:classes]``."""
    units = L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * L[at.CHANNELS]
    G = shape2(i8[L[at.AT_G] : L[at.AT_G] + classes * units], classes, units)
    y = scratch[classes : 2 * classes]
    local_readout(G, i8[L[at.AT_OUT_ACTIVATION] : L[at.AT_OUT_ACTIVATION] + units], y)
    add_readout(scratch[:classes], y, i32[L[at.AT_MEAN] : L[at.AT_MEAN] + classes], gain)


@inline
def measure(L, g, mean, bits):
    """Find what the layer's gradient is divided by; return 0 if there is none."""
    kind = L[at.GRADIENT_KIND]
    centre = np.int64((kind & at.WITH_MEAN) == 0)
    return measure_gradient(g, mean, bits, centre, np.int64((kind & at.BY_TENSOR) != 0))


@inline
def step_biases(L, i16, gb, table, mean, bits, lanes):
    """Step the stored biases as weights are stepped, and refresh those in use; clear ``gb``."""
    channels = gb.shape[0]
    g = shape2(gb, 1, channels)
    if measure_gradient(g, mean, bits, np.int64(0), np.int64(1)) == 0:
        return
    store = shape2(i16[L[at.AT_BIAS_STORE] : L[at.AT_BIAS_STORE] + channels], 1, channels)
    used = np.empty((1, channels), np.int8)
    apply_gradient(
        g, mean, bits, store, used, lanes, np.int64(0),
        L[at.STEP], L[at.STEP_BITS], L[at.STORE_RAIL], L[at.USED_SHIFT], L[at.ROUNDED],
    )  # fmt: skip
    for k in range(channels):
        table[BIAS, k] = np.int32(np.int32(used[0, k]) << L[at.BIAS_EXPONENT])


@inline
def move_biases(gb, table, by):
    """Move biases by the sign of their gradients; clear ``gb``."""
    for k in range(gb.shape[0]):
        if gb[k] > 0:
            table[BIAS, k] = np.int32(table[BIAS, k] + by)
        elif gb[k] < 0:
            table[BIAS, k] = np.int32(table[BIAS, k] - by)
        gb[k] = np.int32(0)


@inline
def step_by_sums(L, i8, i16, i32, lanes, mean, bits):
    """Step a layer's weights by its summed gradient; return 0 if there is none."""
    channels = L[at.CHANNELS]
    fan_in = L[at.IN_CHANNELS] * L[at.KERNEL_Y] * L[at.KERNEL_X]
    size = fan_in * channels
    g = shape2(i32[L[at.AT_GRADIENT] : L[at.AT_GRADIENT] + size], fan_in, channels)
    if measure(L, g, mean, bits) == 0:
        return np.int64(0)
    step_weights(L, i8, i16, g, mean, bits, lanes, np.int64(0))
    return np.int64(1)


@kernel("int64(int64[:, ::1], int8[::1], int16[::1], int32[::1], uint32[::1], int32[::1])")
def apply_layers(layers, i8, i16, i32, lanes, work):
    """Step every plastic layer by its gradient, normalised and centred as the layer says.

    The largest gradient, of a channel or of all, moves its weight by
    ``STEP / 2**(4 + STEP_BITS)`` LSBs of the store. Biases move likewise, or by their sign.
    Returns how many weights were in reach of an update. ``work`` is zeroed scratch, as
    :func:`step_by_pairs` needs it.
    """
    touched = np.int64(0)
    for n in range(layers.shape[0]):
        L = layers[n]
        if L[at.PLASTIC] == 0:
            continue
        channels = L[at.CHANNELS]
        fan_in = L[at.IN_CHANNELS] * L[at.KERNEL_Y] * L[at.KERNEL_X]
        size = fan_in * channels
        mean = np.empty(channels, np.int32)
        bits = np.empty(channels, np.int32)
        if L[at.AT_GRADIENT] < 0:
            if step_by_pairs(L, i8, i16, work, lanes) == 0:
                continue
        elif step_by_sums(L, i8, i16, i32, lanes, mean, bits) == 0:
            continue
        L[at.UPDATES] += size
        touched += size
        table = shape2(i32[L[at.AT_TABLE] : L[at.AT_TABLE] + 8 * channels], 8, channels)
        gb = i32[L[at.AT_BIAS_GRADIENT] : L[at.AT_BIAS_GRADIENT] + channels]
        by = np.int32(L[at.BIAS_STEP])
        if by != 0 or L[at.AT_BIAS_STORE] != 0 or L[at.DYNAMICS] == at.TRACES:
            # A layer at rest under the old biases, or old weights of traces that are not zero, need
            # not be so under the new ones.
            L[at.LIVE] = 1
        if L[at.AT_BIAS_STORE] != 0:
            step_biases(L, i16, gb, table, mean, bits, lanes)
        else:
            move_biases(gb, table, by)
    return touched


@kernel("void(int64[::1], int64[:, ::1], int32[::1], int64)")
def regulate_layers(R, layers, i32, slowest):
    """Adapt every layer's thresholds, the more gently the more often it was done.

    Those of layers on the general kernels, which come from elsewhere, stay as they are.

    How much follows from :func:`~.homeostasis.regulation_gain`.
    """
    gain_shift = regulation_gain(R[at.PERIODS], slowest)
    for n in range(layers.shape[0]):
        L = layers[n]
        if L[at.DYNAMICS] == at.GENERAL:
            continue
        channels = L[at.CHANNELS]
        table = shape2(i32[L[at.AT_TABLE] : L[at.AT_TABLE] + 8 * channels], 8, channels)
        chances = L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * R[at.PERIOD_TICKS]
        if L[at.POOL_KIND] == at.POOL_SUM:
            chances *= L[at.POOL] * L[at.POOL]
        # Activations hang on thresholds: even a layer at rest has to be computed anew.
        L[at.LIVE] = 1
        follows = L[at.RESET] == RESET_REFRACTORY and L[at.OWN_KICK] == 0
        adapt_thresholds(
            i32[L[at.AT_COUNT] : L[at.AT_COUNT] + channels], table, chances,
            L[at.RATE_LOW], L[at.RATE_HIGH], gain_shift, np.int64(follows),
        )  # fmt: skip
    R[at.PERIODS] += 1
    R[at.PERIOD_TICKS] = 0


@kernel("void(int64[::1], int8[::1], int16[::1], int32[::1], uint32[::1], int64)")
def read_features(R, i8, i16, y, lanes, label):
    """Score the classes from the present features; with ``label >= 0`` learn from it first.

    Parameters
    ----------
    R
        The network's registers.
    i8, i16
        The flat arrays.
    y
        int32[classes], overwritten with the scores before learning.
    lanes
        uint32[>= 64]: the readout's generators.
    label
        The true class, or -1 to leave the readout as it is.
    """
    n = R[at.FEATURES]
    classes = R[at.CLASSES]
    F = i16[R[at.AT_FEATURE] : R[at.AT_FEATURE] + n]
    f = i16[R[at.AT_NORMAL] : R[at.AT_NORMAL] + n]
    store = shape2(i16[R[at.AT_READ_STORE] : R[at.AT_READ_STORE] + classes * n], classes, n)
    length = normalise_features(F, f)
    read_scores(store, f, y)
    if label < 0 or length == 0:
        return
    seen = R[at.REGISTERS : at.REGISTERS + classes]
    shifts = np.full(classes, R[at.READ_SHIFT], np.int64)
    if R[at.BATCHED] == 0:
        choose_shifts(seen, label, R[at.READ_SHIFT], shifts)
    R[at.READ_UPDATES] += delta_rule(
        y, label, R[at.READ_TARGET], f, store, lanes, shifts, R[at.READ_DEAD_ZONE]
    )
    if R[at.SLOTS] == 0:
        return
    wide = (n + 7) >> 3
    all_slots = i8[R[at.AT_SLOTS] : R[at.AT_SLOTS] + classes * R[at.SLOTS] * wide]
    slots = shape3(all_slots, classes, R[at.SLOTS], wide)
    past = np.empty(n, np.int16)
    scores = np.empty(classes, np.int32)
    for _ in range(R[at.REPLAYS]):
        was = recall(slots, seen, past, lanes)
        if was < 0:
            break
        read_scores(store, past, scores)
        R[at.READ_UPDATES] += delta_rule(
            scores, was, R[at.READ_TARGET], past, store, lanes, shifts, R[at.READ_DEAD_ZONE]
        )
    remember(f, label, slots, seen, lanes)
