"""Graphs: nested ones are unpacked, chains are ordered, and what is not supported is named."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.qcore import ModelError
from spikewire.qcore.interop.nir.chain import as_chain
from spikewire.qcore.interop.nir.graph import Graph, Node, flatten_graph
from tests.support.nir_files import affine, chain, integrate, lif, with_edges

W = np.eye(3)


def _names(graph: Graph) -> list[list[str]]:
    stages = as_chain(flatten_graph(graph)).stages
    return [[*(node.name for node in stage.linear), stage.neuron.name] for stage in stages]


def test_a_chain_is_cut_at_its_neurons() -> None:
    graph = chain(affine(W), integrate(), affine(W), affine(W), lif(), shape=(3,))
    assert _names(graph) == [["0", "1"], ["2", "3", "4"]]


def test_a_nested_graph_is_unpacked_with_its_recurrent_edge() -> None:
    inner = Graph(
        {
            "input": Node("input", "Input", {"shape": np.array([3])}),
            "lif": Node("lif", *lif()),
            "w_rec": Node("w_rec", *affine(W)),
            "output": Node("output", "Output", {"shape": np.array([3])}),
        },
        (("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")),
    )
    graph = chain(affine(W), ("NIRGraph", {"graph": inner}), affine(W), integrate(), shape=(3,))
    found = as_chain(flatten_graph(graph))
    assert [stage.neuron.name for stage in found.stages] == ["1.lif", "3"]
    assert [[n.name for n in loop] for loop in found.stages[0].loops] == [["1.w_rec"]]
    assert found.stages[1].loops == []


def test_a_graph_that_was_flattened_elsewhere_keeps_its_recurrent_edge() -> None:
    graph = with_edges(
        chain(affine(W), lif(), shape=(3,)), ("1", "rec"), ("rec", "1"), rec=Node("rec", *affine(W))
    )
    (stage,) = as_chain(flatten_graph(graph)).stages
    assert [[n.name for n in loop] for loop in stage.loops] == [["rec"]]


def test_a_node_of_another_kind_is_refused_by_its_name() -> None:
    with pytest.raises(ModelError, match=r"'1' \(Resonate\).*supported are Affine, AvgPool2d"):
        flatten_graph(chain(affine(W), ("Resonate", {}), shape=(3,)))


@pytest.mark.parametrize(
    ("edges", "told"),
    [
        ([("0", "output")], r"branches to '1', 'output'"),
        ([("input", "1")], r"branches to"),
        ([("nobody", "1")], r"names 'nobody', which is no node"),
    ],
)
def test_other_shapes_than_chains_are_refused(edges: list[tuple[str, str]], told: str) -> None:
    graph = with_edges(chain(affine(W), lif(), shape=(3,)), *edges)
    with pytest.raises(ModelError, match=told):
        as_chain(flatten_graph(graph))


def test_two_outputs_are_refused_by_their_names() -> None:
    second = Node("second", "Output", {"shape": np.array([3])})
    graph = with_edges(chain(affine(W), lif(), shape=(3,)), ("1", "second"), second=second)
    with pytest.raises(ModelError, match="2 nodes of the kind Output: 'output' 'second'"):
        as_chain(flatten_graph(graph))


def test_a_loop_over_two_layers_is_refused() -> None:
    graph = with_edges(chain(lif(), affine(W), lif(), shape=(3,)), ("2", "0"))
    with pytest.raises(ModelError, match=r"branches to|joins"):
        as_chain(flatten_graph(graph))


def test_a_graph_without_an_output_is_refused() -> None:
    graph = chain(affine(W), lif(), shape=(3,))
    nodes = {name: node for name, node in graph.nodes.items() if name != "output"}
    edges = tuple(edge for edge in graph.edges if "output" not in edge)
    with pytest.raises(ModelError, match="0 nodes of the kind Output"):
        as_chain(Graph(nodes, edges))


@pytest.mark.parametrize("value", ["text", [np.nan], [np.inf], None])
def test_parameters_that_are_no_numbers_are_refused(value: object) -> None:
    node = Node("a", "LIF", {"tau": value})
    with pytest.raises(ModelError, match=r"'a' \(LIF\) the parameter tau holds"):
        node.array("tau")
