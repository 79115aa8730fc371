"""One tick of one layer: input spikes are scattered, neurons integrate and fire, outputs pool."""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.neuron import (
    BIAS,
    KEEP_U,
    KEEP_V,
    PARAMETERS,
    RESET_REFRACTORY,
    RESET_SUBTRACT,
    activate,
    fire_coarse,
    fire_refractory,
    fire_subtract,
    fire_zero,
    integrate,
    integrate_evenly,
)
from spikewire.qcore.kernels.neuron_vectors import (
    FEW_LEAK,
    MOST_LEAK,
    RESET_COARSE,
    decay_shift,
    repeated,
    step_whole,
    whole_places,
)
from spikewire.qcore.kernels.place_sums import add_by_place, is_dense
from spikewire.qcore.kernels.pool import pool_max, pool_mean, pool_or, pool_sum
from spikewire.qcore.kernels.reshape import shape2, shape3, shape4
from spikewire.qcore.kernels.scatter import (
    SPIKES_PER_FLUSH,
    flush_drive,
    fold_drive,
    gather,
    gather_counts,
    last_before_flush,
    scatter_conv,
    scatter_dense,
)
from spikewire.qcore.kernels.surrogate import follow_sigmoid


@inline
def scatter_by_place(L, weights, drive, spikes, n_spikes, most):
    """Add many spikes' weights to the drive; return -1 if they have to be added one by one."""
    shape = L[at.IN_CHANNELS], L[at.KERNEL_Y], L[at.KERNEL_X], L[at.CHANNELS]
    conv = shape4(weights[: shape[0] * shape[1] * shape[2] * shape[3]], *shape)
    drive_3d = shape3(drive, L[at.ROWS], L[at.COLUMNS], L[at.CHANNELS])
    done = np.int64(-1)
    if is_dense(n_spikes, conv, drive_3d, L[at.STRIDE]):
        done = add_by_place(
            spikes, n_spikes, conv, drive_3d,
            L[at.STRIDE], L[at.PAD_Y], L[at.PAD_X], min(most, np.int64(32766)),
        )  # fmt: skip
        L[at.SYNAPTIC_OPERATIONS] += max(done, np.int64(0))
    return done


@inline
def scatter_spikes(L, i8, drive, spikes, spill, n_spikes):
    """Add the input spikes' weights to the drive; return 1 if some of it was moved to ``spill``."""
    channels = L[at.CHANNELS]
    weights = i8[L[at.AT_WEIGHTS] :]
    kernel_y, kernel_x = L[at.KERNEL_Y], L[at.KERNEL_X]
    fan_in = L[at.IN_CHANNELS] * kernel_y * kernel_x
    rows, columns = L[at.ROWS], L[at.COLUMNS]
    # A sum beyond this saturates the current in any case, and may not fit when it is shifted.
    most = min(np.int64(32767), np.int64(1 << 25) >> L[at.EXPONENT])
    if L[at.KIND] == at.CONV and scatter_by_place(L, weights, drive, spikes, n_spikes, most) >= 0:
        return np.int64(0)
    spilled = np.int64(0)
    first = np.int64(0)
    while first < n_spikes:
        if L[at.KIND] == at.DENSE:
            last = min(first + SPIKES_PER_FLUSH, n_spikes)
        else:
            last = last_before_flush(spikes, first, n_spikes, kernel_y)
        if first > 0:
            flush_drive(drive, spill)
            spilled = np.int64(1)
        if L[at.KIND] == at.DENSE:
            dense = shape2(weights[: fan_in * channels], fan_in, channels)
            scatter_dense(spikes, first, last, dense, drive, L[at.IN_ROWS], L[at.IN_COLUMNS])
            L[at.SYNAPTIC_OPERATIONS] += (last - first) * channels
        else:
            conv = shape4(
                weights[: fan_in * channels], L[at.IN_CHANNELS], kernel_y, kernel_x, channels
            )
            drive_3d = shape3(drive, rows, columns, channels)
            L[at.SYNAPTIC_OPERATIONS] += scatter_conv(
                spikes, first, last, conv, drive_3d, L[at.STRIDE], L[at.PAD_Y], L[at.PAD_X]
            )
        first = last
    if spilled != 0:
        # Sums are moved away because they could become too large. Few do.
        return fold_drive(drive, spill, most)
    return spilled


