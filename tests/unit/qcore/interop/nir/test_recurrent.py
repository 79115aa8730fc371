"""The recurrent graph of the NIR paper fires as its equations say in floating point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire import EVENT_DTYPE, Network
from spikewire.qcore import from_nir
from spikewire.qcore.interop.nir.graph import Graph, Node, flatten_graph
from spikewire.qcore.interop.nir.read import read_graph

STEPS, DT = 256, 1e-4


class Cuba:
    """Current-based neurons by Euler steps, with a reset to zero."""

    def __init__(self, node: Node) -> None:
        self.fade, self.keep = (1 - DT / node.array(name) for name in ("tau_syn", "tau_mem"))
        self.into = node.array("w_in") * (1 - self.fade)
        self.gain = node.array("r") * (1 - self.keep)
        self.level = node.array("v_threshold")
        self.i = self.v = self.fired = np.zeros(self.level.shape)

    def step(self, x: Any) -> Any:
        self.i = self.fade * self.i + self.into * x
        self.v = self.keep * self.v + self.gain * self.i
        self.fired = (self.v > self.level).astype(float)
        self.v = np.where(self.fired > 0, 0, self.v)
        return self.fired


Weights = tuple[Any, Any, Any]


def _of_graph(graph: Graph) -> list[Weights]:
    """Return weights, biases and recurrent weights of both layers as the graph has them."""
    one, two, back = (graph.nodes[name] for name in ("fc1", "fc2", "lif1.w_rec"))
    bias = one.array("bias") + back.array("bias")
    return [
        (one.array("weight"), bias, back.array("weight")),
        (two.array("weight"), two.array("bias"), np.zeros((7, 7))),
    ]


def _of_network(network: Network) -> list[Weights]:
    """Return the same as they were rounded, in parts of the threshold."""
    found: list[Weights] = []
    for spec, view in zip(network.spec.layers[:2], network.layers, strict=False):
        count = spec.channels
        level, bias = (np.resize(np.array(x), count) for x in (spec.threshold, spec.bias))
        weights = view.weights.reshape(-1, count).T * 2.0**spec.exponent
        back = np.zeros((count, count))
        if spec.recurrent:
            back = view.recurrent.T * 2.0**spec.recurrent_exponent
        found.append((weights / level[:, None], bias / level, back / level[:, None]))
    return found


def _float_spikes(graph: Graph, weights: list[Weights], inputs: Any) -> list[Any]:
    layers = [Cuba(graph.nodes[name]) for name in ("lif1.lif", "lif2")]
    found: list[list[Any]] = [[], []]
    for x in inputs:
        for n, (weight, bias, back) in enumerate(weights):
            x = layers[n].step(weight @ x + bias + back @ layers[n].fired)
            found[n].append(x)
    return [np.array(spikes) for spikes in found]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_recurrent_graph_fires_as_its_float_twin(data_dir: Path, seed: int) -> None:
    path = data_dir / "interop" / "nir" / "braille_noDelay_bias_zero.nir"
    network, report = from_nir(path, like="snntorch", reset="zero")
    assert network.spec.layers[0].recurrent
    assert [layer.name for layer in report.layers] == ["lif1.lif", "lif2"]
    inputs = np.random.default_rng(seed).random((STEPS, 12)) < 0.1
    inputs[-1] = True
    t, x = np.nonzero(inputs)
    events = np.zeros(len(t), EVENT_DTYPE)
    events["t"], events["x"], events["p"] = t * network.tick_us, x, 1
    found = network.run(events, spikes=[0, 1]).spikes
    graph = flatten_graph(read_graph(path))
    rounded = _float_spikes(graph, _of_network(network), inputs.astype(float))
    for n in (0, 1):
        assert rounded[n].sum() > 80
        assert (found[n][:STEPS] != rounded[n]).mean() <= 0.01
    # Weights of 8 bits shift the phase of the last neurons, which fire without input.
    exact = _float_spikes(graph, _of_graph(graph), inputs.astype(float))
    assert (found[0][:STEPS] != exact[0]).mean() <= 0.01
