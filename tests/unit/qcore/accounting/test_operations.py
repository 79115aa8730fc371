"""The counts equals a count that follows every spike to every synapse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import (
    Batch,
    BinnedEvents,
    Network,
    NetworkSpec,
    connection_sparsity,
    count_operations,
)


def spec(**first: Any) -> NetworkSpec:
    return NetworkSpec.from_dict(
        {
            "name": "small",
            "width": 6,
            "height": 5,
            "result_every": 4,
            "layers": [
                {"kind": "conv", "channels": 3, "kernel": 3, "pad": 1, "threshold": 900, **first},
                {"kind": "dense", "channels": 4, "threshold": 900},
            ],
        }
    )


def recording(seed: int, count: int = 60, ticks: int = 20) -> BinnedEvents:
    draw = np.random.default_rng(seed)
    return BinnedEvents(
        np.sort(draw.integers(0, ticks, count)),
        draw.integers(0, 6, count).astype(np.uint16),
        draw.integers(0, 5, count).astype(np.uint16),
        draw.integers(0, 2, count).astype(np.uint8),
    )


def thin(network: Network, seed: int) -> None:
    """Set about half of the weights to zero."""
    draw = np.random.default_rng(seed)
    for n in range(len(network.spec.layers)):
        weights = network.layers[n].weights.copy()
        weights[draw.random(weights.shape) < 0.5] = 0
        network.layers[n].set_weights(weights)


def follow(network: Network, sample: BinnedEvents, stride: int, pad: int) -> int:
    """Count the first layer's operations spike by spike, weight by weight."""
    W = network.layers[0].weights
    rows, columns = network.layers[0].membrane.shape[:2]
    total = 0
    for _, x, y, p in sorted(set(zip(sample.tick, sample.x, sample.y, sample.p, strict=True))):
        for oy in range(rows):
            for ox in range(columns):
                ky, kx = int(y) - oy * stride + pad, int(x) - ox * stride + pad
                if 0 <= ky < W.shape[1] and 0 <= kx < W.shape[2]:
                    total += int(np.count_nonzero(W[p, ky, kx]))
    return total


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), stride=st.integers(1, 2), pad=st.integers(0, 2))
def test_operations_spike_by_spike(seed: int, stride: int, pad: int) -> None:
    network = Network.build(spec(stride=stride, pad=pad), ["a", "b"], seed)
    thin(network, seed)
    samples = [recording(seed), recording(seed + 1)]
    counts = count_operations(network, samples, 20)
    assert counts.effective[0] == sum(follow(network, s, stride, pad) for s in samples)


@pytest.mark.parametrize("pool", [1, 2])
def test_without_zero_weights_it_is_the_engines_counter(pool: int) -> None:
    network = Network.build(spec(pool=pool), ["a", "b"], 3)
    for n in range(2):
        weights = network.layers[n].weights.copy()
        weights[weights == 0] = 1
        network.layers[n].set_weights(weights)
    samples = [recording(1), recording(2)]
    saved = network.to_bytes()
    counts = count_operations(network, samples, 20)
    assert network.to_bytes() == saved
    shown = Batch(network, 2).show(samples, None, 20)
    assert counts.effective[:2].tolist() == shown.synaptic_ops.sum(0).tolist()
    assert counts.fired[1] == shown.spikes[:, 1].sum() > 0
    assert (counts.membrane_updates <= shown.neuron_updates.sum(0)).all()
    assert (counts.membrane_updates > 0).all()
    assert (counts.effective <= counts.dense).all()


def test_dense_counts_every_tap() -> None:
    network = Network.build(spec(pad=0), ["a", "b"], 0)
    counts = count_operations(network, [recording(0)], 20)
    # 3 x 4 places of 3 channels, each with 2 x 3 x 3 synapses; then 36 inputs of 4 neurons;
    # then 3 * 4 * 3 + 4 features of 2 classes, read in ticks 0, 4, ... 16.
    assert counts.dense.tolist() == [20 * 12 * 3 * 18, 20 * 36 * 4, 5 * 40 * 2]
    assert counts.neurons.tolist() == [36, 4]
    assert counts.binary.tolist() == [True, True, False]


def test_summed_pools_are_no_spikes() -> None:
    network = Network.build(spec(pool=2, pool_kind="sum"), ["a", "b"], 0)
    assert count_operations(network, [recording(0)], 20).binary.tolist() == [True, False, False]


def test_nothing_shown_does_nothing() -> None:
    empty = np.zeros(0, np.int64)
    quiet = BinnedEvents(
        empty, empty.astype(np.uint16), empty.astype(np.uint16), empty.astype(np.uint8)
    )
    counts = count_operations(Network.build(spec(), ["a", "b"], 0), [quiet], 20)
    assert counts.fired.sum() == counts.effective.sum() == counts.membrane_updates.sum() == 0


def test_connection_sparsity_counts_zeros() -> None:
    network = Network.build(spec(), ["a", "b"], 0)
    for n in range(2):
        network.layers[n].set_weights(np.ones_like(network.layers[n].weights))
    readout = 2 * (5 * 6 * 3 + 4)
    layers = 2 * 9 * 3 + 90 * 4
    assert connection_sparsity(network) == readout / (readout + layers)
