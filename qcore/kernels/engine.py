"""The engine: one compiled loop over ticks, for every network.

It owns no memory: the flat arrays, the layer table and the registers come in as arguments and
hold the whole state, so that saving, loading and comparing a learner is saving, loading and
comparing arrays.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.answers import has_prototypes, learn_means, means_hold
from spikewire.qcore.kernels.fixed_point import bit_length
from spikewire.qcore.kernels.gain import begin_gain, end_gain, follow_input
from spikewire.qcore.kernels.general_layer import step_general_layer
from spikewire.qcore.kernels.homeostasis import count_channels
from spikewire.qcore.kernels.layer import step_layer
from spikewire.qcore.kernels.learning_step import (
    SLOWEST,
    apply_layers,
    learn_layer,
    regulate_layers,
)
from spikewire.qcore.kernels.local_learning import trained_error
from spikewire.qcore.kernels.reshape import shape3
from spikewire.qcore.kernels.results import record_probe, write_row
from spikewire.qcore.kernels.temporal_step import follow_features, has_temporal, read
from spikewire.qcore.kernels.trace import advance_features, advance_traces
from spikewire.qcore.kernels.traced_layer import (
    follow_input_map,
    mark_stale,
    step_traced_layer,
)


@inline
def begin_call(state, label, learn):
    """Take over the label, and start traces anew where learning is switched on or off."""
    R, layers, _, i16, _, _ = state
    if label != R[at.LABEL]:
        R[at.LABEL] = label
        R[at.LABEL_SINCE] = R[at.TICK]
    if learn == R[at.LEARNING]:
        return
    R[at.LEARNING] = learn
    for n in range(layers.shape[0]):
        L = layers[n]
        if L[at.PLASTIC] == 0 or L[at.DYNAMICS] == at.TRACES:
            continue
        inputs = L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS]
        for i in range(inputs):
            i16[L[at.AT_Q] + i] = np.int16(0)
            i16[L[at.AT_P] + i] = np.int16(0)
        L[at.TRACE_LIVE] = 0


@inline
def skip_idle(R, layers, tick, position, now, until, learn, others):
    """Return the next tick to compute: ``now``, or a later one if nothing could change till then.

    That is so without events, where no layer, trace or feature would change.
    """
    if position < tick.shape[0] and tick[position] <= now:
        return now
    awake = R[at.CHANGED]
    if others != 0 and has_temporal(layers):
        awake |= layers[0, at.T_LIVE]
    for n in range(layers.shape[0]):
        awake |= layers[n, at.LIVE] | layers[n, at.FEATURE_LIVE]
        if learn != 0:
            awake |= layers[n, at.TRACE_LIVE]
    if awake != 0:
        return now
    target = until if position >= tick.shape[0] else min(until, tick[position])
    R[at.TICKS_SKIPPED] += target - now
    return target


@inline
def input_map(state):
    """View the network's input map: int8[rows, columns, channels]."""
    _, layers, i8, _, _, _ = state
    L = layers[0]
    rows, columns, channels = L[at.IN_ROWS], L[at.IN_COLUMNS], L[at.IN_CHANNELS]
    start = L[at.AT_INPUT]
    return shape3(i8[start : start + rows * columns * channels], rows, columns, channels)


@inline
def take_input(R, image, spikes, events, position, now):
    """Enter this tick's events, one spike at most per place and channel, or INPUT_MOST.

    Returns the position of the first later event, and the number of input spikes.
    """
    tick, x, y, p = events
    n_spikes = np.int64(0)
    below = max(np.int64(1), R[at.INPUT_MOST])
    while position < tick.shape[0] and tick[position] == now:
        polarity = np.int64(p[position]) if image.shape[2] > 1 else np.int64(0)
        held = image[y[position], x[position], polarity]
        if held < below:
            image[y[position], x[position], polarity] = np.int8(held + 1)
            spikes[n_spikes, 0] = np.int16(polarity)
            spikes[n_spikes, 1] = np.int16(y[position])
            spikes[n_spikes, 2] = np.int16(x[position])
            n_spikes += 1
        else:
            R[at.MERGED] += 1
        position += 1
        R[at.EVENTS] += 1
    if n_spikes > 0:
        R[at.CHANGED] = 1
    return position, n_spikes


