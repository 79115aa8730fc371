"""Exported networks come back the same, and what NIR has no counterpart of is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire.qcore import (
    ModelError,
    Network,
    NetworkSpec,
    export_notes,
    from_nir,
    load_preset,
    to_nir,
)

nir = pytest.importorskip("nir")


def _edge(**changes: Any) -> NetworkSpec:
    spec = load_preset("edge")
    layers = tuple(dataclasses.replace(layer, **changes) for layer in spec.layers)
    return dataclasses.replace(spec, layers=layers)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_edge_comes_back_as_it_was(tmp_path: Path, reset: str) -> None:
    network = Network.build(_edge(reset=reset), ["a", "b"], seed=3)
    graph = to_nir(network)
    nir.write(tmp_path / "edge.nir", graph)
    for source in (graph, tmp_path / "edge.nir"):
        again, report = from_nir(source, ["a", "b"])
        assert again.spec == network.spec
        assert len(report.layers) == 3
        for one, two in zip(network.layers, again.layers, strict=True):
            np.testing.assert_array_equal(one.weights, two.weights)


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


@pytest.mark.parametrize("dt", [0, -1.0, "fast", True])
def test_an_impossible_step_is_refused(dt: Any) -> None:
    network = Network.build(load_preset("edge10"), ["a", "b"])
    with pytest.raises(ModelError, match=r"^dt is "):
        to_nir(network, dt)
