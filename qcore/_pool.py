"""Pooling of spikes and activations over square windows that do not overlap."""

from __future__ import annotations

import numpy as np

from qcore._jit import kernel


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int64)")
def pool_max(full, pooled, size):
    """Take the maximum of each ``size`` x ``size`` window; rows and columns left over are dropped.

    On spikes in {0, 1} this is the OR, which equals the spike of the window's largest membrane
    (the paper's max-pooling); on activations it is that membrane's activation.
    """
    rows, columns, channels = pooled.shape
    for y in range(rows):
        for x in range(columns):
            target = pooled[y, x]
            for c in range(channels):
                target[c] = np.int8(-128)
            for dy in range(size):
                for dx in range(size):
                    source = full[y * size + dy, x * size + dx]
                    for c in range(channels):
                        target[c] = max(target[c], source[c])


@kernel("void(int8[:, :, ::1], int8[:, :, ::1], int8[:, :, ::1], int8[:, :, ::1], int64)")
def route(activation, pooled, delta_pooled, delta, size):
    """Send the error of each pooled unit back to the first neuron that holds the window's maximum.

    Parameters
    ----------
    activation, pooled
        int8 maps before and after :func:`pool_max`.
    delta_pooled
        int8 map after pooling: the errors to send back; cleared as they are taken.
    delta
        int8 map before pooling, overwritten.
    """
    delta[:, :, :] = 0
    rows, columns, channels = pooled.shape
    for y in range(rows):
        for x in range(columns):
            for dy in range(size):
                for dx in range(size):
                    source = activation[y * size + dy, x * size + dx]
                    target = delta[y * size + dy, x * size + dx]
                    for c in range(channels):
                        if delta_pooled[y, x, c] != 0 and source[c] == pooled[y, x, c]:
                            target[c] = delta_pooled[y, x, c]
                            delta_pooled[y, x, c] = np.int8(0)