@inline
def advance_layer_traces(L, i8, i16):
    """Advance the traces of a layer's input map by one tick."""
    inputs = L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS]
    L[at.TRACE_LIVE] = advance_traces(
        i8[L[at.AT_INPUT] : L[at.AT_INPUT] + inputs],
        i16[L[at.AT_Q] : L[at.AT_Q] + inputs],
        i16[L[at.AT_P] : L[at.AT_P] + inputs],
        L[at.KICK], L[at.FAST], L[at.SLOW], L[at.Q_RAIL], L[at.P_LIFT],
    )  # fmt: skip


@inline
def advance_layer_features(R, L, i8, i16):
    """Advance the readout's features of a layer by one tick."""
    units = L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * L[at.CHANNELS]
    L[at.FEATURE_LIVE] = advance_features(
        i8[L[at.AT_OUTPUT] : L[at.AT_OUTPUT] + units],
        i16[L[at.AT_FEATURES] : L[at.AT_FEATURES] + units],
        R[at.FEATURE_KICK], R[at.FEATURE_SLOW],
    )  # fmt: skip
    R[at.CHANGED] |= L[at.FEATURE_LIVE]


@inline
def step_layers(state, scratch, image, n_input, now, learn, others, plastic, counts):
    """Advance all layers by one tick, each with the spikes of the one before.

    ``others`` is 1 if layers on traces and general layers may be among them, ``plastic`` if layers
    that learn may be; ``counts`` if spikes are counted, by which thresholds are regulated.
    """
    R, layers, i8, i16, i32, _ = state
    spikes, spill, _ = scratch
    n_spikes = n_input
    for n in range(layers.shape[0]):
        L = layers[n]
        moved = np.int64(0)
        if others != 0 and L[at.DYNAMICS] == at.TRACES:
            moved = follow_input_map(L, i8, i16, spill, n_spikes)
        elif (
            learn != 0
            and plastic != 0
            and (n_spikes > 0 or L[at.TRACE_LIVE] != 0)
            and L[at.PLASTIC] != 0
        ):
            advance_layer_traces(L, i8, i16)
        if n == 0:
            for k in range(n_input):
                image[spikes[k, 1], spikes[k, 2], spikes[k, 0]] = np.int8(0)
        scored = L[at.ANSWERS] != 0 and now % R[at.RESULT_EVERY] == 0
        active = np.int64(scored or (L[at.PLASTIC] != 0 and now % R[at.CADENCE] == 0))
        if others != 0 and L[at.DYNAMICS] == at.TRACES:
            n_spikes = step_traced_layer(L, i8, i16, i32, spikes, spill, n_spikes, active, moved)
        elif others != 0 and L[at.DYNAMICS] == at.GENERAL:
            n_spikes = step_general_layer(L, i8, i32, spikes, n_spikes, now)
        else:
            n_spikes = step_layer(L, i8, i16, i32, spikes, spill, n_spikes, active)
        R[at.CHANGED] |= L[at.NEWS]
        L[at.NEWS] = 0
        if counts != 0:
            own = i32[L[at.AT_COUNT] : L[at.AT_COUNT] + L[at.CHANNELS]]
            count_channels(spikes, n_spikes, own)
        if L[at.READ] != 0 and (n_spikes > 0 or L[at.FEATURE_LIVE] != 0):
            advance_layer_features(R, L, i8, i16)


@inline
def is_regulated(R, layers, i32, learn, others):
    """Return 1 if spikes are counted and thresholds follow: not where class means hold any."""
    if others != 0 and means_hold(layers, i32):
        return np.int64(0)
    return np.int64(learn != 0 and R[at.PERIOD] > 0)


