"""NIR files: read as written, and damaged ones refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from spikewire.qcore import ModelError
from spikewire.qcore.interop.nir.graph import Graph, Node
from spikewire.qcore.interop.nir.read import read_graph
from tests.support.nir_files import affine, chain, integrate, lif, write_graph

GRAPH = chain(affine(np.eye(3), np.ones(3)), integrate(), affine(np.eye(3)), lif(), shape=(3,))


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    inner = Graph({"a": Node("a", *lif())}, ())
    graph = Graph({**GRAPH.nodes, "g": Node("g", "NIRGraph", {"graph": inner})}, GRAPH.edges)
    found = read_graph(write_graph(tmp_path / "a.nir", graph))
    assert set(found.nodes) == set(graph.nodes)
    assert set(found.edges) == set(graph.edges)
    assert found.nodes["0"].kind == "Affine"
    np.testing.assert_array_equal(found.nodes["0"].array("weight"), np.eye(3))
    assert found.nodes["g"].values["graph"].nodes["a"].kind == "LIF"


def test_what_is_no_graph_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a file"):
        read_graph(tmp_path / "none.nir")
    (tmp_path / "text.nir").write_text("hello")
    with pytest.raises(ModelError, match="is no HDF5 file"):
        read_graph(tmp_path / "text.nir")
    with h5py.File(tmp_path / "other.nir", "w") as file:
        file["data"] = [1, 2]
    with pytest.raises(ModelError, match="has no group 'node'"):
        read_graph(tmp_path / "other.nir")
    with pytest.raises(ModelError, match="a path of one is needed, not int"):
        read_graph(7)


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "a.nir", GRAPH)
    with h5py.File(path, "a") as file:
        del file["node/nodes/0/weight"]
        file["node/nodes/0/weight"] = h5py.ExternalLink("/etc/hosts", "weight")
    with pytest.raises(ModelError, match="'weight' is a link to another place"):
        read_graph(path)


def test_a_parameter_without_end_is_refused(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "a.nir", GRAPH)
    with h5py.File(path, "a") as file:
        file["node/nodes/0"].create_dataset("huge", (2**40,), np.float64, chunks=(2**20,))
    with pytest.raises(ModelError, match="more than 67,108,864 numbers"):
        read_graph(path)


@pytest.mark.parametrize("entry", ["type", "edges", "nodes"])
def test_a_missing_entry_is_named(tmp_path: Path, entry: str) -> None:
    path = write_graph(tmp_path / "a.nir", GRAPH)
    with h5py.File(path, "a") as file:
        del file[f"node/{entry}"]
    with pytest.raises(ModelError, match=f"its entry '{entry}' is missing"):
        read_graph(path)