@inline
def integrate_drive(L, drive, spill, u, v, table, spilled):
    """Integrate drive and spill into currents and membranes; return 1 if anything changed.

    ``drive``, ``spill``, ``u`` and ``v`` are flat, one number per neuron.
    """
    channels = L[at.CHANNELS]
    places = drive.size // channels
    even = spilled == 0 and L[at.LEAK_U] >= 0
    for c in range(channels):
        if table[BIAS, c] != 0:
            even = False
    if even:
        return integrate_evenly(drive, u, v, L[at.EXPONENT], L[at.LEAK_U], L[at.LEAK_V])
    return integrate(
        shape2(drive, places, channels), shape2(spill, places, channels),
        shape2(u, places, channels), shape2(v, places, channels),
        table, L[at.EXPONENT], spilled,
    )  # fmt: skip


@inline
def fire(L, v, r, table, fired):
    """Fire and reset by the layer's own rule; return 1 if anything changed."""
    if L[at.RESET] == RESET_REFRACTORY:
        if L[at.COARSE_BITS] > 0:
            return fire_coarse(v, r, table, fired, L[at.COARSE_BITS], L[at.R_NEAREST])
        return fire_refractory(v, r, table, fired)
    if L[at.RESET] == RESET_SUBTRACT:
        return fire_subtract(v, r, table, fired)
    return fire_zero(v, r, table, fired)


@inline
def step_neurons(L, i8, i32, drive, spill, spilled, active):
    """Advance the neurons by one tick; return 1 if their state changed."""
    neurons = L[at.ROWS] * L[at.COLUMNS] * L[at.CHANNELS]
    if L[at.AT_SMALL_R] > 0:
        small = i8[L[at.AT_SMALL_R] : L[at.AT_SMALL_R] + neurons]
        return step_held(L, i8, i32, drive, spill, spilled, active, small)
    r = i32[L[at.AT_R] : L[at.AT_R] + neurons]
    return step_held(L, i8, i32, drive, spill, spilled, active, r)


@inline
def step_places(L, drive, u, v, r, table, fired, n):
    """Advance the first ``n`` neurons, those of whole places, in vectors."""
    channels = L[at.CHANNELS]
    down_u, down_v = decay_shift(table[KEEP_U], MOST_LEAK), decay_shift(table[KEEP_V], FEW_LEAK)
    if down_v < 0:
        down_u = np.int64(-1)
    coarse = L[at.RESET] == RESET_REFRACTORY and L[at.COARSE_BITS] > 0
    return step_whole(
        RESET_COARSE if coarse else L[at.RESET],
        drive[:n], u[:n], v[:n], r[:n], repeated(table, channels, down_u, down_v),
        fired[:n],
        L[at.EXPONENT], max(L[at.COARSE_BITS], np.int64(1)),
        np.int64(2048) * L[at.R_NEAREST], down_u, down_v,
    )  # fmt: skip


@inline
def take_activations(L, v, r, table, activation):
    """Take the activations of some places."""
    activate(v, r, table, activation, L[at.SLOPE], L[at.RAIL], L[at.RESET], L[at.COARSE_BITS])


@inline
def step_held(L, i8, i32, drive, spill, spilled, active, r):
    """Do as :func:`step_neurons` with the refractory values ``r``, int32 or int8."""
    channels = L[at.CHANNELS]
    places = L[at.ROWS] * L[at.COLUMNS]
    neurons = places * channels
    u = i32[L[at.AT_U] : L[at.AT_U] + neurons]
    v = i32[L[at.AT_V] : L[at.AT_V] + neurons]
    size = PARAMETERS * channels
    table = shape2(i32[L[at.AT_TABLE] : L[at.AT_TABLE] + size], PARAMETERS, channels)
    fired = i8[L[at.AT_FIRED] : L[at.AT_FIRED] + neurons]
    activation = i8[L[at.AT_ACTIVATION] : L[at.AT_ACTIVATION] + (neurons if active != 0 else 0)]
    done = np.int64(0)
    changed = np.int64(0)
    # Activations are taken between the two halves of a step. The refractory reset leaves membranes
    # as they are: there they can be taken after it, with the refractory values of before.
    late = active != 0 and L[at.RESET] == RESET_REFRACTORY
    if spilled == 0 and (active == 0 or late):
        done = whole_places(places, channels) * channels
        before = r[:done].copy() if late else r[:0]
        changed = step_places(L, drive, u, v, r, table, fired, done)
        if late:
            whole = done // channels
            take_activations(
                L, shape2(v, whole, channels), shape2(before, whole, channels), table,
                shape2(activation, whole, channels),
            )  # fmt: skip
        if done == neurons:
            return changed
    changed |= integrate_drive(L, drive[done:], spill[done:], u[done:], v[done:], table, spilled)
    rest = (neurons - done) // channels
    v_rest = shape2(v[done:], rest, channels)
    r_rest = shape2(r[done:], rest, channels)
    if active != 0:
        take_activations(L, v_rest, r_rest, table, shape2(activation[done:], rest, channels))
    return changed | fire(L, v_rest, r_rest, table, shape2(fired[done:], rest, channels))


