"""The engine: one compiled loop over ticks, for every network.

It owns no memory: the flat arrays, the layer table and the registers come in as arguments and
hold the whole state, so that saving, loading and comparing a learner is saving, loading and
comparing arrays.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import kernel
from spikewire.qcore.kernels.fixed_point import bit_length
from spikewire.qcore.kernels.homeostasis import adapt_thresholds, count_channels
from spikewire.qcore.kernels.layout import *
from spikewire.qcore.kernels.local_learning import (
    add_readout,
    apply_gradient,
    bias_gradient,
    conv_gradient,
    local_delta,
    local_error,
    local_readout,
    normalise_gradient,
)
from spikewire.qcore.kernels.neuron import (
    BIAS,
    RESET_REFRACTORY,
    RESET_SUBTRACT,
    activate,
    fire_coarse,
    fire_refractory,
    fire_subtract,
    fire_zero,
    integrate,
    integrate_evenly,
    step_coarse,
)
from spikewire.qcore.kernels.pool import pool_max, pool_mean, pool_or, pool_sum, route, route_sum
from spikewire.qcore.kernels.readout import (
    choose_shifts,
    delta_rule,
    normalise_features,
    read_scores,
    recall,
    remember,
)
from spikewire.qcore.kernels.reshape import shape2, shape3, shape4
from spikewire.qcore.kernels.scatter import (
    SPIKES_PER_FLUSH,
    flush_drive,
    gather,
    gather_counts,
    scatter_conv,
    scatter_dense,
)
from spikewire.qcore.kernels.trace import advance_features, advance_traces

SLOWEST = 12
"""Thresholds of a network that runs live follow, in the end, by 1/4096 in 32 active ticks: by a
factor of e in two minutes."""


@kernel(
    "int64(int64[::1], int8[::1], int16[::1], int32[::1], int16[:, ::1], int32[::1], int64, int64)"
)
def step_layer(L, i8, i16, i32, spikes, spill, n_spikes, active):
    """Advance one layer by one tick; returns how many spikes its output map holds.

    Parameters
    ----------
    L
        The layer's row of the table; its counters and its LIVE flag are updated.
    i8, i16, i32
        The flat arrays.
    spikes
        int16[n, 3]: scratch; holds the layer's ``n_spikes`` input spikes, and its output spikes
        on return.
    spill
        int32: zeroed scratch of the largest layer's size.
    active
        Whether to take the neurons' activations, which only learning looks at.
    """
    rows, columns, channels = L[ROWS], L[COLUMNS], L[CHANNELS]
    places = rows * columns
    neurons = places * channels
    fired_at = L[AT_FIRED]
    output_at = L[AT_OUTPUT]
    outputs = L[OUT_ROWS] * L[OUT_COLUMNS] * channels
    if n_spikes == 0 and L[LIVE] == 0:
        return np.int64(0)
    weights_flat = i8[L[AT_WEIGHTS] :]
    drive_flat = i16[L[AT_DRIVE] : L[AT_DRIVE] + neurons]
    fan_in = L[IN_CHANNELS] * L[KERNEL_Y] * L[KERNEL_X]
    spilled = np.int64(0)
    first = np.int64(0)
    while first < n_spikes:
        last = min(first + SPIKES_PER_FLUSH, n_spikes)
        if first > 0:
            flush_drive(drive_flat, spill[:neurons])
            spilled = np.int64(1)
        if L[KIND] == DENSE:
            dense = shape2(weights_flat[: fan_in * channels], fan_in, channels)
            scatter_dense(spikes, first, last, dense, drive_flat, L[IN_ROWS], L[IN_COLUMNS])
            L[SYNAPTIC_OPERATIONS] += (last - first) * channels
        else:
            conv = shape4(
                weights_flat[: fan_in * channels],
                L[IN_CHANNELS],
                L[KERNEL_Y],
                L[KERNEL_X],
                channels,
            )
            drive = shape3(drive_flat, rows, columns, channels)
            L[SYNAPTIC_OPERATIONS] += scatter_conv(
                spikes, first, last, conv, drive, L[STRIDE], L[PAD_Y], L[PAD_X]
            )
        first = last
    drive_2d = shape2(drive_flat, places, channels)
    spill_2d = shape2(spill[:neurons], places, channels)
    u = shape2(i32[L[AT_U] : L[AT_U] + neurons], places, channels)
    v = shape2(i32[L[AT_V] : L[AT_V] + neurons], places, channels)
    r = shape2(i32[L[AT_R] : L[AT_R] + neurons], places, channels)
    table = shape2(i32[L[AT_TABLE] : L[AT_TABLE] + 8 * channels], 8, channels)
    fired = shape2(i8[fired_at : fired_at + neurons], places, channels)
    coarse = L[RESET] == RESET_REFRACTORY and L[COARSE_BITS] > 0
    if coarse and spilled == 0 and active == 0:
        L[LIVE] = step_coarse(drive_2d, u, v, r, table, fired, L[EXPONENT], L[COARSE_BITS])
    else:
        even = spilled == 0 and L[LEAK_U] >= 0
        for c in range(channels):
            if table[BIAS, c] != 0:
                even = False
        if even:
            changed = integrate_evenly(
                drive_flat,
                i32[L[AT_U] : L[AT_U] + neurons],
                i32[L[AT_V] : L[AT_V] + neurons],
                L[EXPONENT],
                L[LEAK_U],
                L[LEAK_V],
            )
        else:
            changed = integrate(drive_2d, spill_2d, u, v, table, L[EXPONENT], spilled)
        if active != 0:
            # Activations are taken between the two halves of a step.
            flat = i8[L[AT_ACTIVATION] : L[AT_ACTIVATION] + neurons]
            activation = shape2(flat, places, channels)
            activate(v, r, table, activation, L[SLOPE], L[RAIL], L[RESET], L[COARSE_BITS])
        if coarse:
            moved = fire_coarse(v, r, table, fired, L[COARSE_BITS])
        elif L[RESET] == RESET_REFRACTORY:
            moved = fire_refractory(v, r, table, fired)
        elif L[RESET] == RESET_SUBTRACT:
            moved = fire_subtract(v, r, table, fired)
        else:
            moved = fire_zero(v, r, table, fired)
        L[LIVE] = changed | moved
    if L[PLASTIC] != 0 and active == 0:
        # Activations are older than the state: it may not rest before they are taken once more.
        L[LIVE] = 1
    L[NEURON_UPDATES] += neurons
    fired_3d = shape3(i8[fired_at : fired_at + neurons], rows, columns, channels)
    out_3d = shape3(i8[output_at : output_at + outputs], L[OUT_ROWS], L[OUT_COLUMNS], channels)
    if L[POOL] > 1:
        full = shape3(i8[L[AT_ACTIVATION] : L[AT_ACTIVATION] + neurons], rows, columns, channels)
        reduced = shape3(
            i8[L[AT_OUT_ACTIVATION] : L[AT_OUT_ACTIVATION] + outputs],
            L[OUT_ROWS],
            L[OUT_COLUMNS],
            channels,
        )
        if L[POOL_KIND] == POOL_SUM:
            pool_sum(fired_3d, out_3d, L[POOL])
            if active != 0:
                pool_mean(full, reduced, L[POOL], L[RAIL])
        else:
            pool_or(fired_3d, out_3d, L[POOL])
            if active != 0:
                pool_max(full, reduced, L[POOL])
    if L[POOL_KIND] == POOL_SUM:
        n_out = gather_counts(out_3d, spikes)
    else:
        n_out = gather(out_3d, spikes)
    L[SPIKES] += n_out
    if n_out > 0:
        # A neuron can fire at a fixed point of its state: such a layer is not at rest.
        L[LIVE] = 1
    return n_out


@kernel("void(int64[::1], int8[::1], int16[::1], int32[::1], int32[::1], int64, int64)")
def learn_layer(L, i8, i16, i32, scratch, label, classes):
    """Add this tick's local gradient to a layer's, where its readout is wrong."""
    rows, columns, channels = L[ROWS], L[COLUMNS], L[CHANNELS]
    neurons = rows * columns * channels
    units = L[OUT_ROWS] * L[OUT_COLUMNS] * channels
    G = shape2(i8[L[AT_G] : L[AT_G] + classes * units], classes, units)
    out_activation_at = L[AT_OUT_ACTIVATION]
    activation = i8[out_activation_at : out_activation_at + units]
    y = scratch[:classes]
    error = scratch[classes : 2 * classes]
    local_readout(G, activation, y)
    mean = i32[L[AT_MEAN] : L[AT_MEAN] + classes]
    if (
        local_error(
            y, mean, label, L[LEARN_TARGET], L[ERROR_SHIFT], L[ERROR_RAIL], L[DEAD_ZONE], error
        )
        == 0
    ):
        return
    out_delta_at = L[AT_OUT_DELTA]
    out_delta = i8[out_delta_at : out_delta_at + units]
    if (
        local_delta(
            G, error, activation, out_delta, scratch[2 * classes :], L[DELTA_SHIFT], L[RAIL]
        )
        == 0
    ):
        return
    delta = shape3(i8[L[AT_DELTA] : L[AT_DELTA] + neurons], rows, columns, channels)
    if L[POOL] > 1:
        full = shape3(i8[L[AT_ACTIVATION] : L[AT_ACTIVATION] + neurons], rows, columns, channels)
        back = shape3(out_delta, L[OUT_ROWS], L[OUT_COLUMNS], channels)
        if L[POOL_KIND] == POOL_SUM:
            route_sum(full, back, delta, L[POOL], L[RAIL])
        else:
            reduced = shape3(activation, L[OUT_ROWS], L[OUT_COLUMNS], channels)
            route(full, reduced, back, delta, L[POOL])
    fan_in = L[IN_CHANNELS] * L[KERNEL_Y] * L[KERNEL_X]
    g = shape4(
        i32[L[AT_GRADIENT] : L[AT_GRADIENT] + fan_in * channels],
        L[IN_CHANNELS],
        L[KERNEL_Y],
        L[KERNEL_X],
        channels,
    )
    inputs = L[IN_ROWS] * L[IN_COLUMNS] * L[IN_CHANNELS]
    P = shape3(i16[L[AT_P] : L[AT_P] + inputs], L[IN_ROWS], L[IN_COLUMNS], L[IN_CHANNELS])
    conv_gradient(delta, P, g, L[STRIDE], L[PAD_Y], L[PAD_X], L[TRACE_SHIFT])
    bias_gradient(delta, i32[L[AT_BIAS_GRADIENT] : L[AT_BIAS_GRADIENT] + channels])


@kernel("void(int64[::1], int8[::1], int32[::1], int32[::1], int64, int64)")
def add_local_readout(L, i8, i32, scratch, classes, gain):
    """Add ``gain`` times a layer's local readout, less its mean, to ``scratch[:classes]``."""
    units = L[OUT_ROWS] * L[OUT_COLUMNS] * L[CHANNELS]
    G = shape2(i8[L[AT_G] : L[AT_G] + classes * units], classes, units)
    y = scratch[classes : 2 * classes]
    local_readout(G, i8[L[AT_OUT_ACTIVATION] : L[AT_OUT_ACTIVATION] + units], y)
    add_readout(scratch[:classes], y, i32[L[AT_MEAN] : L[AT_MEAN] + classes], gain)


