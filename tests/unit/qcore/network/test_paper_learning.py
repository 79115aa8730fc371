"""The paper's ways of learning in whole networks: what they allocate, draw, write and move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import Network, bytes_by_kind
from spikewire.qcore.kernels import layout as at
from tests.unit.qcore.network.test_network import build, draw
from tests.unit.qcore.network.variants import PAPER, SMALL, with_layers

WAYS: dict[str, dict[str, Any]] = {
    "error_scale": {"error_scale": "largest"},
    "delta_scale": {"delta_scale": "largest"},
    "gradient_scale": {"gradient_scale": "tensor"},
    "centre_gradients": {"centre_gradients": False},
    "feedback": {"feedback": "concordant"},
    "surrogate": {"surrogate": "sigmoid"},
    "learn_biases": {"learn_biases": True, "bias_step": 0, "bias_exponent": 10},
}


def taught(network: Network, ticks: int = 200) -> Network:
    rng = np.random.default_rng(0)
    events = draw(rng, range(network.tick, network.tick + ticks), 10 * ticks, (8, 7))
    network.advance(events, network.tick + ticks, label=1, learn=True)
    return network


@pytest.mark.parametrize("way", WAYS)
def test_every_way_learns_something_else(way: str) -> None:
    plain = build(learning={**SMALL["learning"], "bias_step": 0})
    other = build(learning={**SMALL["learning"], "bias_step": 0, **WAYS[way]})
    before = other.layers[1].store.copy()
    assert (before == plain.layers[1].store).all()
    taught(plain)
    taught(other)
    assert (other.layers[1].store != before).any()
    assert (other.layers[1].store != plain.layers[1].store).any()


def test_a_network_without_them_is_written_as_before() -> None:
    assert not set(WAYS) & set(build().spec.to_dict()["learning"])
    assert "delta" not in build().spec.to_dict()["widths"]
    spec = build(learning=PAPER, widths={"delta": 6}).spec
    assert set(WAYS) < set(spec.to_dict()["learning"])
    assert spec.to_dict()["widths"]["delta"] == 6
    # New columns of the layer table hold nothing.
    assert not build().state.layers[:, at.DELTA_CUT : at.BIAS_EXPONENT + 1].any()


def test_a_saved_network_goes_on_with_its_way_of_learning() -> None:
    network = taught(build(learning=PAPER, widths={"delta": 6}))
    again = Network.from_bytes(network.to_bytes())
    assert again.spec == network.spec
    assert (again.layers[0].bias_store == network.layers[0].bias_store).all()
    assert (again.layers[0].feedback == network.layers[0].feedback).all()
    assert taught(again).to_bytes() == taught(network).to_bytes()


def test_concordant_feedback_has_the_readouts_signs_and_other_magnitudes() -> None:
    network = build(learning=PAPER)
    for layer in network.layers:
        B, G = layer.feedback, layer.readout
        assert (B != G).mean() > 0.7
        assert (np.sign(B) * np.sign(G) >= 0).all()
        assert abs(B).max() <= 31
    own = build()
    assert np.shares_memory(own.layers[0].feedback, own.layers[0].readout)
    old = [layer.feedback.copy() for layer in network.layers]
    network.add_class("d")
    for layer, before in zip(network.layers, old, strict=True):
        assert (layer.feedback[:3] == before).all()
        assert layer.feedback[3].any()


def test_biases_are_stored_and_used_at_their_widths() -> None:
    learning = {**PAPER, "bias_exponent": 5}
    changes = with_layers({}, {"bias": [1000, -1000, 8, 10**6]}, {})
    network = build(learning=learning, widths={"weight": 7, "store": 10}, **changes)
    layer = network.layers[1]
    # The unit is 2**(5 + 1); halves are rounded up, and 7 bits end at 63.
    assert layer.bias.tolist() == [16 * 64, -16 * 64 + 0, 0, 63 * 64]
    assert layer.bias_store.tolist() == [16 * 8, -16 * 8, 0, 63 * 8]
    taught(network)
    assert (layer.bias_store != [128, -128, 0, 504]).any()
    used = layer.bias // 64
    assert (layer.bias == used * 64).all()
    assert (abs(used * 8 - layer.bias_store) < 8).all()
    assert build().layers[1].bias_store.size == 0


def test_the_ledger_counts_what_they_add() -> None:
    def sizes(network: Network) -> dict[str, int]:
        return {item.name: item.size for item in bytes_by_kind(network)}

    tensor = {**SMALL["learning"], "gradient_scale": "tensor"}
    plain, paper = sizes(build(learning=tensor)), sizes(build(learning=PAPER))
    # 3 classes and 36, 8 and 5 units, and 3, 4 and 5 channels; all are filled up to 64 bytes.
    assert paper["readout matrices"] - plain["readout matrices"] == 128 + 64 + 64
    assert paper["stored weights"] - plain["stored weights"] == 3 * 64
    assert sum(paper.values()) - sum(plain.values()) == 256 + 192
