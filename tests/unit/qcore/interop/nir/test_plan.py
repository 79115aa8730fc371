"""Layers planned from graphs: geometry, settings and arrays, and what has no counterpart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import Choices, ModelError
from spikewire.qcore.interop.nir.build import plan_graph
from spikewire.qcore.interop.nir.graph import Graph, Node, flatten_graph
from spikewire.qcore.interop.nir.plan import Plan
from spikewire.qcore.interop.nir.speck import speck_faults
from tests.support.nir_files import (
    affine,
    chain,
    conv2d,
    integrate,
    lif,
    pool,
    with_edges,
)

RNG = np.random.default_rng(0)
FLATTEN = ("Flatten", {"start_dim": 0, "end_dim": -1})


def _plan(graph: Graph, **further: Any) -> Plan:
    choices = Choices(1e-3, further.pop("reset", "zero"), further.pop("floor", "none"))
    return plan_graph(flatten_graph(graph), choices, 8, further)[0]


def _cnn(first: tuple[str, Any]) -> Graph:
    return chain(
        first, integrate(), pool("SumPool2d", 2), conv2d(RNG.normal(size=(4, 3, 3, 3))),
        integrate(), FLATTEN, affine(RNG.normal(size=(5, 16))), lif(tau=0.01),
    )  # fmt: skip


def test_convolutions_pooling_and_dense_layers() -> None:
    plan = _plan(_cnn(conv2d(RNG.normal(size=(3, 2, 3, 3)), padding=[1, 1])))
    kinds = [layer.settings["kind"] for layer in plan.layers]
    assert (plan.input, kinds) == ((2, 8, 8), ["conv", "conv", "dense"])
    first, second, last = plan.layers
    assert (first.settings["pool"], first.settings["pool_kind"]) == (2, "sum")
    assert (first.settings["decay_u"], first.settings["decay_v"]) == (4096, 0)
    assert first.weights.shape == (2, 3, 3, 3)
    assert second.weights.shape == (3, 3, 3, 4)
    assert second.shape == (4, 2, 2)
    assert last.weights.shape == (4, 2, 2, 5)
    assert last.settings["decay_v"] == round(65536 * 0.1)
    assert last.settings["refractory_ticks"] == 0


def test_dense_weights_are_in_the_order_of_the_map_below() -> None:
    weight = np.arange(2 * 8).reshape(1, 16)
    (layer,) = _plan(chain(FLATTEN, affine(weight), integrate(100.0), shape=(2, 2, 4))).layers
    np.testing.assert_array_equal(layer.weights[..., 0], np.arange(16).reshape(2, 2, 4))


def test_average_pooling_scales_the_weights_after_it() -> None:
    def after(kind: str) -> Any:
        graph = chain(
            conv2d(np.ones((1, 1, 1, 1))), integrate(), pool(kind, 2),
            conv2d(np.full((1, 1, 1, 1), 0.5)), integrate(), shape=(1, 4, 4),
        )  # fmt: skip
        layer = _plan(graph).layers[1]
        threshold = layer.settings["threshold"]
        return layer.weights[0, 0, 0, 0] * 2.0 ** layer.settings["exponent"] / threshold

    assert after("SumPool2d") == pytest.approx(0.5, rel=1e-4)
    assert after("AvgPool2d") == pytest.approx(0.125, rel=1e-4)


def test_a_recurrent_edge_becomes_weights_from_and_to_neurons() -> None:
    back = np.zeros((3, 3))
    back[2, 0] = 2.0
    graph = with_edges(
        chain(affine(RNG.normal(size=(3, 4))), lif(), shape=(4,)),
        ("1", "rec"), ("rec", "1"), rec=Node("rec", *affine(back)),
    )  # fmt: skip
    (layer,) = _plan(graph).layers
    assert layer.recurrent is not None
    assert layer.settings["recurrent"] is True
    # NIR's matrix is [to, from]; the engine's is [from, to].
    assert layer.recurrent[0, 2] > 0
    assert np.count_nonzero(layer.recurrent) == 1


def test_delays_of_all_and_of_single_units() -> None:
    one = _plan(chain(("Delay", {"delay": np.full(4, 3e-3)}), affine(np.eye(4)), lif(), shape=(4,)))
    assert one.layers[0].settings["delay"] == 3
    graph = chain(("Delay", {"delay": np.arange(4) / 1e3}), affine(np.eye(4)), lif(), shape=(4,))
    layer = _plan(graph).layers[0]
    assert layer.settings["delays"] == 3
    assert layer.delays is not None
    np.testing.assert_array_equal(layer.delays, np.arange(4).reshape(1, 4, 1))
    with pytest.raises(ModelError, match="allowed are 0 to 63"):
        _plan(chain(("Delay", {"delay": np.full(4, 1.0)}), affine(np.eye(4)), lif(), shape=(4,)))


def test_neurons_that_differ_inside_a_map_are_written_as_a_matrix() -> None:
    threshold = RNG.uniform(1, 2, (3, 2, 2))
    node = ("IF", {"r": np.ones((3, 2, 2)), "v_threshold": threshold})
    (layer,) = _plan(chain(conv2d(RNG.normal(size=(3, 2, 3, 3))), node, shape=(2, 4, 4))).layers
    assert layer.settings["kind"] == "dense"
    assert layer.shape == (12, 1, 1)
    assert len(set(layer.settings["threshold"])) == 12


def test_integrators_at_the_end_answer_with_their_membranes() -> None:
    node = ("LI", {"tau": np.array([0.01]), "r": np.array([1.0]), "v_leak": np.array([0.0])})
    layer = _plan(chain(affine(np.eye(3)), node, shape=(3,))).layers[0]
    assert layer.settings["kind"] == "membranes"
    assert "threshold" not in layer.settings
    with pytest.raises(ModelError, match="sends values and not spikes"):
        _plan(chain(affine(np.eye(3)), node, affine(np.eye(3)), lif(), shape=(3,)))


@pytest.mark.parametrize(
    ("shape", "given", "wanted"),
    [
        ((2, 3, 3), None, (2, 3, 3)),
        ((18,), None, (1, 1, 18)),
        ((1, 18), None, (1, 1, 18)),
        ((18,), (2, 3, 3), (2, 3, 3)),
    ],
)
def test_the_shape_of_the_input(
    shape: tuple[int, ...], given: tuple[int, ...] | None, wanted: tuple[int, ...]
) -> None:
    assert _plan(chain(affine(np.ones((2, 18))), lif(), shape=shape), shape=given).input == wanted


def test_a_shape_that_does_not_fit_is_refused() -> None:
    graph = chain(affine(np.ones((2, 18))), lif(), shape=(18,))
    with pytest.raises(ModelError, match=r"given as 2x3x4, and the node '0' .* takes 18 inputs"):
        _plan(graph, shape=(2, 3, 4))
    with pytest.raises(ModelError, match="give its shape"):
        _plan(chain(affine(np.ones((2, 2312))), lif(), shape=(2312,)))


def test_speck_tells_the_layers_that_do_not_fit() -> None:
    fits = chain(
        conv2d(RNG.normal(size=(3, 2, 3, 3))), integrate(), FLATTEN,
        affine(RNG.normal(size=(5, 108))), integrate(), shape=(2, 8, 8),
    )  # fmt: skip
    assert speck_faults(_plan(fits, reset="subtract")) == []
    wide = chain(
        conv2d(RNG.normal(size=(3, 2, 3, 1))), integrate(), FLATTEN,
        affine(RNG.normal(size=(5, 144))), lif(tau=0.01), shape=(2, 8, 8),
    )  # fmt: skip
    told = speck_faults(_plan(wide, reset="subtract"))
    assert any("kernel is 3x1, which is not square" in fault for fault in told)
    assert any("membranes leak in parts" in fault for fault in told)


def test_speck_tells_a_layer_that_no_core_holds() -> None:
    nodes = [conv2d(RNG.normal(size=(64, 2, 3, 3)), padding=[1, 1]), integrate()]
    told = speck_faults(_plan(chain(*nodes, shape=(2, 64, 64))))
    assert len(told) == 1
    assert "room for 2 Ki weights and 256 Ki neurons" in told[0]
