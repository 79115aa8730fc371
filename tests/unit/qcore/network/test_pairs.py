"""Networks that keep gradients as pairs: equal to those with sums, in files and batches, too."""

from __future__ import annotations

import dataclasses
import json
import struct
from functools import partial
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from spikewire.qcore import Batch, ModelError, Network, load_preset
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network import initialise
from spikewire.qcore.network.allocate import lay_out
from tests.unit.qcore.network.variants import SMALL, build, draw, with_layers

EVERY: dict[str, Any] = {"learning": {**SMALL["learning"], "apply_every": 3}}
SINGLE: dict[str, Any] = {"learning": {**SMALL["learning"], "cadence": 4, "apply_every": 1}}
MANY: dict[str, Any] = {**EVERY, **with_layers({}, {"channels": 70}, {"channels": 33})}


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Build networks with a sum per synapse, as model files of earlier versions have."""

    def built(seed: int, **changes: Any) -> Network:
        with monkeypatch.context() as patched:
            patched.setattr(initialise, "allocate", partial(initialise.allocate, compact=False))
            network = build(seed, **changes)
        assert not network.state.registers[at.COMPACT]
        return network

    return built


def learn(network: Network, seed: int, start: int, stop: int) -> None:
    rng = np.random.default_rng([seed, start])
    events = draw(rng, range(start, stop), 4 * (stop - start), (8, 7))
    network.advance(events, stop, label=int(rng.integers(3)), learn=True)


def equal(a: Network, b: Network) -> bool:
    for one, other in zip(a.layers, b.layers, strict=True):
        pairs = (
            (one.store, other.store), (one.weights, other.weights), (one.table, other.table),
            (one.membrane, other.membrane), (one.gradient, other.gradient),
            (one.bias_gradient, other.bias_gradient),
        )  # fmt: skip
        if not all((x == y).all() for x, y in pairs):
            return False
    return a.state.lanes.tolist() == b.state.lanes.tolist()


@pytest.mark.parametrize("changes", [EVERY, SINGLE, MANY], ids=["every", "single", "many"])
def test_pairs_give_the_bits_of_sums(changes: dict[str, Any], sums: Any) -> None:
    pairs, other = build(5, **changes), sums(5, **changes)
    assert (pairs.state.layers[1:, at.AT_GRADIENT] == -1).all()
    held = set()
    for start in range(0, 240, 20):
        learn(pairs, 5, start, start + 20)
        learn(other, 5, start, start + 20)
        held |= set(pairs.state.layers[:, at.PAIRS].tolist())
        assert equal(pairs, other)
    assert pairs.updates > 500
    assert held == ({0} if changes is SINGLE else {0, 1, 2})
    assert sum(a.nbytes for a in pairs.state.arrays()) < sum(a.nbytes for a in other.state.arrays())


def test_a_file_holds_what_is_pending(sums: Any) -> None:
    network, other = build(1, **EVERY), sums(1, **EVERY)
    stop = 20
    learn(network, 1, 0, stop)
    learn(other, 1, 0, stop)
    while not network.state.layers[:, at.PAIRS].any():
        learn(network, 1, stop, stop + 1)
        learn(other, 1, stop, stop + 1)
        stop += 1
    again = Network.from_bytes(network.to_bytes())
    old = Network.from_bytes(other.to_bytes())
    assert b'layout\\": \\"compact' in network.to_bytes()
    assert b'layout\\": \\"compact' not in other.to_bytes()
    for one in (network, again, other, old):
        learn(one, 1, stop, 100)
    assert again.to_bytes() == network.to_bytes()
    assert old.to_bytes() == other.to_bytes()
    assert equal(again, old)


def test_a_snapshot_and_a_new_class_keep_what_is_pending(sums: Any) -> None:
    for step in (31, 32, 33, 34, 35, 36):
        results = []
        for network in (build(2, **EVERY), sums(2, **EVERY)):
            learn(network, 2, 0, step)
            snapshot = network.snapshot()
            learn(network, 2, step, 60)
            network.restore(snapshot)
            network.add_class("d")
            learn(network, 2, 60, 100)
            results.append(network)
        assert equal(*results)


def test_a_batch_goes_on_from_what_is_pending(sums: Any) -> None:
    for step in (31, 33, 35):
        results = []
        for network in (build(3, **EVERY), sums(3, **EVERY)):
            learn(network, 3, 0, step)
            rng = np.random.default_rng(7)
            samples = [draw(rng, range(60), 200, (8, 7)) for _ in range(3)]
            batch = Batch(network, 3)
            batch.show(samples, None, 60)
            batch.show(samples, [0, 1, 2], 60, learn=True)
            learn(network, 3, network.tick, network.tick + 60)
            results.append(network)
        assert equal(*results)
        assert results[0].updates > 0


def test_damaged_counts_of_gradients_are_refused() -> None:
    network = build(4, **EVERY)
    good = network.to_bytes()
    arrays = safetensors.numpy.load(good)
    (length,) = struct.unpack_from("<Q", good)
    metadata = json.loads(good[8 : 8 + length])["__metadata__"]
    for pairs, pending in ((1, 0), (3, 2), (-1, 0), (0, -5), (0, 3)):
        layers, registers = arrays["layers"].copy(), arrays["registers"].copy()
        layers[1, at.PAIRS], registers[at.PENDING] = pairs, pending
        bad = safetensors.numpy.save(
            {**arrays, "layers": layers, "registers": registers}, metadata=metadata
        )
        with pytest.raises(ModelError, match="more than it has room for"):
            Network.from_bytes(bad)


def test_the_papers_network_takes_less_memory_by_pairs() -> None:
    spec = load_preset("schaefer2020")
    pairs, other = (lay_out(spec, 11, compact=one) for one in (True, False))
    assert pairs.nbytes < 0.7 * other.nbytes
    # A layer that does not learn saves three of four bytes of its refractory values alone.
    edge = load_preset("edge")
    layers = Network.build(edge, ("a",)).layers
    neurons = sum(layer.membrane.size for layer in layers if layer.refractory.dtype == np.int8)
    assert neurons > 4000
    saved = lay_out(edge, 11, compact=False).nbytes - lay_out(edge, 11).nbytes
    assert saved == 3 * neurons
    # Steps that are not rare are taken from sums, which is faster.
    often = dataclasses.replace(
        spec, learning=dataclasses.replace(spec.learning, cadence=1, apply_every=1)
    )
    assert (lay_out(often, 11).layers[:, at.AT_GRADIENT] >= 0).all()
