"""One tick of a layer that is driven by traces: they follow its inputs, and its neurons fire."""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.layer import collect_spikes
from spikewire.qcore.kernels.neuron import PARAMETERS
from spikewire.qcore.kernels.reshape import shape2, shape3, shape4
from spikewire.qcore.kernels.traced import (
    activate_traced,
    add_changes,
    count_reached,
    fire_traced,
    follow_inputs,
)


@inline
def mark_stale(layers, stale):
    """Have the sums of all layers on traces computed anew before they are used, or not."""
    for n in range(layers.shape[0]):
        if layers[n, at.DYNAMICS] == at.TRACES:
            layers[n, at.STALE] = stale


@kernel("int64(int64[::1], int8[::1], int16[::1], int32[::1], int64)")
def follow_input_map(L, i8, i16, spill, n_spikes):
    """Advance the traces of a layer's input map, before the map is cleared.

    Parameters
    ----------
    L
        int64[columns]: the layer's row of the table.
    i8, i16
        The flat arrays.
    spill
        int32: zeroed scratch of the largest map's size; holds the changes of P on return.
    n_spikes
        Number of input spikes.

    Returns
    -------
    int
        1 if a trace changed.
    """
    if n_spikes == 0 and L[at.LIVE] == 0:
        return np.int64(0)
    inputs = L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS]
    told = follow_inputs(
        i8[L[at.AT_INPUT] : L[at.AT_INPUT] + inputs],
        i16[L[at.AT_Q] : L[at.AT_Q] + inputs],
        i16[L[at.AT_P] : L[at.AT_P] + inputs],
        spill[:inputs],
        L[at.DECAY_Q], L[at.KICK], L[at.DECAY_P], L[at.P_LIFT], L[at.Q_RAIL], L[at.P_RAIL],
        L[at.STALE],
    )  # fmt: skip
    # A layer learns from traces that rest above zero, too.
    L[at.TRACE_LIVE] = np.int64(told != 0) & L[at.PLASTIC]
    return told & 1


@inline
def sum_traces(L, i8, i16, spill, total):
    """Bring the sums of traces times weights up to date, and count the operations of a tick."""
    rows_in, columns_in, inputs = L[at.IN_ROWS], L[at.IN_COLUMNS], L[at.IN_CHANNELS]
    size = rows_in * columns_in * inputs
    kernel_y, kernel_x, channels = L[at.KERNEL_Y], L[at.KERNEL_X], L[at.CHANNELS]
    if L[at.STALE] != 0:
        total[:, :, :] = 0
        L[at.STALE] = 0
    weights = i8[L[at.AT_WEIGHTS] : L[at.AT_WEIGHTS] + inputs * kernel_y * kernel_x * channels]
    add_changes(
        shape3(spill[:size], rows_in, columns_in, inputs),
        shape4(weights, inputs, kernel_y, kernel_x, channels),
        total, L[at.STRIDE], L[at.PAD_Y], L[at.PAD_X],
    )  # fmt: skip
    L[at.SYNAPTIC_OPERATIONS] += channels * count_reached(
        shape3(i16[L[at.AT_P] : L[at.AT_P] + size], rows_in, columns_in, inputs),
        kernel_y, kernel_x, L[at.ROWS], L[at.COLUMNS], L[at.STRIDE], L[at.PAD_Y], L[at.PAD_X],
    )  # fmt: skip


@kernel(
    "int64(int64[::1], int8[::1], int16[::1], int32[::1], int16[:, ::1], int32[::1], int64, int64,"
    " int64)"
)
def step_traced_layer(L, i8, i16, i32, spikes, spill, n_spikes, active, moved):
    """Advance one layer by one tick, as :func:`~.layer.step_layer` does for the other dynamics.

    Parameters
    ----------
    L, i8, i16, i32
        The layer's row of the table, and the flat arrays.
    spikes
        int16[n, 3]: holds the layer's output spikes on return.
    spill
        int32: changes of P from :func:`follow_input_map`; zeroed on return.
    n_spikes
        Number of input spikes.
    active
        1 to take the neurons' activations.
    moved
        1 if a trace changed.

    Returns
    -------
    int
        Number of spikes of the output map.
    """
    if n_spikes == 0 and L[at.LIVE] == 0:
        return np.int64(0)
    rows, columns, channels = L[at.ROWS], L[at.COLUMNS], L[at.CHANNELS]
    neurons = rows * columns * channels
    flat = i32[L[at.AT_V] : L[at.AT_V] + neurons]
    sum_traces(L, i8, i16, spill, shape3(flat, rows, columns, channels))
    total = shape2(flat, rows * columns, channels)
    r = shape2(i32[L[at.AT_R] : L[at.AT_R] + neurons], rows * columns, channels)
    size = PARAMETERS * channels
    table = shape2(i32[L[at.AT_TABLE] : L[at.AT_TABLE] + size], PARAMETERS, channels)
    if active != 0:
        activation = i8[L[at.AT_ACTIVATION] : L[at.AT_ACTIVATION] + neurons]
        activate_traced(
            total, r, table, shape2(activation, rows * columns, channels),
            L[at.SUM_LIFT], L[at.SLOPE], L[at.RAIL], L[at.COARSE_BITS],
        )  # fmt: skip
    fired = shape2(i8[L[at.AT_FIRED] : L[at.AT_FIRED] + neurons], rows * columns, channels)
    changed = fire_traced(
        total, r, table, fired, L[at.SUM_LIFT], L[at.SLOPE], L[at.COARSE_BITS], L[at.R_NEAREST]
    )
    L[at.LIVE] = moved | changed
    return collect_spikes(L, i8, spikes, neurons, active)