@inline
def regulate(state):
    """Count an active tick, and adapt all thresholds at the end of a period."""
    R, layers, _, _, i32, _ = state
    R[at.PERIOD_TICKS] += 1
    if R[at.PERIOD_TICKS] >= R[at.PERIOD]:
        regulate_layers(R, layers, i32, SLOWEST)


@inline
def find_errors(state, error, rail, label, now, others):
    """Find the errors of the trained readout; return 0 if there are none.

    The target is ``rail + 1``: an error of the size of the target just saturates.
    """
    R = state[0]
    read(state, error, np.int64(-1), now, others)
    shift = max(bit_length(R[at.READ_TARGET]) - bit_length(rail + 1), np.int64(0))
    return trained_error(error, label, R[at.READ_TARGET], R[at.READ_DEAD_ZONE], shift, rail)


@inline
def learn_tick(state, scratch, label, now, others, plastic):
    """Learn from the label: plastic layers at their cadence, the readout at its own."""
    R, layers, i8, i16, i32, lanes = state
    _, work, sums = scratch
    classes = R[at.CLASSES]
    if now - R[at.LABEL_SINCE] < R[at.BURN_IN]:
        return
    if plastic != 0 and R[at.LEARN_LAYERS] != 0 and now % R[at.CADENCE] == 0:
        some = np.int64(0)
        error = np.empty(classes, np.int32)
        wrong = np.int64(-1)
        carried = np.int64(0)
        for n in range(layers.shape[0] - 1, -1, -1):
            L = layers[n]
            if L[at.PLASTIC] == 0 or L[at.TRACE_LIVE] == 0:
                continue
            if L[at.AT_FEEDBACK] < 0 and wrong < 0:
                # All layers learn by the same errors: those of the readout before its own step.
                wrong = find_errors(state, error, L[at.ERROR_RAIL], label, now, others)
            if wrong != 0:
                carried = learn_layer(R, layers, n, i8, i16, i32, sums, error, label, carried)
            some = np.int64(1)
        R[at.PENDING] += some
        if R[at.APPLY_EVERY] > 0 and R[at.PENDING] >= R[at.APPLY_EVERY]:
            R[at.PENDING] = 0
            apply_layers(layers, i8, i16, i32, lanes, work)
            mark_stale(layers, 1)
    if R[at.CHANGED] != 0 and now % R[at.READ_EVERY] == 0:
        read(state, sums[:classes], label, now, others)
        if others != 0 and has_prototypes(layers):
            learn_means(R, layers, i16, i32, lanes, label)


@inline
def compute_ticks(state, scratch, events, until, label, learn, results, probe, others, plastic):
    """Do as :func:`advance`, without what ``others``, ``plastic`` and constants rule out."""
    R, layers, _, _, i32, _ = state
    position = np.int64(0)
    rows = np.int64(0)
    now = R[at.TICK]
    begin_call(state, label, learn)
    base = begin_gain(R, layers, i32)
    if others != 0:
        # Weights may have been set since the call before.
        mark_stale(layers, 1)
    image = input_map(state)
    probe_from = until - probe[1].shape[1]
    while now < until:
        ahead = skip_idle(R, layers, events[0], position, now, until, learn, others)
        if ahead != now:
            now = ahead
            continue
        position, n_input = take_input(R, image, scratch[0], events, position, now)
        if base.shape[0] > 0 and n_input > 0:
            follow_input(R, layers, i32, base, n_input)
        regulated = is_regulated(R, layers, i32, learn, others)
        step_layers(state, scratch, image, n_input, now, learn, others, plastic, regulated)
        if others != 0 and has_temporal(layers):
            follow_features(R, layers, state[2], state[3], now)
        if regulated != 0 and n_input > 0:
            regulate(state)
        if learn != 0 and label >= 0:
            learn_tick(state, scratch, label, now, others, plastic)
        if now % R[at.RESULT_EVERY] == 0 and R[at.CHANGED] != 0:
            write_row(state, scratch, results, rows, now, others)
            rows += 1
        if now >= probe_from:
            record_probe(state, probe, now - probe_from)
        now += 1
        R[at.TICKS_RUN] += 1
    if others != 0:
        mark_stale(layers, 0)
    end_gain(layers, i32, base)
    R[at.TICK] = now
    return rows


