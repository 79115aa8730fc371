"""One tick of a layer on the general kernels."""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.general_neuron import fire_general, follow_current, follow_drive
from spikewire.qcore.kernels.general_synapses import (
    scatter_back,
    scatter_delayed,
    scatter_general,
)
from spikewire.qcore.kernels.neuron import PARAMETERS
from spikewire.qcore.kernels.pool import pool_max, pool_sum
from spikewire.qcore.kernels.reshape import shape2, shape3, shape4
from spikewire.qcore.kernels.scatter import gather_counts


@inline
def neuron_count(L):
    """Count the neurons of a layer, before pooling."""
    return L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS]


@inline
def scatter_input(L, i8, i32, spikes, n_spikes, now):
    """Add the input spikes' weights to the drive of the ticks in which they act."""
    rows, columns, channels = L[at.ROWS], L[at.COLUMNS], L[at.CHANNELS]
    group = L[at.IN_CHANNELS] // L[at.GROUPS]
    synapses = group * L[at.KERNEL_Y] * L[at.KERNEL_X] * channels
    weights = shape4(
        i8[L[at.AT_WEIGHTS] : L[at.AT_WEIGHTS] + synapses],
        group, L[at.KERNEL_Y], L[at.KERNEL_X], channels,
    )  # fmt: skip
    size = L[at.RING_SLOTS] * neuron_count(L)
    ring = shape4(
        i32[L[at.AT_RING] : L[at.AT_RING] + size], L[at.RING_SLOTS], rows, columns, channels
    )
    if L[at.DELAYS_BY] == at.BY_SYNAPSE:
        delays = shape4(
            i8[L[at.AT_DELAYS] : L[at.AT_DELAYS] + synapses],
            group, L[at.KERNEL_Y], L[at.KERNEL_X], channels,
        )  # fmt: skip
        return scatter_delayed(L, spikes, n_spikes, weights, ring, delays, now)
    inputs = L[at.IN_ROWS] * L[at.IN_COLUMNS] if L[at.DELAYS_BY] == at.BY_INPUT else np.int64(0)
    start = L[at.AT_DELAYS]
    own = shape3(
        i8[start : start + inputs * L[at.IN_CHANNELS]],
        min(inputs, L[at.IN_ROWS]), L[at.IN_COLUMNS], L[at.IN_CHANNELS],
    )  # fmt: skip
    return scatter_general(L, spikes, n_spikes, weights, ring, own, now)


@inline
def clear_neurons(L, i8, i32):
    """Set all state of a layer's neurons to zero, their own last spikes included."""
    neurons = neuron_count(L)
    for k in range(neurons):
        i32[L[at.AT_U] + k] = np.int32(0)
        i32[L[at.AT_V] + k] = np.int32(0)
        i8[L[at.AT_SMALL_R] + k] = np.int8(0)
        i8[L[at.AT_FIRED] + k] = np.int8(0)
    if L[at.AT_RECURRENT] != 0:
        for k in range(neurons):
            i32[L[at.AT_BACK] + k] = np.int32(0)


@inline
def holds_state(L, i32):
    """Tell whether any current or membrane of a layer is not zero."""
    some = np.int32(0)
    for k in range(neuron_count(L)):
        some |= np.int32(i32[L[at.AT_U] + k] | i32[L[at.AT_V] + k])
    return np.int64(some != 0)