@kernel("int64(int64[:, ::1], int8[::1], int16[::1], int32[::1], uint32[::1])")
def apply_layers(layers, i8, i16, i32, lanes):
    """Step every plastic layer by its gradient, centred and normalised by channel.

    A channel's largest gradient moves its weight by ``STEP / 16`` LSBs of the store. Biases move
    by their sign. Returns how many weights were in reach of an update.
    """
    touched = np.int64(0)
    for n in range(layers.shape[0]):
        L = layers[n]
        if L[PLASTIC] == 0:
            continue
        channels = L[CHANNELS]
        fan_in = L[IN_CHANNELS] * L[KERNEL_Y] * L[KERNEL_X]
        size = fan_in * channels
        g = shape2(i32[L[AT_GRADIENT] : L[AT_GRADIENT] + size], fan_in, channels)
        mean = np.empty(channels, np.int32)
        bits = np.empty(channels, np.int32)
        if normalise_gradient(g, mean, bits) == 0:
            continue
        store = shape2(i16[L[AT_STORE] : L[AT_STORE] + size], fan_in, channels)
        weights = shape2(i8[L[AT_WEIGHTS] : L[AT_WEIGHTS] + size], fan_in, channels)
        apply_gradient(g, mean, bits, store, weights, lanes, L[STEP], L[STORE_RAIL], L[USED_SHIFT])
        L[UPDATES] += size
        touched += size
        table = shape2(i32[L[AT_TABLE] : L[AT_TABLE] + 8 * channels], 8, channels)
        gb = i32[L[AT_BIAS_GRADIENT] : L[AT_BIAS_GRADIENT] + channels]
        by = np.int32(L[BIAS_STEP])
        if by != 0:
            # What was at rest under the old biases need not be under the new ones.
            L[LIVE] = 1
        for k in range(channels):
            if gb[k] > 0:
                table[BIAS, k] = np.int32(table[BIAS, k] + by)
            elif gb[k] < 0:
                table[BIAS, k] = np.int32(table[BIAS, k] - by)
            gb[k] = np.int32(0)
    return touched