_ARGUMENTS = (
    "Tuple((int64[::1], int64[:, ::1], int8[::1], int16[::1], int32[::1], uint32[::1])),"
    " Tuple((int16[:, ::1], int32[::1], int32[::1])),"
    " Tuple((int64[::1], uint16[::1], uint16[::1], uint8[::1])), int64, int64, {}"
    " Tuple((int64[::1], int32[:, ::1], int64[:, ::1])), Tuple((int64[:, ::1], int8[:, :, ::1]))"
)


_OTHER_LAYERS = ("general_layer", "traced_layer", "temporal_step", "kernels.answers")


@kernel(f"int64({_ARGUMENTS.format('int64,')})")
def advance(state, scratch, events, until, label, learn, results, probe):
    """Compute ticks up to ``until`` (exclusive), with all their events.

    A tick: the events' spikes (at most one per place and channel by default) enter the input map;
    with gain control the first layer's thresholds follow their number; each layer scatters,
    integrates and fires; traces advance; every ``CADENCE`` ticks plastic layers collect their
    gradient where their readout is wrong; every ``RESULT_EVERY`` ticks the readout scores.
    Ticks without events, in which no layer, trace or feature would change, are jumped over: nothing
    in them could alter a bit.

    Parameters
    ----------
    state
        The network's whole state, changed in place: registers, layer table, and the flat arrays
        int8, int16, int32 and uint32 (generators).
    scratch
        Scratch: int16[most spikes of a map, 3]; int32[largest layer], zeroed; int32.
    events
        ``tick``, ``x``, ``y`` and ``p`` of the events, in tick order, in the model's plane.
    until
        First tick not computed.
    label, learn
        The true class or -1, and 1 to learn from it.
    results
        Result rows: int64[m] ticks, int32[m, classes] scores, int64[m, layers] spikes since the
        row before.
    probe
        int64[layers, units], the places of the probed units' output spikes in int8; and
        int8[layers, ticks, units], zeroed, for their spikes of the last so many ticks.

    Returns
    -------
    int
        Number of result rows.
    """
    return compute_ticks(state, scratch, events, until, label, learn, results, probe, 1, 1)


@kernel(f"int64({_ARGUMENTS.format('int64,')})", leaves_out=_OTHER_LAYERS)
def advance_ordinary(state, scratch, events, until, label, learn, results, probe):
    """Do as :func:`advance` with layers on currents only, without a temporal layer and means."""
    return compute_ticks(state, scratch, events, until, label, learn, results, probe, 0, 1)


@kernel(
    f"int64({_ARGUMENTS.format('int64,')})",
    leaves_out=(*_OTHER_LAYERS, "learn_layer", "trained_error", "apply_layers", "advance_traces"),
)  # fmt: skip
def advance_reading(state, scratch, events, until, label, learn, results, probe):
    """Do as :func:`advance_ordinary`, without layers that learn: with the readout alone."""
    return compute_ticks(state, scratch, events, until, label, learn, results, probe, 0, 0)


@kernel(
    f"int64({_ARGUMENTS.format('')})",
    leaves_out=(*_OTHER_LAYERS, "learning_step", "local_learning", "homeostasis", ".trace"),
)  # fmt: skip
def advance_fixed(state, scratch, events, until, label, results, probe):
    """Do as :func:`advance_ordinary` with ``learn = 0``."""
    return compute_ticks(state, scratch, events, until, label, 0, results, probe, 0, 0)