@inline
def step_general_neurons(L, i8, i32, now):
    """Advance the neurons by one tick; return 1 if their state changed."""
    channels = L[at.CHANNELS]
    places = L[at.ROWS] * L[at.COLUMNS]
    neurons = places * channels
    start = L[at.AT_RING] + (now % L[at.RING_SLOTS]) * neurons
    drive = shape2(i32[start : start + neurons], places, channels)
    u = shape2(i32[L[at.AT_U] : L[at.AT_U] + neurons], places, channels)
    v = shape2(i32[L[at.AT_V] : L[at.AT_V] + neurons], places, channels)
    size = PARAMETERS * channels
    table = shape2(i32[L[at.AT_TABLE] : L[at.AT_TABLE] + size], PARAMETERS, channels)
    fired_flat = i8[L[at.AT_FIRED] : L[at.AT_FIRED] + neurons]
    fired = shape2(fired_flat, places, channels)
    rows = places if L[at.AT_RECURRENT] != 0 else np.int64(0)
    back_flat = i32[L[at.AT_BACK] : L[at.AT_BACK] + rows * channels]
    own_rows = places if L[at.AT_NEURON_BIAS] != 0 else np.int64(0)
    own_flat = i32[L[at.AT_NEURON_BIAS] : L[at.AT_NEURON_BIAS] + own_rows * channels]
    own = shape2(own_flat, own_rows, channels)
    changed = follow_drive(L, drive, shape2(back_flat, rows, channels), u, own, table)
    changed |= follow_current(L, u, v, own, fired, table)
    if L[at.FIRES] != 0:
        r = shape2(i8[L[at.AT_SMALL_R] : L[at.AT_SMALL_R] + neurons], places, channels)
        changed |= fire_general(L, v, r, fired, table)
    if L[at.AT_RECURRENT] != 0:
        square = i8[L[at.AT_RECURRENT] : L[at.AT_RECURRENT] + neurons * neurons]
        L[at.SYNAPTIC_OPERATIONS] += scatter_back(
            fired_flat, shape2(square, neurons, neurons), back_flat
        )
    return changed


@inline
def collect_counts(L, i8, spikes):
    """Pool and list the spikes of a layer that was computed; return how many there are."""
    rows, columns, channels = L[at.OUT_ROWS], L[at.OUT_COLUMNS], L[at.CHANNELS]
    neurons = neuron_count(L)
    units = rows * columns * channels
    L[at.NEURON_UPDATES] += neurons
    fired = shape3(
        i8[L[at.AT_FIRED] : L[at.AT_FIRED] + neurons], L[at.ROWS], L[at.COLUMNS], channels
    )
    output = shape3(i8[L[at.AT_OUTPUT] : L[at.AT_OUTPUT] + units], rows, columns, channels)
    if L[at.POOL] > 1:
        if L[at.POOL_KIND] == at.POOL_SUM:
            pool_sum(fired, output, L[at.POOL])
        else:
            pool_max(fired, output, L[at.POOL])
    n_out = gather_counts(output, spikes)
    L[at.SPIKES] += n_out
    return n_out


@kernel("int64(int64[::1], int8[::1], int32[::1], int16[:, ::1], int64, int64)")
def step_general_layer(L, i8, i32, spikes, n_spikes, now):
    """Advance one layer on the general kernels by one tick.

    Parameters
    ----------
    L
        int64[columns]: the layer's row of the table; its counters and its LIVE flag are updated.
    i8, i32
        The flat arrays.
    spikes
        int16[n, 3]: scratch; holds the layer's ``n_spikes`` input spikes, and its output spikes
        on return.
    n_spikes
        Number of input spikes.
    now
        The tick.

    Returns
    -------
    int
        Number of spikes of the output map.
    """
    if n_spikes == 0 and L[at.LIVE] == 0:
        return np.int64(0)
    every = L[at.RESET_EVERY]
    cleared = np.int64(0)
    if every > 0 and (now - L[at.RESET_AT]) % every == 0:
        cleared = holds_state(L, i32)
        clear_neurons(L, i8, i32)
    pending = np.int64(i32[L[at.AT_PENDING]])
    if n_spikes > 0:
        L[at.SYNAPTIC_OPERATIONS] += scatter_input(L, i8, i32, spikes, n_spikes, now)
        pending = max(pending, L[at.RING_SLOTS])
    i32[L[at.AT_PENDING]] = np.int32(max(pending - 1, np.int64(0)))
    L[at.LIVE] = cleared | step_general_neurons(L, i8, i32, now)
    if L[at.FIRES] == 0:
        L[at.NEWS] = L[at.LIVE]
        L[at.NEURON_UPDATES] += neuron_count(L)
        n_out = np.int64(0)
    else:
        n_out = collect_counts(L, i8, spikes)
    # Drive that kept a state as it was lets it fall when it ends.
    if n_out > 0 or pending > 0 or (every > 0 and holds_state(L, i32) != 0):
        L[at.LIVE] = 1
    return n_out