@kernel("void(int64[::1], int64[:, ::1], int32[::1], int64)")
def regulate_layers(R, layers, i32, slowest):
    """Regulate every layer's thresholds, the more gently the more often it was done.

    The gain falls from 1/4 to 1/256 over 96 periods, and from 1,024 periods on halves as often as
    their number doubles, down to ``2**-slowest``: a new network finds its activity within a second
    of events, an experienced one only follows slow drifts. (With 1/256 for ever, one gesture shown
    for 5 s moved the shipped network's thresholds by up to two thirds, and cost the others up to
    2.3 points.)
    """
    gain_shift = min(np.int64(8), 2 + (R[PERIODS] >> 4))
    gain_shift = min(slowest, gain_shift + bit_length(R[PERIODS] >> 10))
    for n in range(layers.shape[0]):
        L = layers[n]
        channels = L[CHANNELS]
        table = shape2(i32[L[AT_TABLE] : L[AT_TABLE] + 8 * channels], 8, channels)
        chances = L[OUT_ROWS] * L[OUT_COLUMNS] * R[PERIOD_TICKS]
        if L[POOL_KIND] == POOL_SUM:
            chances *= L[POOL] * L[POOL]
        # Activations hang on thresholds: even a layer at rest has to be computed anew.
        L[LIVE] = 1
        adapt_thresholds(
            i32[L[AT_COUNT] : L[AT_COUNT] + channels], table, chances,
            L[RATE_LOW], L[RATE_HIGH], gain_shift, np.int64(L[RESET] == RESET_REFRACTORY),
        )  # fmt: skip
    R[PERIODS] += 1
    R[PERIOD_TICKS] = 0


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
    n = R[FEATURES]
    classes = R[CLASSES]
    F = i16[R[AT_FEATURE] : R[AT_FEATURE] + n]
    f = i16[R[AT_NORMAL] : R[AT_NORMAL] + n]
    store = shape2(i16[R[AT_READ_STORE] : R[AT_READ_STORE] + classes * n], classes, n)
    length = normalise_features(F, f)
    read_scores(store, f, y)
    if label < 0 or length == 0:
        return
    seen = R[REGISTERS : REGISTERS + classes]
    shifts = np.full(classes, R[READ_SHIFT], np.int64)
    if R[BATCHED] == 0:
        choose_shifts(seen, label, R[READ_SHIFT], shifts)
    R[READ_UPDATES] += delta_rule(
        y, label, R[READ_TARGET], f, store, lanes, shifts, R[READ_DEAD_ZONE]
    )
    if R[SLOTS] == 0:
        return
    wide = (n + 7) >> 3
    all_slots = i8[R[AT_SLOTS] : R[AT_SLOTS] + classes * R[SLOTS] * wide]
    slots = shape3(all_slots, classes, R[SLOTS], wide)
    past = np.empty(n, np.int16)
    scores = np.empty(classes, np.int32)
    for _ in range(R[REPLAYS]):
        was = recall(slots, seen, past, lanes)
        if was < 0:
            break
        read_scores(store, past, scores)
        R[READ_UPDATES] += delta_rule(
            scores, was, R[READ_TARGET], past, store, lanes, shifts, R[READ_DEAD_ZONE]
        )
    remember(f, label, slots, seen, lanes)


