"""NIR graphs for tests: chains of nodes, as plain data and as HDF5 files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spikewire.qcore.interop.nir.graph import Edge, Graph, Node


def chain(*nodes: tuple[str, dict[str, Any]], shape: Sequence[int] = (2, 8, 8)) -> Graph:
    """Join nodes, named by their numbers, between an input and an output."""
    found = {"input": Node("input", "Input", {"shape": np.array(shape)})}
    for n, (kind, values) in enumerate(nodes):
        found[str(n)] = Node(str(n), kind, values)
    found["output"] = Node("output", "Output", {"shape": np.array([1])})
    names = list(found)
    return Graph(found, tuple(pairwise(names)))


def with_edges(graph: Graph, *edges: Edge, **nodes: Node) -> Graph:
    """Add nodes and edges."""
    return Graph({**graph.nodes, **nodes}, (*graph.edges, *edges))


def write_graph(path: Path, graph: Graph) -> Path:
    """Write a file as the package ``nir`` lays it out."""
    with h5py.File(path, "w") as file:
        file["version"] = "1.0.8"
        _write(file.create_group("node"), graph)
    return path


def _write(group: Any, graph: Graph) -> None:
    group["type"] = "NIRGraph"
    group["edges"] = np.array(graph.edges, h5py.string_dtype()).reshape(-1, 2)
    inside = group.create_group("nodes")
    for node in graph.nodes.values():
        place = inside.create_group(node.name)
        if node.kind == "NIRGraph":
            _write(place, node.values["graph"])
            continue
        place["type"] = node.kind
        for name, value in node.values.items():
            place[name] = value


def affine(weight: Any, bias: Any = None) -> tuple[str, dict[str, Any]]:
    """Make a matrix, with a bias or without."""
    values = {"weight": np.asarray(weight, np.float32)}
    if bias is None:
        return "Linear", values
    return "Affine", {**values, "bias": np.asarray(bias, np.float32)}


def conv2d(weight: Any, **values: Any) -> tuple[str, dict[str, Any]]:
    """Make a convolution: weights [c_out, c_in, rows, columns]."""
    weight = np.asarray(weight, np.float32)
    plain = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}
    return "Conv2d", {
        "weight": weight,
        "bias": np.zeros(len(weight), np.float32),
        **plain,
        **values,
    }


def pool(kind: str, size: int, stride: int | None = None) -> tuple[str, dict[str, Any]]:
    """Make a pooling node."""
    side = np.array([size, size])
    step = side if stride is None else np.array([stride, stride])
    return kind, {"kernel_size": side, "stride": step, "padding": np.array([0, 0])}


def lif(threshold: float = 1.0, tau: float = 1e-3, r: float = 1.0, **more: Any) -> Any:
    """Make leaky neurons; one value stands for all."""
    values = {"tau": [tau], "r": [r], "v_leak": [0.0], "v_threshold": [threshold]}
    return "LIF", {name: np.array(value) for name, value in {**values, **more}.items()}


def integrate(threshold: float = 1.0, r: float = 1.0) -> tuple[str, dict[str, Any]]:
    """Make neurons without a leak."""
    return "IF", {"r": np.array([r]), "v_threshold": np.array([threshold])}
