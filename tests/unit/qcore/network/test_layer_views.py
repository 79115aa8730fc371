"""Layer views: shapes, shared memory, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.qcore import ModelError, Network, load_preset
from spikewire.qcore.network.state_views import all_arrays, dynamic_arrays
from tests.unit.qcore.network.test_network import build


def test_views_have_the_layers_shapes() -> None:
    network = build()
    pooled, strided, dense = network.layers
    assert [layer.index for layer in network.layers] == [0, 1, 2]
    assert (pooled.inputs, pooled.neurons, pooled.units) == ((7, 8, 2), (7, 8, 3), (3, 4, 3))
    assert (strided.neurons, strided.units) == ((2, 2, 4), (2, 2, 4))
    assert dense.units == (1, 1, 5)
    assert pooled.weights.shape == (2, 3, 3, 3)
    assert pooled.membrane.shape == pooled.current.shape == pooled.fired.shape == (7, 8, 3)
    assert pooled.spikes.shape == (3, 4, 3)
    assert dense.readout.shape == (3, 5)
    assert dense.readout_mean.shape == (3,)
    assert [array.shape for array in pooled.traces] == [(7, 8, 2)] * 2
    assert dense.threshold.tolist() == [9000] * 5
    assert not dense.bias.any()
    assert repr(pooled) == "<layer 0: 3 rows x 4 columns x 3 channels>"


def test_views_share_the_networks_memory() -> None:
    network = build()
    layer = network.layers[1]
    layer.weights[0, 0, 0, 0] = 77
    layer.threshold[2] = 1234
    assert network.layers[1].weights[0, 0, 0, 0] == 77
    again = Network.from_bytes(network.to_bytes()).layers[1]
    assert again.weights[0, 0, 0, 0] == 77
    assert again.table[2].tolist() == [9000, 9000, 1234, 9000]


def test_views_cannot_be_replaced_by_mistake() -> None:
    layer = build().layers[0]
    with pytest.raises(AttributeError):
        layer.weights = np.zeros(3)  # type: ignore[misc]


def test_weights_of_a_frozen_layer_are_stored_once() -> None:
    network = Network.build(load_preset("nmnist"), ("a",))
    layer, widths = network.layers[0], network.spec.widths
    assert not layer.plastic
    assert (layer.store >> (widths.store - widths.weight) == layer.weights).all()
    layer.set_weights(np.full(layer.weights.shape, -3))
    assert (layer.weights == -3).all()
    with pytest.raises(ModelError, match="Layer 0 takes weights from -127 to 127, not 128 to 128"):
        layer.set_weights(np.full(layer.weights.shape, 128))


def test_layers_follow_the_network_to_a_new_state() -> None:
    network = build()
    snapshot = network.snapshot()
    before = network.layers[0].readout.copy()
    network.add_class("d")
    assert network.layers[0].readout.shape[0] == 4
    assert (network.layers[0].readout[:3] == before).all()
    network.restore(snapshot)
    assert network.layers[0].readout.shape[0] == 3


def test_every_number_of_the_state_is_in_an_array() -> None:
    network = build()
    for array in all_arrays(network.state):
        array[...] = 1
    state = network.state
    # What stays 0 is padding, and what is overwritten before it is read: drive and errors.
    drives = sum(layer.membrane.size for layer in network.layers)
    errors = sum(layer.fired.size + layer.spikes.size for layer in network.layers)
    inputs = network.layers[0].traces[0].size
    unlisted = ((state.i8, 1, errors + inputs), (state.i16, 2, drives), (state.i32, 4, 0))
    for flat, item, left in unlisted:
        arrays = [a for a in all_arrays(state) if a.dtype == flat.dtype]
        padding = (len(arrays) + 8) * 64 // item
        assert flat.size - np.count_nonzero(flat) <= left + padding
    for array in dynamic_arrays(state):
        array[...] = 0
    assert all(layer.weights.all() and layer.table.all() for layer in network.layers)
    assert not any(layer.membrane.any() or layer.spikes.any() for layer in network.layers)
