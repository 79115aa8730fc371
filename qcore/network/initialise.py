"""First values of a network, and of a new class: drawn weights, readouts, neuron parameters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import neuron
from spikewire.qcore.kernels.random import fill_lanes, fill_uniform
from spikewire.qcore.network.allocate import State, allocate
from spikewire.qcore.network.layer_spec import LayerSpec, per_channel
from spikewire.qcore.network.layer_views import LayerView, layer_views
from spikewire.qcore.network.spec import ROUNDS, NetworkSpec
from spikewire.qcore.network.state_views import all_arrays
from spikewire.qcore.network.temporal_view import TemporalView, temporal_view

FEEDBACK_STREAM = 1_000_000
"""Distance between the streams of generators for feedback matrices."""

TEMPORAL_STREAM = 999
DRAWN_RAIL = 8191


def initialise(spec: NetworkSpec, classes: int, seed: int) -> State:
    """Allocate an untrained network's state: random weights and readouts from ``seed``."""
    state = allocate(spec, classes)
    fill_lanes(state.lanes, seed, stream_of(spec, 0))
    for layer, view in zip(spec.layers, layer_views(state), strict=True):
        _draw_weights(view, state, seed, stream_of(spec, 1 + view.index))
        if layer.kind == "counts":
            view.weights[...] = 1
        _fill_table(view, layer)
        if layer.plastic and spec.learning.learn_biases:
            _store_biases(view, state)
    draw_readouts(state, spec, seed, 0)
    if (temporal := temporal_view(state)) is not None:
        _draw_temporal(temporal, spec, seed)
    return state


def _draw_temporal(temporal: TemporalView, spec: NetworkSpec, seed: int) -> None:
    """Draw the weights of the temporal layer from a quarter of their range; its readout is zero."""
    lanes = np.zeros(64, np.uint32)
    fill_lanes(lanes, seed, stream_of(spec, TEMPORAL_STREAM))
    drawn = np.zeros(temporal.store.size, np.int16)
    fill_uniform(drawn, lanes, DRAWN_RAIL)
    temporal.store[...] = drawn.reshape(temporal.store.shape)
    temporal.threshold[...] = spec.temporal.threshold


def stream_of(spec: NetworkSpec, number: int) -> int:
    """Return the generators' stream for a number that stands for one purpose.

    Neighbouring streams share all lanes but one, moved by one, with seed 0, and some of them with
    other even seeds. In a network of version 1 and seed 0 the readout of a class is that of the
    class before, moved by one neuron. Version 2 takes streams far apart: the number goes through
    the finaliser of splitmix64 (Steele et al. 2014).

    Parameters
    ----------
    spec
        The network.
    number
        At least 0.
    """
    if spec.version < ROUNDS:
        return number
    z = number + 0x9E3779B97F4A7C15
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & 2**64 - 1
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & 2**64 - 1
    return (z ^ z >> 31) >> 1


def draw_readouts(state: State, spec: NetworkSpec, seed: int, first: int) -> None:
    """Draw the fixed random readouts of all plastic layers, from class ``first`` on.

    Each class has a generator of its own, so that adding one leaves the others as they were. Where
    the feedback is a matrix of its own, it has the readout's signs and other magnitudes.
    """
    rail = 2 ** (spec.widths.readout - 1) - 1
    for layer in layer_views(state):
        if not layer.has_readout:
            continue
        G = layer.readout
        for k in range(first, len(G)):
            stream = stream_of(spec, 1000 + 1000 * layer.index + k)
            G[k] = _drawn_row(G.shape[1], seed, stream, rail)
            if spec.learning.feedback == "concordant":
                stream = stream_of(spec, FEEDBACK_STREAM * (1 + 1000 * layer.index + k))
                row = _drawn_row(G.shape[1], seed, stream, rail)
                # Where the readout is zero any sign agrees with it.
                layer.feedback[k] = np.where(G[k] != 0, np.sign(G[k]) * np.abs(row), row)


def _drawn_row(count: int, seed: int, stream: int, rail: int) -> npt.NDArray[np.int16]:
    lanes = np.zeros(64, np.uint32)
    fill_lanes(lanes, seed, stream)
    row = np.zeros(count, np.int16)
    fill_uniform(row, lanes, rail)
    return row


def grow(old: State, spec: NetworkSpec, seed: int) -> State:
    """Copy a network's state, with room for one class more, whose readout is zero."""
    known = int(old.registers[at.CLASSES])
    state = allocate(spec, known + 1, compact=bool(old.registers[at.COMPACT]))
    state.lanes[...] = old.lanes
    for column in at.state_columns(old.layers.shape[1]):
        state.layers[:, column] = old.layers[:, column]
    for register in at.STATE_REGISTERS:
        state.registers[register] = old.registers[register]
    state.registers[at.REGISTERS : at.REGISTERS + known] = old.registers[at.REGISTERS :]
    for before, after in zip(all_arrays(old), all_arrays(state), strict=True):
        after[tuple(slice(n) for n in before.shape)] = before
    draw_readouts(state, spec, seed, known)
    return state


def _draw_weights(layer: LayerView, state: State, seed: int, stream: int) -> None:
    L = state.layers[layer.index]
    lanes = np.zeros(64, np.uint32)
    fill_lanes(lanes, seed, stream)
    drawn = np.zeros(layer.weights.size, np.int16)
    fill_uniform(drawn, lanes, int(L[at.STORE_RAIL]))
    store = drawn.reshape(layer.weights.shape)
    layer.weights[...] = layer.quantise(store)
    if layer.plastic:
        layer.set_store(store)


def _fill_table(view: LayerView, layer: LayerSpec) -> None:
    table = view.table
    if layer.traced:
        # Decays are those of the inputs' traces, in the layer table.
        table[neuron.KEEP_U] = table[neuron.KEEP_V] = 0
    else:
        one = 2**layer.decay_bits
        table[neuron.KEEP_U] = one - per_channel(layer.decay_u, layer.channels)
        table[neuron.KEEP_V] = one - per_channel(layer.decay_v, layer.channels)
    table[neuron.THRESHOLD] = per_channel(layer.threshold, layer.channels)
    table[neuron.BIAS] = per_channel(layer.bias, layer.channels)
    if layer.general:
        table[neuron.FLOOR] = per_channel(layer.floor, layer.channels)
        table[neuron.RESET_VALUE] = per_channel(layer.reset_value, layer.channels)
    table[neuron.KEEP_R] = layer.refractory_keep
    kick = table[neuron.THRESHOLD] if layer.reset == "refractory" else layer.refractory_ticks
    table[neuron.KICK_R] = layer.refractory_kick or kick


def _store_biases(view: LayerView, state: State) -> None:
    """Store the given biases, as near as learned ones can be."""
    L = state.layers[view.index]
    exponent, shift = int(L[at.BIAS_EXPONENT]), int(L[at.USED_SHIFT])
    most = int(L[at.STORE_RAIL]) >> shift
    used = np.clip((view.bias + ((1 << exponent) >> 1)) >> exponent, -most, most)
    view.bias_store[...] = used << shift
    view.bias[...] = used << exponent
