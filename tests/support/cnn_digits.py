"""The N-MNIST network of the NIR paper: its classes here, and of its graph in floating point.

Usage: `python -m tests.support.cnn_digits DATA`. `DATA` is the folder of real recordings.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire import from_nir
from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.evaluation import evaluate_batch, predictions
from spikewire.qcore import Batch
from spikewire.qcore.interop.nir.graph import Graph, Node, flatten_graph
from spikewire.qcore.interop.nir.read import read_graph
from spikewire.sensors import Sample, open_dataset

SHOWN_US, TICKS = 310_000, 310
Floats = npt.NDArray[np.float32]


def _convolved(x: Floats, node: Node) -> Floats:
    """Convolve all steps: [step, channel, row, column]."""
    weight, bias = (node.array(name).astype(np.float32) for name in ("weight", "bias"))
    (pad_y, pad_x), (step_y, step_x) = (
        np.resize(node.array(name).astype(int), 2) for name in ("padding", "stride")
    )
    padded = np.pad(x, ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    made = np.tensordot(windows[:, :, ::step_y, ::step_x], weight, ((1, 4, 5), (1, 2, 3)))
    return np.ascontiguousarray(made.transpose(0, 3, 1, 2)) + bias[:, None, None]


def _fired(x: Floats, node: Node) -> Floats:
    """Integrate as Sinabs does: several spikes in a step, a floor, and a reset to zero."""
    level = node.array("v_threshold").astype(np.float32)
    membrane, found = np.zeros(x.shape[1:], np.float32), np.empty_like(x)
    for n, current in enumerate(x):
        membrane = np.maximum(membrane + current, -level)
        found[n] = np.floor(np.maximum(membrane, 0) / level)
        membrane = np.where(found[n] > 0, np.float32(0), membrane)
    return found


def _pooled(x: Floats) -> Floats:
    steps, channels, rows, columns = x.shape
    return x.reshape(steps, channels, rows // 2, 2, columns // 2, 2).sum((3, 5))


def _in_order(graph: Graph) -> Iterator[Node]:
    """Yield the nodes of a chain between its input and its output."""
    following = dict(graph.edges)
    name = following["input"]
    while name != "output":
        yield graph.nodes[name]
        name = following[name]


def float_class(graph: Graph, spikes: Floats) -> int:
    """Compute the graph in floating point; return the output with the most spikes, or -1."""
    x = spikes
    for node in _in_order(graph):
        if node.kind == "Conv2d":
            x = _convolved(x, node)
        elif node.kind == "Affine":
            weight, bias = (node.array(name).astype(np.float32) for name in ("weight", "bias"))
            x = x @ weight.T + bias
        elif node.kind == "IF":
            x = _fired(x, node)
        elif node.kind == "SumPool2d":
            x = _pooled(x)
        else:
            assert node.kind == "Flatten"
            x = x.reshape(len(x), -1)
    counts = x.sum(0)
    return int(counts.argmax()) if counts.any() else -1


def frames_of(binned: Any) -> Floats:
    """Return spikes of binned events: [step, channel, row, column], at most one each."""
    frames = np.zeros((TICKS, 2, 34, 34), np.float32)
    inside = binned.tick < TICKS
    frames[binned.tick[inside], binned.p[inside], binned.y[inside], binned.x[inside]] = 1
    return frames


@dataclass(frozen=True, slots=True)
class Judged:
    """Recordings, how many were right here and in floats, and how many classes were the same."""

    recordings: int
    right: int
    right_in_floats: int
    same: int


def judge(data: Path, every: int = 1) -> Judged:
    """Import the network, and show it each ``every``-th recording of N-MNIST."""
    path = data / "interop" / "nir" / "cnn_sinabs.nir"
    classes = tuple(str(digit) for digit in range(10))
    network, _ = from_nir(path, classes, like="sinabs", reset="zero")
    dataset = open_dataset(data / "nmnist")
    samples: Sequence[Sample] = dataset.samples[::every]
    binned = BinnedDataset(dataset, network.spec, SHOWN_US)
    found: list[int] = []
    evaluation = evaluate_batch(
        Batch(network, min(50, len(samples))),
        binned,
        samples,
        lambda output: found.extend(int(one) for one in predictions(output)),
    )
    graph = flatten_graph(read_graph(path))
    exact = [float_class(graph, frames_of(binned.events(sample))) for sample in samples]
    truth = [int(sample.label) for sample in samples]
    return Judged(
        len(samples),
        evaluation.correct,
        sum(a == b for a, b in zip(exact, truth, strict=True)),
        sum(a == b for a, b in zip(exact, found, strict=True)),
    )


def main() -> None:
    """Print the figures."""
    print(judge(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