@kernel(
    "int64(int64[::1], int64[:, ::1], int8[::1], int16[::1], int32[::1], uint32[::1],"
    " int16[:, ::1], int32[::1], int32[::1],"
    " int64[::1], uint16[::1], uint16[::1], uint8[::1], int64, int64, int64,"
    " int64[::1], int32[:, ::1], int64[:, ::1], int64[:, ::1], int8[:, :, ::1])"
)
def advance(
    R, layers, i8, i16, i32, lanes,
    spikes, spill, scratch,
    tick, x, y, p, until, label, learn,
    out_tick, out_scores, out_spikes, watched, fired,
):  # fmt: skip
    """Compute ticks up to ``until`` (exclusive), taking in every event on the way.

    A tick: the events' spikes (at most one per place and polarity) enter the input map; each layer
    scatters, integrates and fires; traces advance; every ``CADENCE`` ticks plastic layers collect
    their gradient where their readout is wrong; every ``RESULT_EVERY`` ticks the readout scores.
    Ticks without events, in which no layer, trace or feature would change, are jumped over: nothing
    in them could alter a bit.

    Parameters
    ----------
    R, layers, i8, i16, i32, lanes
        The network's whole state, changed in place.
    spikes, spill, scratch
        Scratch: int16[most spikes of a map, 3]; int32[largest layer], zeroed; int32.
    tick, x, y, p
        The events, in tick order, in the model's plane.
    until
        First tick not computed.
    label, learn
        The true class or -1, and whether to learn from it.
    out_tick, out_scores, out_spikes
        Result rows: int64[m], int32[m, classes], int64[m, layers] (spikes since the row before).
    watched
        int64[layers, units]: where the output spikes that are asked for lie in ``i8``.
    fired
        int8[layers, ticks, units], zeroed: takes them, for the last so many ticks.

    Returns
    -------
    int
        How many result rows were written.
    """
    n_layers = layers.shape[0]
    events = tick.shape[0]
    classes = R[CLASSES]
    at = np.int64(0)
    rows_out = np.int64(0)
    now = R[TICK]
    if label != R[LABEL]:
        R[LABEL] = label
        R[LABEL_SINCE] = now
    if learn != R[LEARNING]:
        # Traces rest while learning is off; they start anew when it is switched on.
        R[LEARNING] = learn
        for n in range(n_layers):
            if layers[n, PLASTIC] == 0:
                continue
            inputs = layers[n, IN_ROWS] * layers[n, IN_COLUMNS] * layers[n, IN_CHANNELS]
            for i in range(inputs):
                i16[layers[n, AT_Q] + i] = np.int16(0)
                i16[layers[n, AT_P] + i] = np.int16(0)
            layers[n, TRACE_LIVE] = 0
    teaching = learn != 0 and label >= 0
    look_from = until - fired.shape[1]
    in_rows = layers[0, IN_ROWS]
    in_columns = layers[0, IN_COLUMNS]
    in_channels = layers[0, IN_CHANNELS]
    input_at = layers[0, AT_INPUT]
    while now < until:
        idle = at >= events or tick[at] > now
        if idle:
            awake = np.int64(0)
            for n in range(n_layers):
                awake |= layers[n, LIVE] | layers[n, FEATURE_LIVE]
                if learn != 0:
                    awake |= layers[n, TRACE_LIVE]
            if awake == 0 and R[CHANGED] == 0:
                target = until if at >= events else min(until, tick[at])
                R[TICKS_SKIPPED] += target - now
                now = target
                continue
        # Input spikes of this tick, binarised.
        n_spikes = np.int64(0)
        image = shape3(
            i8[input_at : input_at + in_rows * in_columns * in_channels],
            in_rows,
            in_columns,
            in_channels,
        )
        while at < events and tick[at] == now:
            polarity = np.int64(p[at]) if in_channels > 1 else np.int64(0)
            if image[y[at], x[at], polarity] == 0:
                image[y[at], x[at], polarity] = np.int8(1)
                spikes[n_spikes, 0] = np.int16(polarity)
                spikes[n_spikes, 1] = np.int16(y[at])
                spikes[n_spikes, 2] = np.int16(x[at])
                n_spikes += 1
            else:
                R[MERGED] += 1
            at += 1
            R[EVENTS] += 1
        n_input = n_spikes
        if n_input > 0:
            R[CHANGED] = 1
        for n in range(n_layers):
            L = layers[n]
            if learn != 0 and (n_spikes > 0 or L[TRACE_LIVE] != 0) and L[PLASTIC] != 0:
                inputs = L[IN_ROWS] * L[IN_COLUMNS] * L[IN_CHANNELS]
                L[TRACE_LIVE] = advance_traces(
                    i8[L[AT_INPUT] : L[AT_INPUT] + inputs],
                    i16[L[AT_Q] : L[AT_Q] + inputs],
                    i16[L[AT_P] : L[AT_P] + inputs],
                    L[KICK], L[FAST], L[SLOW], L[Q_RAIL], L[P_LIFT],
                )  # fmt: skip
            if n == 0:
                for k in range(n_input):
                    image[spikes[k, 1], spikes[k, 2], spikes[k, 0]] = np.int8(0)
            active = np.int64(L[PLASTIC] != 0 and now % R[CADENCE] == 0)
            n_spikes = step_layer(L, i8, i16, i32, spikes, spill, n_spikes, active)
            if learn != 0 and R[PERIOD] > 0:
                counts = i32[L[AT_COUNT] : L[AT_COUNT] + L[CHANNELS]]
                count_channels(spikes, n_spikes, counts)
            if L[READ] != 0 and (n_spikes > 0 or L[FEATURE_LIVE] != 0):
                units = L[OUT_ROWS] * L[OUT_COLUMNS] * L[CHANNELS]
                L[FEATURE_LIVE] = advance_features(
                    i8[L[AT_OUTPUT] : L[AT_OUTPUT] + units],
                    i16[L[AT_FEATURES] : L[AT_FEATURES] + units],
                    R[FEATURE_KICK], R[FEATURE_SLOW],
                )  # fmt: skip
                R[CHANGED] |= L[FEATURE_LIVE]
        if learn != 0 and R[PERIOD] > 0 and n_input > 0:
            R[PERIOD_TICKS] += 1
            if R[PERIOD_TICKS] >= R[PERIOD]:
                regulate_layers(R, layers, i32, SLOWEST)
        warm = now - R[LABEL_SINCE] >= R[BURN_IN]
        if teaching and warm and R[LEARN_LAYERS] != 0 and now % R[CADENCE] == 0:
            some = np.int64(0)
            for n in range(n_layers):
                L = layers[n]
                if L[PLASTIC] != 0 and L[TRACE_LIVE] != 0:
                    learn_layer(L, i8, i16, i32, scratch, label, classes)
                    some = np.int64(1)
            R[PENDING] += some
            if R[APPLY_EVERY] > 0 and R[PENDING] >= R[APPLY_EVERY]:
                R[PENDING] = 0
                apply_layers(layers, i8, i16, i32, lanes)
        if teaching and warm and R[CHANGED] != 0 and now % R[READ_EVERY] == 0:
            read_features(R, i8, i16, scratch[:classes], lanes, label)
        if now % R[RESULT_EVERY] == 0 and R[CHANGED] != 0:
            R[CHANGED] = 0
            read_features(R, i8, i16, scratch[:classes], lanes, np.int64(-1))
            if R[LOCAL_GAIN] > 0:
                for n in range(n_layers):
                    if layers[n, PLASTIC] != 0:
                        add_local_readout(layers[n], i8, i32, scratch, classes, R[LOCAL_GAIN])
            out_tick[rows_out] = now
            for k in range(classes):
                out_scores[rows_out, k] = scratch[k]
            for n in range(n_layers):
                out_spikes[rows_out, n] = layers[n, SPIKES] - layers[n, SPIKES_REPORTED]
                layers[n, SPIKES_REPORTED] = layers[n, SPIKES]
            rows_out += 1
        if now >= look_from:
            for n in range(n_layers):
                for k in range(watched.shape[1]):
                    fired[n, now - look_from, k] = i8[watched[n, k]]
        now += 1
        R[TICKS_RUN] += 1
    R[TICK] = now
    return rows_out
