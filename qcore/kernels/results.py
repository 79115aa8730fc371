"""Result rows of the engine: scores and spikes of a tick, and the spikes of probed units."""

from __future__ import annotations

import numpy as np

from spikewire._jit import inline
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.answers import answer_by_means, has_prototypes
from spikewire.qcore.kernels.learning_step import add_local_readout
from spikewire.qcore.kernels.own_output import add_output
from spikewire.qcore.kernels.temporal_step import read


@inline
def add_own_output(R, layers, i32, y):
    """Add the output of the last layer to the scores of its classes."""
    own = R[at.OWN_CLASSES]
    shared = np.int64(R[at.CLASSES] > own)
    for k in range(R[at.CLASSES]):
        shared |= np.int64(R[at.REGISTERS + k] > 0)
    start = layers[layers.shape[0] - 1, at.AT_V]
    add_output(i32[start : start + own], y, R[at.READ_TARGET], shared)


@inline
def write_row(state, scratch, results, row, now, others):
    """Score the classes, and write a result row: tick, scores, spikes since the row before."""
    R, layers, i8, i16, i32, _ = state
    _, _, sums = scratch
    out_tick, out_scores, out_spikes = results
    classes = R[at.CLASSES]
    R[at.CHANGED] = 0
    read(state, sums[:classes], np.int64(-1), now, others)
    if others != 0 and has_prototypes(layers):
        learning = np.int64(R[at.LEARNING] != 0 and R[at.LABEL] >= 0)
        answer_by_means(R, layers, i16, i32, sums[:classes], learning)
    for n in range(layers.shape[0]):
        L = layers[n]
        if L[at.ANSWERS] != 0:
            sums[:classes] = 0
            add_local_readout(L, i8, i32, sums, classes, np.int64(1))
        elif R[at.LOCAL_GAIN] > 0 and L[at.PLASTIC] != 0 and n >= R[at.LOCAL_GAIN] >> 16:
            add_local_readout(L, i8, i32, sums, classes, R[at.LOCAL_GAIN] & 0xFFFF)
    if R[at.OWN_CLASSES] > 0:
        add_own_output(R, layers, i32, sums[:classes])
    out_tick[row] = now
    for k in range(classes):
        out_scores[row, k] = sums[k]
    for n in range(layers.shape[0]):
        out_spikes[row, n] = layers[n, at.SPIKES] - layers[n, at.SPIKES_REPORTED]
        layers[n, at.SPIKES_REPORTED] = layers[n, at.SPIKES]


@inline
def record_probe(state, probe, row):
    """Copy the probed units' output spikes of this tick."""
    _, layers, i8, _, _, _ = state
    probed, fired = probe
    for n in range(layers.shape[0]):
        for k in range(probed.shape[1]):
            fired[n, row, k] = i8[probed[n, k]]
