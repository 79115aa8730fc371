"""A NIR graph as plain data, with nested graphs unpacked and every node checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import ModelError

Floats = npt.NDArray[np.float64]
Edge = tuple[str, str]

SPIKING = ("IF", "LIF", "CubaLIF", "Threshold")
INTEGRATING = ("I", "LI", "CubaLI")
NEURONS = (*SPIKING, *INTEGRATING)
LINEAR = (
    "Affine", "Linear", "Conv1d", "Conv2d", "Scale", "SumPool2d", "AvgPool2d", "Flatten", "Delay",
)  # fmt: skip
ENDS = ("Input", "Output")
SUPPORTED = (*NEURONS, *LINEAR, *ENDS, "NIRGraph")

MOST_NODES = 1_000
LARGEST = 1e30
NOTE = "spikewire"
"""Name of this project's note in the metadata of a graph."""

DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its name in the graph, its kind and its parameters by their NIR names."""

    name: str
    kind: str
    values: Mapping[str, Any]

    @property
    def spikes(self) -> bool:
        """Whether the node sends spikes."""
        return self.kind in SPIKING

    def __str__(self) -> str:
        return f"the node {self.name!r:.80} ({self.kind})"

    def array(self, name: str) -> Floats:
        """Return a parameter as numbers, all of them finite.

        Raises
        ------
        ModelError
            If it is missing or holds anything else.
        """
        if name not in self.values:
            raise ModelError(f"In {self} the parameter {name} is missing.")
        try:
            value = np.asarray(self.values[name])
            if value.dtype.kind not in "fiub":
                raise TypeError
            value = value.astype(np.float64)
        except (TypeError, ValueError):
            raise ModelError(f"In {self} the parameter {name} holds no numbers.") from None
        if not (np.abs(value) <= LARGEST).all():
            raise ModelError(
                f"In {self} the parameter {name} holds a number that is not finite, or beyond "
                f"{LARGEST:g}."
            )
        return value

    def optional(self, name: str, default: float) -> Floats:
        """Return a parameter as :meth:`array` does, or ``default`` if there is none."""
        if self.values.get(name) is None:
            return np.float64(default) * np.ones(())
        return self.array(name)

    def whole(self, name: str, low: int, high: int) -> list[int]:
        """Return a parameter of one or several whole numbers, each within a range."""
        value = np.atleast_1d(self.array(name))
        if value.ndim != 1 or value.size == 0 or (value != np.round(value)).any():
            raise ModelError(f"In {self} the parameter {name} holds no whole numbers.")
        if value.min() < low or value.max() > high:
            raise ModelError(
                f"In {self} the parameter {name} is {[int(v) for v in value[:4]]}; allowed are "
                f"{low} to {high}."
            )
        return [int(v) for v in value]

    def pair(self, name: str, low: int, high: int) -> tuple[int, int]:
        """Return a parameter of the rows and the columns; one value stands for both."""
        values = self.whole(name, low, high)
        if len(values) > 2:
            raise ModelError(f"In {self} the parameter {name} holds {len(values)} numbers, not 2.")
        return values[0], values[-1]


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by their names, the edges between them, and the note of this project's exports."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    note: str = ""

    def after(self, name: str) -> list[str]:
        """Name the nodes that a node feeds."""
        return [b for a, b in self.edges if a == name]

    def before(self, name: str) -> list[str]:
        """Name the nodes that feed a node."""
        return [a for a, b in self.edges if b == name]

    def of_kind(self, kind: str) -> list[Node]:
        """List the nodes of a kind."""
        return [node for node in self.nodes.values() if node.kind == kind]


def flatten_graph(graph: Graph, depth: int = 0) -> Graph:
    """Unpack nested graphs, and check that each node is supported and each edge has its ends.

    Raises
    ------
    ModelError
        If a node is of another kind, an edge leads nowhere, or graphs are nested too deeply.
    """
    if depth > DEEPEST:
        raise ModelError(f"The graph is nested more than {DEEPEST} graphs deep.")
    _check(graph)
    nodes: dict[str, Node] = {}
    edges = list(dict.fromkeys(graph.edges))
    for name, node in graph.nodes.items():
        if node.kind != "NIRGraph":
            nodes[name] = node
            continue
        inner = flatten_graph(_inner(node), depth + 1)
        entries = {n for n, one in inner.nodes.items() if one.kind == "Input"}
        exits = {n for n, one in inner.nodes.items() if one.kind == "Output"}
        starts = [b for a, b in inner.edges if a in entries]
        ends = [a for a, b in inner.edges if b in exits]
        edges = [e for a, b in edges for e in _outer((a, b), name, starts, ends)]
        edges += [(a, b) for a, b in inner.edges if a not in entries and b not in exits]
        for n, one in inner.nodes.items():
            if n not in entries | exits:
                nodes[n] = one
    if len(nodes) > MOST_NODES:
        raise ModelError(f"The graph has {len(nodes):,} nodes; allowed are {MOST_NODES:,}.")
    return Graph(nodes, tuple(dict.fromkeys(edges)), graph.note)


def _outer(edge: Edge, name: str, starts: list[str], ends: list[str]) -> list[Edge]:
    """Lead an edge to or from a nested graph to the nodes inside."""
    sources = ends if edge[0] == name else [edge[0]]
    targets = starts if edge[1] == name else [edge[1]]
    return [(a, b) for a in sources for b in targets]


def _inner(node: Node) -> Graph:
    """Return the graph inside a node, its names made unique by the node's own."""
    inner = node.values.get("graph")
    if not isinstance(inner, Graph):
        raise ModelError(f"In {node} there is no graph.")
    prefix = f"{node.name}."

    def renamed(name: str) -> str:
        return name if name.startswith(prefix) else prefix + name

    nodes = {renamed(n): Node(renamed(n), one.kind, one.values) for n, one in inner.nodes.items()}
    return Graph(nodes, tuple((renamed(a), renamed(b)) for a, b in inner.edges))


def _check(graph: Graph) -> None:
    for node in graph.nodes.values():
        if node.kind not in SUPPORTED:
            raise ModelError(
                f"The graph holds {node}, which is not supported; supported are "
                f"{', '.join(sorted(SUPPORTED))}."
            )
    for edge in graph.edges:
        for end in edge:
            if end not in graph.nodes:
                raise ModelError(f"An edge of the graph names {end!r:.80}, which is no node.")
