"""NIR graphs from files, and from the objects of the package ``nir``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spikewire.qcore.errors import ModelError
from spikewire.qcore.interop.hdf5 import entry_of, refuse_driver, value_of
from spikewire.qcore.interop.nir.graph import DEEPEST, MOST_NODES, NOTE, Edge, Graph, Node

LONGEST_NAME = 1000


def read_graph(source: Any) -> Graph:
    """Read a NIR graph.

    Parameters
    ----------
    source
        Path of a file, or a ``nir.NIRGraph``.

    Raises
    ------
    ModelError
        If there is no graph in it.
    """
    if isinstance(source, Graph):
        return source
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source))
    return _from_object(source)


def _from_object(graph: Any, depth: int = 0) -> Graph:
    nodes, edges = getattr(graph, "nodes", None), getattr(graph, "edges", None)
    if not isinstance(nodes, dict) or edges is None or depth > DEEPEST:
        raise ModelError(f"A NIR graph or a path of one is needed, not {type(graph).__name__}.")
    found: dict[str, Node] = {}
    for name, node in nodes.items():
        kind = type(node).__name__
        values: dict[str, Any] = (
            {"graph": _from_object(node, depth + 1)}
            if kind == ("NIRGraph")
            else {key: _plain(value) for key, value in getattr(node, "__dict__", {}).items()}
        )
        found[str(name)] = Node(str(name), kind, values)
    note = getattr(graph, "metadata", None)
    text = note.get(NOTE, "") if isinstance(note, dict) else ""
    return Graph(found, tuple((str(a), str(b)) for a, b in edges), _text(text))


def _plain(value: Any) -> Any:
    """Turn tensors into arrays; shapes are dictionaries of one entry in NIR's objects."""
    if isinstance(value, dict):
        return next(iter(value.values()), None) if len(value) == 1 else None
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return value


def _read_file(path: Path) -> Graph:
    try:
        import h5py
    except ImportError:
        raise ModelError(
            f"{path} is read with h5py, which is not installed: pip install 'spikewire[nir]'."
        ) from None
    if not path.is_file():
        raise ModelError(f"{path} is not a file.")
    if not h5py.is_hdf5(path):
        raise ModelError(f"{path} is no HDF5 file, as NIR graphs are.")
    with _told_by_name(path):
        refuse_driver(path)
        with h5py.File(path, "r", locking=False) as file:
            node = entry_of(file, "node")
            if node is None:
                raise ModelError("it has no group 'node', as files of NIR graphs have.")
            return _Reader(h5py).graph(node, 0)


@contextmanager
def _told_by_name(path: Path) -> Iterator[None]:
    """Turn any error of h5py within a block into a sentence about the file."""
    try:
        yield
    except ModelError as error:
        text = str(error)
        raise ModelError(f"{path}: {text[:1].lower()}{text[1:]}") from None
    except MemoryError:
        raise ModelError(f"{path} asks for more memory than there is.") from None
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ModelError(f"{path} is damaged: {reason}.") from None


class _Reader:
    """Reads groups of a file, which may be damaged at any place."""

    def __init__(self, h5py: Any) -> None:
        self._h5py = h5py
        self._nodes = 0

    def graph(self, group: Any, depth: int) -> Graph:
        """Read the graph in a group."""
        if depth > DEEPEST:
            raise ModelError(f"graphs are nested more than {DEEPEST} deep.")
        if self.text(group, "type") != "NIRGraph":
            raise ModelError("its node is no NIRGraph.")
        inside = self.child(group, "nodes")
        nodes: dict[str, Node] = {}
        for name in self.names(inside):
            nodes[name] = self.node(self.child(inside, name), name, depth)
        return Graph(nodes, self.edges(group), self.note(group))

    def node(self, group: Any, name: str, depth: int) -> Node:
        """Read one node."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ModelError(f"it has more than {MOST_NODES:,} nodes.")
        kind = self.text(group, "type")
        if kind == "NIRGraph":
            return Node(name, kind, {"graph": self.graph(group, depth + 1)})
        values: dict[str, Any] = {}
        for key in self.names(group):
            if key not in ("type", "metadata"):
                child = self.child(group, key)
                if isinstance(child, self._h5py.Dataset):
                    values[key] = self.value(child)
        return Node(name, kind, values)

    def names(self, group: Any) -> list[str]:
        """Name the children of a group."""
        if not isinstance(group, self._h5py.Group):
            raise ModelError("a group of it is none.")
        names = [str(name) for name in group]
        if len(names) > MOST_NODES or any(len(name) > LONGEST_NAME for name in names):
            raise ModelError("a group of it has too many or too long names.")
        return names

    def child(self, group: Any, name: str) -> Any:
        """Return a child that lies in this file; links to other files are not followed."""
        found = entry_of(group, name)
        if found is None:
            raise ModelError(f"its entry {name!r:.80} is missing.")
        return found

    def text(self, group: Any, name: str) -> str:
        """Read a short text."""
        value = self.value(self.child(group, name))
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")[:LONGEST_NAME]
        raise ModelError(f"its entry {name!r:.80} is no text.")

    def value(self, dataset: Any) -> Any:
        """Read a number, a text or an array."""
        return value_of(dataset, "an entry of it")

    def note(self, group: Any) -> str:
        """Read the note that this project writes; an empty text without one."""
        if "metadata" not in group:
            return ""
        place = self.child(group, "metadata")
        if not isinstance(place, self._h5py.Group) or NOTE not in place:
            return ""
        return _text(self.value(self.child(place, NOTE)))

    def edges(self, group: Any) -> tuple[Edge, ...]:
        """Read the edges of a graph: pairs of names."""
        value = np.asarray(self.value(self.child(group, "edges")))
        if value.size == 0:
            return ()
        if value.ndim != 2 or value.shape[1] != 2 or value.dtype.kind not in "OSU":
            raise ModelError("its edges are no pairs of names.")
        rows = [tuple(_name(end) for end in row) for row in value]
        return tuple((a, b) for a, b in rows)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _name(end: Any) -> str:
    return end.decode("utf-8", "replace") if isinstance(end, bytes) else str(end)
