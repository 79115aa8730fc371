"""Scratch arrays of the engine: what it needs during a tick, and no longer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.pairs import BLOCK
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.layer_views import layer_views


def scratch_arrays(
    state: State,
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Allocate the engine's scratch: spikes of a map, drive or gradients of a layer, and sums."""
    layers = layer_views(state)
    largest = max(
        int(np.prod(shape)) for layer in layers for shape in (layer.inputs, layer.neurons)
    )
    blocks = [
        layer.weights.size // layer.units[2] * min(BLOCK, layer.units[2])
        for layer in layers
        if state.layers[layer.index, at.AT_GRADIENT] < 0
    ]
    # A map that is pooled to spikes has one per place at most; one that is pooled to counts is
    # listed by its neurons' spikes.
    listed = int(np.prod(layers[0].inputs)) * max(1, int(state.registers[at.INPUT_MOST]))
    for layer, L in zip(layers, state.layers, strict=True):
        shape = layer.neurons if L[at.POOL_KIND] == at.POOL_SUM else layer.units
        most = int(L[at.MOST_SPIKES]) if L[at.DYNAMICS] == at.GENERAL else 1
        listed = max(listed, int(np.prod(layer.inputs)), int(np.prod(shape)) * most)
    # Sums that a layer carries back are those of the units of the layer before, which learns.
    units = max((int(np.prod(layer.units)) for layer in layers if layer.plastic), default=0)
    classes = int(state.registers[at.CLASSES])
    return (
        np.zeros((listed, 3), np.int16),
        np.zeros(max(largest, *blocks, 0), np.int32),
        np.zeros(2 * classes + units, np.int32),
    )
