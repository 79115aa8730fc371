"""Evaluation of a network on labelled recordings: predictions, confusion matrix, activity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.training.binned_dataset import BinnedDataset

if TYPE_CHECKING:
    from spikewire.qcore import Batch, BatchResult, Network
    from spikewire.sensors import Sample


def predictions(output: BatchResult) -> NDArray[np.int64]:
    """Predict a class for each recording of a batch.

    Parameters
    ----------
    output
        The batch's output.

    Returns
    -------
    int64[recordings]
        The class with the highest score; -1 where all scores are equal.
    """
    return winners(output.scores)


def winners(scores: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the class with the highest score of each row; -1 where all scores are equal."""
    differ = scores[:, 0] != 0 if scores.shape[1] == 1 else scores.max(1) > scores.min(1)
    return np.where(differ, scores.argmax(1), -1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result of an evaluation.

    Attributes
    ----------
    confusion
        int64[classes, classes + 1]: true class by predicted class; the last column counts
        recordings without a prediction.
    activity
        Share of each layer's output units that spike in a tick.
    local
        Accuracy of each layer's own fixed readout; None for a layer without one.
    """

    confusion: NDArray[np.int64]
    activity: list[float]
    local: list[float | None]

    @property
    def correct(self) -> int:
        """Number of correct predictions."""
        return int(np.trace(self.confusion))

    @property
    def total(self) -> int:
        """Number of recordings."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return self.correct / self.total

    def recall(self) -> list[float | None]:
        """Compute the share of correct predictions of each class; None for an absent class."""
        counts = self.confusion.sum(1)
        return [
            round(int(self.confusion[n, n]) / int(count), 4) if count else None
            for n, count in enumerate(counts)
        ]


def evaluate_batch(
    batch: Batch,
    binned: BinnedDataset,
    samples: Sequence[Sample],
    keep: Callable[[BatchResult], None] = lambda output: None,
    *,
    distort: bool = False,
    moved: tuple[int, int] = (0, 0),
) -> Evaluation:
    """Evaluate a network on recordings, without learning.

    Parameters
    ----------
    batch
        The network, and the number of recordings computed together.
    binned
        The data set.
    samples
        Recordings of it.
    keep
        Called with the output of each portion, in order.
    distort
        Whether every recording is distorted as another sensor would, always in the same way.
    moved
        Columns and rows of the network's plane by which every recording is moved.

    Returns
    -------
    Evaluation
        The confusion matrix, the layers' activity, and the accuracies of their own readouts.
    """
    network = batch.network
    classes = len(network.classes)
    local = np.zeros(len(network.spec.layers), np.int64)
    confusion = np.zeros((classes, classes + 1), np.int64)
    spikes = np.zeros(len(network.spec.layers), np.int64)
    for first in range(0, len(samples), batch.size):
        portion = samples[first : first + batch.size]
        events = [
            binned.distorted(sample, (first + n, 0xE7A1), *moved)
            if distort
            else binned.shifted(sample, *moved)
            for n, sample in enumerate(portion)
        ]
        output = batch.show(events, None, binned.ticks)
        truth = np.array([network.classes.index(sample.label) for sample in portion])
        np.add.at(confusion, (truth, predictions(output)), 1)
        local += [int((winners(scores) == truth).sum()) for scores in output.local]
        spikes += output.spikes.sum(0)
        keep(output)
    return Evaluation(
        confusion,
        activity(network, spikes, len(samples) * binned.ticks),
        [
            round(int(right) / len(samples), 4) if layer.has_readout else None
            for right, layer in zip(local, network.layers, strict=True)
        ],
    )


def activity(
    network: Network, spikes: Sequence[int] | NDArray[np.int64], ticks: int
) -> list[float]:
    """Compute the share of each layer's output units that spike in a tick.

    Parameters
    ----------
    network
        The network.
    spikes
        Output spikes of each layer, in total.
    ticks
        Ticks in which they were counted.
    """
    units = [int(np.prod(layer.units)) for layer in network.layers]
    return [round(int(n) / (ticks * size), 5) for n, size in zip(spikes, units, strict=True)]
