"""Version 2 of a specification: weights are rounded, and steps depend on no width."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import ModelError, Network, NetworkSpec, SpecError, load_preset
from spikewire.qcore.kernels import layout as at
from tests.reference import kernels as naive
from tests.unit.qcore.network.old_model import OLD_MODEL
from tests.unit.qcore.network.test_network import build, draw
from tests.unit.qcore.network.variants import SMALL


def learned(ticks: int = 300, **changes: Any) -> Network:
    network = build(**changes)
    rng = np.random.default_rng(3)
    network.advance(draw(rng, range(ticks), 10 * ticks, (8, 7)), ticks, label=1, learn=True)
    return network


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_follow_from_the_store_as_drawn_and_as_learned(version: int, bits: int) -> None:
    widths = {"weight": bits, "store": 10}
    for network in (build(version=version, widths=widths), learned(version=version, widths=widths)):
        for layer in network.layers:
            want = [
                naive.used_weight(int(w), 10, bits, version == 2) for w in layer.store.reshape(-1)
            ]
            assert layer.weights.reshape(-1).tolist() == want


@pytest.mark.parametrize("bits", range(2, 9))
def test_rounded_weights_are_symmetric_and_have_no_bias(bits: int) -> None:
    layer = {"kind": "conv", "channels": 64, "kernel": 7, "pad": 3}
    network = build(version=2, widths={"weight": bits}, layers=[layer])
    weights = network.layers[0].weights.astype(int)
    most = 2 ** (bits - 1) - 1
    assert (weights.min(), weights.max()) == (-most, most)
    # Four standard errors of the mean; rounded down it would be half a unit below.
    assert abs(weights.mean()) < 4 * weights.std() / weights.size**0.5 < 0.5 * most


def test_a_store_is_clipped_symmetrically() -> None:
    for version, low in ((1, -512), (2, -511)):
        learning = {**SMALL["learning"], "step": 2**14, "target": 2**20}
        network = learned(version=version, learning=learning, widths={"store": 10})
        stores = np.concatenate([layer.store.reshape(-1) for layer in network.layers])
        assert (stores.min(), stores.max()) == (low, 511)


def test_weights_set_by_hand_keep_to_the_symmetric_range() -> None:
    layer = build(version=2, widths={"weight": 4}).layers[0]
    layer.set_weights(np.full(layer.weights.shape, -7))
    assert (layer.weights == -7).all()
    assert (layer.store == -7 * 64).all()
    with pytest.raises(ModelError, match="takes weights from -7 to 7, not -8 to -8"):
        layer.set_weights(np.full(layer.weights.shape, -8))
    layer = build(widths={"weight": 4}).layers[0]
    layer.set_weights(np.full(layer.weights.shape, -8))


def test_weights_are_derived_again_when_a_network_is_loaded() -> None:
    for version in (1, 2):
        network = build(version=version)
        network.layers[0].store[...] = 7 << 2
        other = Network.from_bytes(network.to_bytes())
        assert bool((other.layers[0].weights == 7).all()) == (version == 2)


def test_earlier_specifications_have_version_1_and_are_written_as_before() -> None:
    network = Network.from_bytes(OLD_MODEL)
    assert network.spec.version == 1
    assert network.to_bytes() == OLD_MODEL
    assert "version" not in network.spec.to_dict()
    again = NetworkSpec.from_dict(build(version=2).spec.to_dict())
    assert again.version == 2
    assert again.digest() != NetworkSpec.from_dict({**again.to_dict(), "version": 1}).digest()
    with pytest.raises(SpecError, match="version is 3; allowed are whole numbers from 1 to 2"):
        build(version=3)


@pytest.mark.parametrize("done", [0, 3, 17, 20])
def test_a_step_is_the_same_share_of_the_range_at_every_width_of_the_store(done: int) -> None:
    def share(**changes: Any) -> float:
        network = build(**changes)
        network.schedule(done, 20)
        L = network.state.layers[0]
        return float(L[at.STEP] / 2.0 ** (4 + L[at.STEP_BITS]) / (L[at.STORE_RAIL] + 1))

    learning = {**SMALL["learning"], "step": 100, "last_step": 3}
    wide = share(version=1, learning=learning)
    for store in range(8, 17):
        found = share(version=2, learning=learning, widths={"store": store})
        # Version 1 has whole sixteenths only.
        assert abs(found - wide) <= 1 / 16 / 512
        assert found == share(version=2, learning=learning)


def test_a_width_of_the_store_changes_the_resolution_of_a_step_only() -> None:
    # One step from rest: the change of a wide store, seen in LSBs of the narrow one.
    changes = {}
    for store in (8, 16):
        learning = {**SMALL["learning"], "apply_every": 0, "step": 256}
        network = build(version=2, learning=learning, widths={"store": store})
        rng = np.random.default_rng(5)
        network.advance(draw(rng, range(90), 900, (8, 7)), 90, label=0, learn=True)
        before = network.layers[0].store.astype(int)
        g = np.random.default_rng(6).integers(-1000, 1000, before.shape)
        network.layers[0].gradient[...] = g
        assert network.apply() > 0
        changes[store] = (network.layers[0].store - before) / 2.0 ** (store - 8)
    inside = abs(changes[8]) > 0
    assert inside.any()
    # Stochastic rounding is off by less than one LSB, and clipping at the rails takes from both.
    assert abs(changes[8] - changes[16]).max() <= 1.01


def test_a_step_beyond_the_range_is_refused() -> None:
    learning = {**SMALL["learning"], "step": 2**14 + 1}
    build(learning=learning)
    with pytest.raises(SpecError, match=r"learning.step is 16385; allowed .* from 0 to 16384"):
        build(version=2, learning=learning)


def test_presets_that_learn_are_rounded_and_edge_is_as_before() -> None:
    versions = {name: load_preset(name).version for name in ("edge", "nmnist", "schaefer2020")}
    assert versions == {"edge": 1, "nmnist": 2, "schaefer2020": 2}