@inline
def pool_maps(L, i8, fired, output, active):
    """Pool the layer's spikes, and its activations where they are taken."""
    rows, columns, channels = L[at.OUT_ROWS], L[at.OUT_COLUMNS], L[at.CHANNELS]
    neurons = L[at.ROWS] * L[at.COLUMNS] * channels
    units = rows * columns * channels
    full_flat = i8[L[at.AT_ACTIVATION] : L[at.AT_ACTIVATION] + neurons]
    full = shape3(full_flat, L[at.ROWS], L[at.COLUMNS], channels)
    reduced_flat = i8[L[at.AT_OUT_ACTIVATION] : L[at.AT_OUT_ACTIVATION] + units]
    reduced = shape3(reduced_flat, rows, columns, channels)
    if L[at.POOL_KIND] == at.POOL_SUM:
        pool_sum(fired, output, L[at.POOL])
        if active != 0:
            pool_mean(full, reduced, L[at.POOL], L[at.RAIL])
    else:
        pool_or(fired, output, L[at.POOL])
        if active != 0:
            pool_max(full, reduced, L[at.POOL])


@inline
def collect_spikes(L, i8, spikes, neurons, active):
    """Pool and list the spikes of a layer that was computed; return how many there are."""
    rows, columns, channels = L[at.ROWS], L[at.COLUMNS], L[at.CHANNELS]
    outputs = L[at.OUT_ROWS] * L[at.OUT_COLUMNS] * channels
    if active != 0 and L[at.SIGMOID_BITS] != 0:
        flat = i8[L[at.AT_ACTIVATION] : L[at.AT_ACTIVATION] + neurons]
        follow_sigmoid(flat, L[at.SIGMOID_BITS])
    L[at.NEURON_UPDATES] += neurons
    fired = shape3(i8[L[at.AT_FIRED] : L[at.AT_FIRED] + neurons], rows, columns, channels)
    output_flat = i8[L[at.AT_OUTPUT] : L[at.AT_OUTPUT] + outputs]
    output = shape3(output_flat, L[at.OUT_ROWS], L[at.OUT_COLUMNS], channels)
    if L[at.POOL] > 1:
        pool_maps(L, i8, fired, output, active)
    if L[at.POOL_KIND] == at.POOL_SUM:
        n_out = gather_counts(output, spikes)
    else:
        n_out = gather(output, spikes)
    L[at.SPIKES] += n_out
    if n_out > 0:
        # A neuron can fire at a fixed point of its state: such a layer is not at rest.
        L[at.LIVE] = 1
    L[at.NEWS] = L[at.LIVE] & L[at.ANSWERS]
    if L[at.PLASTIC] != 0 and active == 0:
        # Activations are older than the state: it may not rest before they are taken once more.
        L[at.LIVE] = 1
    return n_out


@kernel(
    "int64(int64[::1], int8[::1], int16[::1], int32[::1], int16[:, ::1], int32[::1], int64, int64)"
)
def step_layer(L, i8, i16, i32, spikes, spill, n_spikes, active):
    """Advance one layer by one tick.

    Parameters
    ----------
    L
        int64[columns]: the layer's row of the table; its counters and its LIVE flag are updated.
    i8, i16, i32
        The flat arrays.
    spikes
        int16[n, 3]: scratch; holds the layer's ``n_spikes`` input spikes, and its output spikes
        on return.
    spill
        int32: zeroed scratch of the largest layer's size.
    active
        1 to take the neurons' activations, which are needed for learning only.

    Returns
    -------
    int
        Number of spikes of the output map.
    """
    rows, columns, channels = L[at.ROWS], L[at.COLUMNS], L[at.CHANNELS]
    neurons = rows * columns * channels
    if n_spikes == 0 and L[at.LIVE] == 0:
        return np.int64(0)
    drive = i16[L[at.AT_DRIVE] : L[at.AT_DRIVE] + neurons]
    own_spill = spill[:neurons]
    spilled = scatter_spikes(L, i8, drive, spikes, own_spill, n_spikes)
    # Input may hold the state at a fixed point, which it leaves when the input ends.
    L[at.LIVE] = step_neurons(L, i8, i32, drive, own_spill, spilled, active) | (n_spikes > 0)
    return collect_spikes(L, i8, spikes, neurons, active)
