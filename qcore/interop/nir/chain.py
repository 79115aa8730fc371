"""The chain of layers in a NIR graph: linear nodes, then neurons, and their recurrent edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.nir.graph import LINEAR, NEURONS, Edge, Graph, Node

MOST_NAMED = 4


@dataclass(slots=True)
class Stage:
    """Neurons, with the linear nodes that feed them.

    Attributes
    ----------
    linear
        Nodes between the neurons (or the input) before and these, in order.
    neuron
        The neurons.
    loops
        The linear nodes of each recurrent edge from the neurons to themselves.
    """

    linear: list[Node]
    neuron: Node
    loops: list[list[Node]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chain:
    """A graph in which spikes take one road: from the input through stages to the output."""

    input: Node
    stages: list[Stage]
    tail: list[Node]
    """Linear nodes after the last neurons."""


def as_chain(graph: Graph) -> Chain:
    """Order the nodes of a graph without nested ones.

    Raises
    ------
    ModelError
        If it has several inputs or outputs, branches, joins, or loops that are not of one layer.
    """
    ends = [graph.of_kind(kind) for kind in ("Input", "Output")]
    for kind, found in zip(("Input", "Output"), ends, strict=True):
        if len(found) != 1:
            named = "".join(f" {node.name!r:.80}" for node in found[:MOST_NAMED])
            raise ModelError(
                f"The graph has {len(found)} nodes of the kind {kind}{':' * bool(named)}{named}; "
                "one is supported."
            )
    loops, rest = _loops(graph)
    order = _walk(Graph(graph.nodes, rest), ends[0][0], ends[1][0])
    stages: list[Stage] = []
    waiting: list[Node] = []
    for node in order:
        if node.kind in NEURONS:
            stages.append(Stage(waiting, node, loops.pop(node.name, [])))
            waiting = []
        else:
            waiting.append(node)
    if not stages:
        raise ModelError(f"The graph has no neurons; supported are {', '.join(NEURONS)}.")
    _check_integrators(stages)
    return Chain(ends[0][0], stages, waiting)


def _check_integrators(stages: list[Stage]) -> None:
    for stage in stages[:-1]:
        if not stage.neuron.spikes:
            raise ModelError(
                f"The graph holds {stage.neuron}, which sends values and not spikes, before other "
                "neurons; that is supported at the end only."
            )


def _loops(graph: Graph) -> tuple[dict[str, list[list[Node]]], tuple[Edge, ...]]:
    """Find recurrent edges of layers; return them by their layer, and the edges that are left."""
    loops: dict[str, list[list[Node]]] = {}
    taken: set[Edge] = set()
    for name, node in graph.nodes.items():
        if node.kind not in NEURONS:
            continue
        for start in graph.after(name):
            path = _back_to(graph, name, start)
            if path is None:
                continue
            loops.setdefault(name, []).append([graph.nodes[n] for n in path])
            road = [name, *path, name]
            taken.update(pairwise(road))
    return loops, tuple(edge for edge in graph.edges if edge not in taken)


def _back_to(graph: Graph, name: str, start: str) -> list[str] | None:
    """Follow linear nodes from ``start``; return them if they lead back to the neurons."""
    path: list[str] = []
    now = start
    while now != name:
        after = graph.after(now)
        if graph.nodes[now].kind not in LINEAR or len(after) != 1 or now in path:
            return None
        path.append(now)
        now = after[0]
    return path


def _walk(graph: Graph, first: Node, last: Node) -> list[Node]:
    """Return the nodes between the input and the output, if there is only one road."""
    order: list[Node] = []
    now = first
    while now is not last:
        after = graph.after(now.name)
        if not after:
            raise ModelError(f"After {now} there is no edge that leads to the output.")
        if len(after) > 1:
            raise ModelError(
                f"After {now} the graph branches to {_named(after)}; supported are chains, and "
                "edges from a layer to itself."
            )
        now = graph.nodes[after[0]]
        sources = graph.before(now.name)
        if len(sources) > 1:
            raise ModelError(
                f"At {now} the graph joins {_named(sources)}; supported are chains, and edges "
                "from a layer to itself."
            )
        if now is not last:
            order.append(now)
        if len(order) > len(graph.nodes):
            raise ModelError(f"The graph runs in a circle through {now}.")
    return order


def _named(names: list[str]) -> str:
    shown = ", ".join(repr(name)[:80] for name in names[:4])
    return f"{shown} and more" if len(names) > 4 else shown
