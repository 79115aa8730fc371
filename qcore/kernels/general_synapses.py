"""Event-driven synapses with strides per axis, dilation, groups and delays.

The drive of the ticks to come stands in a ring of ``RING_SLOTS`` maps, int32: tick ``t`` takes that
of slot ``t % RING_SLOTS``. A spike adds its weights to the slots of the ticks in which it acts.
"""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline, kernel
from spikewire.qcore.kernels import layout as at


@inline
def equal_spikes(spikes, n, last):
    """Count the equal entries from ``n`` on: one unit's spikes of a tick."""
    many = np.int64(1)
    while (
        n + many < last
        and spikes[n + many, 0] == spikes[n, 0]
        and spikes[n + many, 1] == spikes[n, 1]
        and spikes[n + many, 2] == spikes[n, 2]
    ):
        many += 1
    return many


@inline
def first_reached(place, kernel_size, dilation, stride):
    """Find the first neuron whose kernel can reach a padded place."""
    return max(np.int64(0), (place - (kernel_size - 1) * dilation + stride - 1) // stride)


@inline
def add_weights(target, w, many):
    """Add one run of weights, ``many`` times."""
    for k in range(w.shape[0]):
        target[k] = np.int32(target[k] + np.int32(np.int32(w[k]) * many))


@kernel(
    "int64(int64[::1], int16[:, ::1], int64, int8[:, :, :, ::1], int32[:, :, :, ::1],"
    " int8[:, :, ::1], int64)"
)
def scatter_general(L, spikes, n_spikes, weights, ring, delays, now):
    """Add the weights of all input spikes to the drive of the ticks in which they act.

    With ``y' = y + pad - oy * stride`` divisible by the dilation, the same for ``x``, and ``o``
    over the channels of the spike's group::

        ring[(now + DELAY + delays[y, x, c]) % RING_SLOTS, oy, ox, o]
            += W[c % group size, y' / dilation, x' / dilation, o]

    Parameters
    ----------
    L
        int64[columns]: the layer's row of the table.
    spikes
        int16[n, 3]: channel, row, column of each input spike; n equal entries in a row are one
        unit's n spikes.
    n_spikes
        How many there are.
    weights
        int8[c_in / groups, rows, columns, c_out], the columns from the last to the first.
    ring
        int32[RING_SLOTS, rows, columns, c_out], changed in place.
    delays
        int8[rows, columns, c_in]: own delay of each input unit; empty without.
    now
        The tick.

    Returns
    -------
    int
        How many weights were added.
    """
    kernel_y, kernel_x = weights.shape[1], weights.shape[2]
    slots, rows, columns = ring.shape[0], ring.shape[1], ring.shape[2]
    run = ring.shape[3] // L[at.GROUPS]
    reached = np.int64(0)
    n = np.int64(0)
    while n < n_spikes:
        many = equal_spikes(spikes, n, n_spikes)
        group, c = divmod(np.int64(spikes[n, 0]), weights.shape[0])
        due = now + L[at.DELAY]
        if delays.size > 0:
            due += delays[spikes[n, 1], spikes[n, 2], spikes[n, 0]]
        target = ring[due % slots]
        y, x = spikes[n, 1] + L[at.PAD_Y], spikes[n, 2] + L[at.PAD_X]
        first_x = first_reached(x, kernel_x, L[at.DILATION_X], L[at.STRIDE_X])
        n += many
        for oy in range(
            first_reached(y, kernel_y, L[at.DILATION_Y], L[at.STRIDE]),
            min(rows, y // L[at.STRIDE] + 1),
        ):
            ky, odd = divmod(y - oy * L[at.STRIDE], L[at.DILATION_Y])
            if odd != 0:
                continue
            for ox in range(first_x, min(columns, x // L[at.STRIDE_X] + 1)):
                kx, odd = divmod(x - ox * L[at.STRIDE_X], L[at.DILATION_X])
                if odd != 0:
                    continue
                w = weights[c, ky, kernel_x - 1 - kx, group * run : group * run + run]
                add_weights(target[oy, ox, group * run : group * run + run], w, np.int32(many))
                reached += many * run
    return reached


@kernel(
    "int64(int64[::1], int16[:, ::1], int64, int8[:, :, :, ::1], int32[:, :, :, ::1],"
    " int8[:, :, :, ::1], int64)"
)
def scatter_delayed(L, spikes, n_spikes, weights, ring, delays, now):
    """Do as :func:`scatter_general` where each synapse has a delay of its own.

    ``delays`` is int8, of the same shape and order as the weights.
    """
    kernel_y, kernel_x = weights.shape[1], weights.shape[2]
    slots, rows, columns = ring.shape[0], ring.shape[1], ring.shape[2]
    run = ring.shape[3] // L[at.GROUPS]
    reached = np.int64(0)
    for n in range(n_spikes):
        group, c = divmod(np.int64(spikes[n, 0]), weights.shape[0])
        due = now + L[at.DELAY]
        y, x = spikes[n, 1] + L[at.PAD_Y], spikes[n, 2] + L[at.PAD_X]
        first_x = first_reached(x, kernel_x, L[at.DILATION_X], L[at.STRIDE_X])
        for oy in range(
            first_reached(y, kernel_y, L[at.DILATION_Y], L[at.STRIDE]),
            min(rows, y // L[at.STRIDE] + 1),
        ):
            ky, odd = divmod(y - oy * L[at.STRIDE], L[at.DILATION_Y])
            if odd != 0:
                continue
            for ox in range(first_x, min(columns, x // L[at.STRIDE_X] + 1)):
                kx, odd = divmod(x - ox * L[at.STRIDE_X], L[at.DILATION_X])
                if odd != 0:
                    continue
                w = weights[c, ky, kernel_x - 1 - kx]
                d = delays[c, ky, kernel_x - 1 - kx]
                for k in range(group * run, group * run + run):
                    slot = (due + d[k]) % slots
                    ring[slot, oy, ox, k] = np.int32(ring[slot, oy, ox, k] + np.int32(w[k]))
                reached += run
    return reached


@kernel("int64(int8[::1], int8[:, ::1], int32[::1])")
def scatter_back(fired, weights, back):
    """Add the recurrent weights of a layer's own spikes to its drive of the next tick.

    Parameters
    ----------
    fired
        int8[neurons]: spikes of each neuron in this tick, before pooling.
    weights
        int8[neurons, neurons]: from the one of the row to those of the columns.
    back
        int32[neurons], changed in place.

    Returns
    -------
    int
        How many weights were added.
    """
    reached = np.int64(0)
    for i in range(fired.shape[0]):
        if fired[i] > 0:
            add_weights(back, weights[i], np.int32(fired[i]))
            reached += np.int64(fired[i]) * weights.shape[1]
    return reached
