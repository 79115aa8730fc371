"""Views of a network's whole state: the readout's arrays, and all arrays in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.layer_views import layer_views, view_of
from spikewire.qcore.network.prototypes_view import prototypes_view
from spikewire.qcore.network.temporal_view import temporal_view

_any_bit = np.bitwise_or.reduce


def features(state: State) -> npt.NDArray[np.int16]:
    """View the readout's features: int16[features]."""
    R = state.registers
    return view_of(state.i16, R[at.AT_FEATURE], int(R[at.FEATURES]))


def read_store(state: State) -> npt.NDArray[np.int16]:
    """View the stored weights of the trained readout: int16[classes, features]."""
    R = state.registers
    return view_of(state.i16, R[at.AT_READ_STORE], int(R[at.CLASSES]), int(R[at.FEATURES]))


def _normalised_features(state: State) -> npt.NDArray[np.int16]:
    R = state.registers
    return view_of(state.i16, R[at.AT_NORMAL], int(R[at.FEATURES]))


def dynamic_arrays(state: State) -> Iterator[npt.NDArray[Any]]:
    """View the arrays of the moment: membranes, outputs, traces, features; not what is learned."""
    for layer in layer_views(state):
        yield from (layer.current, layer.membrane, layer.refractory, layer.fired, layer.spikes)
        yield from layer.drive_arrays()
        if layer.plastic or layer.traced:
            yield from layer.traces
        if layer.plastic:
            yield from (layer.activation, layer.pooled_activation)
    yield from (features(state), _normalised_features(state))
    if (temporal := temporal_view(state)) is not None:
        yield temporal.ring


def is_at_rest(state: State) -> bool:
    """Tell whether ticks without events change nothing, as the engine finds out at each of them."""
    R, layers = state.registers, state.layers
    awake = R[at.CHANGED] | _any_bit(layers[:, at.LIVE]) | _any_bit(layers[:, at.FEATURE_LIVE])
    if (temporal := temporal_view(state)) is not None:
        awake |= temporal.ticks_live
    if R[at.LEARNING]:
        awake |= _any_bit(layers[:, at.TRACE_LIVE])
    return not awake


def all_arrays(state: State) -> Iterator[npt.NDArray[Any]]:
    """View every array in a fixed order; those with a row per class have the class first."""
    yield from dynamic_arrays(state)
    for layer in layer_views(state):
        yield from (layer.weights, layer.table, layer.spike_counts)
        if layer.general:
            yield from (layer.recurrent, layer.delays, layer.neuron_bias)
        if layer.plastic:
            yield layer.rest if state.layers[layer.index, at.AT_REST] else layer.store
            yield from (*layer.gradient_arrays(), layer.bias_gradient)
            yield from (layer.readout, layer.readout_mean, layer.feedback, layer.bias_store)
    yield read_store(state)
    R = state.registers
    if (temporal := temporal_view(state)) is not None:
        yield from temporal.learned_arrays()
    if (means := prototypes_view(state)) is not None:
        yield from means.learned_arrays()
    packed = -(-int(R[at.FEATURES]) // 8)
    yield view_of(state.i8, R[at.AT_SLOTS], int(R[at.CLASSES]), int(R[at.SLOTS]), packed)


def bring_to_rest(state: State) -> None:
    """Clear membranes, traces and features; weights, generators and tick stay."""
    for part in dynamic_arrays(state):
        part[...] = 0
    state.layers[:, at.LIVE] = 1
    state.layers[:, [at.TRACE_LIVE, at.FEATURE_LIVE]] = 0
    if (temporal := temporal_view(state)) is not None:
        temporal.rest()
    state.registers[[at.CHANGED, at.LABEL, at.GAIN_MEAN]] = 0, -1, 0


def updates(state: State) -> int:
    """Count weight updates so far: of layers (weights in reach) and of the readout (classes)."""
    temporal = temporal_view(state)
    layers = int(state.registers[at.READ_UPDATES] + state.layers[:, at.UPDATES].sum())
    return layers + (0 if temporal is None else temporal.updates)


def synaptic_ops(state: State) -> int:
    """Count the weights added to a neuron so far, one by one."""
    temporal = temporal_view(state)
    layers = int(state.layers[:, at.SYNAPTIC_OPERATIONS].sum())
    return layers + (0 if temporal is None else temporal.operations)
