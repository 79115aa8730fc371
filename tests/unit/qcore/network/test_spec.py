"""Specifications: read and written, and refused in sentences."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from spikewire.qcore import Network, NetworkSpec, SpecError, load_preset
from tests.unit.qcore.network.test_network import build
from tests.unit.qcore.network.variants import with_layers


def test_a_specification_survives_toml_and_json() -> None:
    text = """
        name = "by channel"
        [[layers]]
        kind = "conv"
        channels = 5
        pool = 2
        pool_kind = "sum"
        decay_u = [300, 600]
        decay_v = 90
        threshold = [9000, 8000, 7000]
        bias = [-5]
        [widths]
        q = 12
        p = 14
        refractory = 3
    """
    spec = NetworkSpec.from_dict(tomllib.loads(text))
    assert NetworkSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert hash(spec) == hash(NetworkSpec.from_dict(spec.to_dict()))
    network = Network.build(spec, ("a",), 0)
    assert network.layers[0].table[:4].tolist() == [
        [3796, 3496, 3796, 3496, 3796],
        [4006] * 5,
        [9000, 8000, 7000, 9000, 8000],
        [-5] * 5,
    ]
    assert network.layers[0].table[5].tolist() == [9000, 8000, 7000, 9000, 8000]
    assert Network.from_bytes(network.to_bytes()).spec == spec


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"width": 0}, "width is 0; allowed are whole numbers from 1 to 1024"),
        ({"colour": 3}, "network has no setting 'colour'"),
        ({"layers": []}, "at least one entry"),
        ({"layers": [{"kind": "conv"}]}, r"layers\[0\] is incomplete"),
        ({"layers": [{"kind": "lstm", "channels": 3}]}, "kind is 'lstm'"),
        ({"layers": [{"kind": "conv", "channels": 3, "kernel": 30}]}, "leaves nothing"),
        ({"layers": [{"kind": "conv", "channels": 3, "read": False}]}, "nothing to read"),
        ({"widths": {"weight": 9}}, "widths.weight is 9; allowed are whole numbers from 2 to 8"),
        ({"widths": 3}, "widths must be a table"),
        ({"tick_us": 1.5}, "tick_us is 1.5"),
        ({"widths": {"q": 3}}, "widths.q is 3; allowed are whole numbers from 4 to 15"),
        ({"widths": {"refractory": 9}}, "refractory is 9; allowed .* from 1 to 8, and 24"),
        (with_layers({"pool_kind": "max"}, {}, {}), r"pool_kind is 'max'; allowed are 'or' and"),
        (with_layers({"pool_kind": "sum", "pool": 12}, {}, {}), r"pool is 12; .* from 1 to 11"),
        (with_layers({"decay_u": [1, 2, 3, 4]}, {}, {}), r"lists 4 values; allowed are 1 to 3"),
        (with_layers({"decay_v": []}, {}, {}), r"layers\[0\].decay_v lists 0 values"),
        (with_layers({"threshold": [5, 0]}, {}, {}), r"threshold\[1\] is 0; allowed"),
        (with_layers({"bias": [5, "x"]}, {}, {}), r"bias\[1\] is 'x'; allowed"),
        ({"widths": {"delta": 9}}, "widths.delta is 9; allowed are whole numbers from 2 to 8"),
        ({"learning": {"error_scale": "max"}}, "error_scale is 'max'; allowed are 'fixed' and"),
        ({"learning": {"centre_gradients": 1}}, "centre_gradients is 1; allowed are False and"),
        ({"learning": {"surrogate": 3}}, "learning.surrogate is 3; allowed are 'window' and"),
        ({"learning": {"learn_biases": True, "bias_step": 3}}, "bias_step is 3, which moves"),
        ({"learning": {"bias_exponent": 3}}, "bias_exponent is 3, but biases are not learned"),
        ({"learning": {"learn_biases": True, "bias_exponent": 16}}, "whole numbers from 0 to 15"),
        (with_layers({"decay_u": 1.5}, {}, {}), r"layers\[0\].decay_u is 1.5; allowed"),
    ],
)
def test_impossible_specifications_are_refused_in_sentences(change: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        build(**change)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(SpecError, match=r"There is no preset 'big'; there are .*edge"):
        load_preset("big")
