"""Exported networks come back the same, and what NIR has no counterpart of is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire.qcore import (
    LayerSpec,
    ModelError,
    Network,
    NetworkSpec,
    ReadoutSpec,
    export_notes,
    from_nir,
    load_preset,
    to_nir,
)
from spikewire.qcore.network.prototypes_spec import PrototypesSpec

nir = pytest.importorskip("nir")


def _edge(**changes: Any) -> NetworkSpec:
    spec = load_preset("edge")
    layers = tuple(dataclasses.replace(layer, **changes) for layer in spec.layers)
    return dataclasses.replace(spec, layers=layers)


def _recurrent() -> NetworkSpec:
    """Describe a network with a layer of each further feature that NIR has a counterpart of."""
    plain = {"refractory_ticks": 0, "plastic": False, "read": False}
    conv = LayerSpec(
        "conv", 4, 3, 2, 1, kernel_x=2, stride_x=1, pad_x=0, dilation_x=2, groups=2, delay=3,
        pool=2, pool_kind="sum", reset="zero", bias=(5, -6, 7, 0), floor=-900, threshold=5000,
        fires="reached", most_spikes=3, **plain,
    )  # fmt: skip
    dense = LayerSpec(
        "dense", 6, reset="subtract", reset_late=True, threshold=(900, 800, 700, 600, 500, 400),
        recurrent=True, recurrent_exponent=6, bias=3, bias_to="current", decay_v=0, **plain,
    )  # fmt: skip
    last = LayerSpec("membranes", 2, reset="none", decay_v=77, **plain)
    values = {"name": "all", "width": 12, "height": 10, "layers": [conv, dense, last]}
    return NetworkSpec.from_dict({**values, "readout": ReadoutSpec(answer="output")})


@pytest.mark.parametrize(
    "spec",
    [_edge(reset="subtract"), _edge(reset="zero"), load_preset("edge10"), _recurrent()],
    ids=["edge subtract", "edge zero", "edge10", "further features"],
)
def test_exported_networks_come_back_as_they_were(tmp_path: Path, spec: NetworkSpec) -> None:
    network = Network.build(spec, ["a", "b"], seed=3)
    graph = to_nir(network)
    nir.write(tmp_path / "own.nir", graph)
    for source in (graph, tmp_path / "own.nir"):
        again, report = from_nir(source)
        assert again.spec == network.spec
        assert again.classes == ("a", "b")
        assert len(report.layers) == 3
        for one, two in zip(network.layers, again.layers, strict=True):
            np.testing.assert_array_equal(one.weights, two.weights)
            np.testing.assert_array_equal(one.recurrent, two.recurrent)


def test_the_shipped_network_comes_back_with_thresholds_of_its_own() -> None:
    network = Network.load("gestures")
    again, report = from_nir(to_nir(network))
    assert again.spec == network.spec
    assert any("classes have to be taught" in line for line in report.assumptions)


def test_a_graph_that_was_changed_does_not_follow_its_note() -> None:
    graph = to_nir(Network.build(load_preset("edge10"), ["a", "b"]))
    graph.nodes["conv1"].stride = (1, 1)
    with pytest.raises(ModelError, match="give dt and reset and floor"):
        from_nir(graph)


def test_without_its_note_a_graph_still_holds_every_number() -> None:
    network = Network.build(_edge(reset="subtract", refractory_ticks=0), ["a", "b"], seed=3)
    graph = to_nir(network)
    graph.metadata = {}
    again, _ = from_nir(graph, dt=1e-4, reset="subtract", floor="none")
    for layer, one, two, wanted in zip(
        again.spec.layers, again.layers, network.layers, network.spec.layers, strict=False
    ):
        found = one.weights.astype(int) << layer.exponent
        np.testing.assert_array_equal(found, two.weights.astype(int) << wanted.exponent)
        assert layer.decay_u == wanted.decay_u
        decays = np.resize(np.array(wanted.decay_v), wanted.channels)
        np.testing.assert_array_equal(np.resize(np.array(layer.decay_v), wanted.channels), decays)
        assert layer.threshold == wanted.threshold


def test_a_refractory_trace_cannot_be_written() -> None:
    network = Network.build(load_preset("edge"), ["a", "b"])
    with pytest.raises(ModelError, match=r"Layer 1 cannot be written.*such as edge10"):
        to_nir(network)


def test_what_is_lost_is_told() -> None:
    notes = export_notes(Network.build(_edge(reset="subtract"), ["a", "b"]))
    assert any("set subtract" in note for note in notes)
    assert any("refractory ticks" in note for note in notes)
    assert any("trained readout" in note for note in notes)
    assert not any("class means" in note for note in notes)
    means = dataclasses.replace(_edge(reset="subtract"), prototypes=PrototypesSpec(size=8))
    notes = export_notes(Network.build(means, ["a", "b"]))
    assert "The class means are not part of the graph." in notes


@pytest.mark.parametrize("dt", [0, -1.0, "fast", True])
def test_an_impossible_step_is_refused(dt: Any) -> None:
    network = Network.build(load_preset("edge10"), ["a", "b"])
    with pytest.raises(ModelError, match=r"^dt is "):
        to_nir(network, dt)
