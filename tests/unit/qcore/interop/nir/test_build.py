"""Imported networks fire as the frameworks' equations say, and score their outputs' spikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire import EVENT_DTYPE, Network
from spikewire.qcore import ModelError, from_nir
from tests.reference import nir as reference
from tests.support.nir_files import affine, chain, integrate, lif, write_graph

STEPS, INPUTS, HIDDEN, OUTPUTS = 120, 12, 10, 5
RNG = np.random.default_rng(2)
# Decays of 12 bits, and weights of 8 bits of one grid: rounding costs nothing, and what differs is
# the rule.
KEEP, FADE = 3686 / 4096, 3354 / 4096
WEIGHTS = [
    RNG.integers(-60, 100, (HIDDEN, INPUTS)) / 128,
    RNG.integers(-60, 100, (OUTPUTS, HIDDEN)) / 128,
]
SPIKES = RNG.random((STEPS, INPUTS)) < 0.25


def _cuba(tau_syn: float, tau_mem: float, **more: float) -> tuple[str, dict[str, Any]]:
    values = {
        "tau_syn": tau_syn, "tau_mem": tau_mem, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0,
        "w_in": 1.0, **more,
    }  # fmt: skip
    return "CubaLIF", {name: np.array([value]) for name, value in values.items()}


def _events(spikes: Any, tick_us: int) -> Any:
    t, x = np.nonzero(spikes)
    events = np.zeros(len(t), EVENT_DTYPE)
    events["t"], events["x"], events["p"] = t * tick_us, x, 1
    return events


CASES = {
    "snntorch": (
        lif(tau=1e-4 / (1 - KEEP), r=1 / (1 - KEEP)),
        lambda: reference.Neurons(reference.leaky, {"v": 0.0, "beta": KEEP, "threshold": 1.0}),
    ),
    "snntorch synaptic": (
        _cuba(2e-4, 5e-4, r=5.0, w_in=2.0),
        lambda: reference.Neurons(
            reference.synaptic, {"v": 0.0, "i": 0.0, "alpha": 0.5, "beta": 0.8, "threshold": 1.0}
        ),
    ),
    "norse": (
        lif(tau=1e-3 * 4e-3, threshold=0.3),
        lambda: reference.Neurons(reference.lif_box, {"v": 0.0, "dt_tau": 0.25, "threshold": 0.3}),
    ),
    "spikingjelly": (
        integrate(r=1e4),
        lambda: reference.Neurons(reference.jelly_if, {"v": 0.0, "threshold": 1.0}),
    ),
    "sinabs": (
        integrate(r=1.0),
        lambda: reference.Neurons(reference.sinabs_iaf, {"v": 0.0, "threshold": 1.0}),
    ),
    "rockpool": (
        _cuba(-1e-3 / np.log(FADE), -1e-3 / np.log(KEEP), r=-KEEP / np.log(KEEP), v_threshold=6.0),
        lambda: reference.Neurons(
            reference.rockpool_lif,
            {"v": 0.0, "i": 0.0, "alpha": KEEP, "beta": FADE, "threshold": 6.0},
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_network_fires_as_its_framework_says(name: str) -> None:
    node, neurons = CASES[name]
    graph = chain(affine(WEIGHTS[0]), node, affine(WEIGHTS[1]), node, shape=(INPUTS,))
    network, report = from_nir(graph, like=name.split()[0])
    assert max(layer.weight_error for layer in report.layers) < 1e-6
    inputs = SPIKES.copy()
    inputs[0, 0] = True
    result = network.run(_events(inputs, network.tick_us), spikes=[1])
    wanted = reference.run(WEIGHTS, [neurons(), neurons()], inputs.astype(float))
    found = result.spikes[1][:STEPS]
    assert wanted.sum() > 50
    assert (wanted.max() > 1) == (name == "sinabs")
    assert (found != wanted).mean() <= 21 / 6000
    tick = result.tick < STEPS
    counts = result.spikes[1].cumsum(0)
    np.testing.assert_array_equal(result.scores[tick] >> 8, counts[result.tick[tick]])


def test_a_file_and_its_graph_are_the_same_network(tmp_path: Path) -> None:
    graph = chain(affine(WEIGHTS[0]), integrate(), shape=(INPUTS,))
    path = write_graph(tmp_path / "small.nir", graph)
    choices = {"reset": "subtract", "floor": -2.0, "name": "small"}
    one, two = (from_nir(source, **choices)[0] for source in (graph, path))
    assert one.to_bytes() == two.to_bytes()
    assert one.spec.layers[0].floor < 0


def test_an_imported_network_is_saved_and_gains_classes(tmp_path: Path) -> None:
    graph = chain(affine(WEIGHTS[0]), integrate(), affine(WEIGHTS[1]), lif(), shape=(INPUTS,))
    names = [f"out {n}" for n in range(OUTPUTS)]
    network, _ = from_nir(graph, names, like="snntorch")
    network.save(tmp_path / "net.model")
    again = Network.load(tmp_path / "net.model", classes=["new"])
    assert again.classes == (*names, "new")
    before = [layer.weights.copy() for layer in network.layers]
    for layer, weights in zip(again.layers, before, strict=True):
        np.testing.assert_array_equal(layer.weights, weights)


def test_classes_that_do_not_fit_the_outputs_are_refused() -> None:
    graph = chain(affine(WEIGHTS[0]), integrate(), shape=(INPUTS,))
    with pytest.raises(ModelError, match="2 classes are named, and the graph has 10 outputs"):
        from_nir(graph, ["a", "b"], like="sinabs")
    with pytest.raises(ModelError, match="classes is one text"):
        from_nir(graph, "ab", like="sinabs")


@pytest.mark.parametrize(
    ("choice", "value", "told"),
    [("bits", 9, "2 to 8"), ("window", -1, "0 to 4,096"), ("shape", (2, 3), "channels, rows")],
)
def test_impossible_choices_are_refused(choice: str, value: Any, told: str) -> None:
    graph = chain(affine(WEIGHTS[0]), integrate(), shape=(INPUTS,))
    with pytest.raises(ModelError, match=told):
        from_nir(graph, like="sinabs", **{choice: value})
