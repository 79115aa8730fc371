"""Baseline without a network: ridge regression on event counts.

A network is worth its cost only where it beats this clearly. Features are the square roots of the
numbers of events per pixel and polarity in three slices of time. This is floating point, and no
part of any network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.training.binned_dataset import BinnedDataset

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents
    from spikewire.sensors import Sample

SLICES = 3
PENALTY = 0.3
"""Strength of the ridge, in mean squared lengths of a centred feature vector. From a third of it to
three times as much, accuracy on N-MNIST (800/200) stays within a point."""

MOST = 4000
"""Most recordings to fit on, evenly spread: it stays cheap beside any network."""

_ROWS = 512  # recordings taken up at a time


@dataclass(frozen=True, slots=True)
class RidgeBaseline:
    """Result of the baseline without a network.

    Attributes
    ----------
    correct, total
        Correct predictions, and recordings predicted.
    fitted_on
        Recordings that it was fitted on.
    numbers
        Weights and offsets of the regression.
    """

    correct: int
    total: int
    fitted_on: int
    numbers: int

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return self.correct / self.total

    def record(self) -> dict[str, Any]:
        """Return plain data for a report."""
        return {
            "features": f"square roots of event counts in {SLICES} slices of time",
            "right": self.correct, "recordings": self.total,
            "accuracy": round(self.accuracy, 4), "fitted_on": self.fitted_on,
            "bits_32": 32 * self.numbers,
        }  # fmt: skip


def baseline_line(record: Mapping[str, Any]) -> str:
    """Say a record of the baseline in one line."""
    return (
        f"without a network (ridge regression on {record['features']}, fitted on "
        f"{record['fitted_on']} recordings): {record['accuracy']:.4f}"
    )


def ridge_baseline(
    binned: BinnedDataset,
    learn: Sequence[Sample],
    validate: Sequence[Sample],
    classes: Sequence[str],
) -> RidgeBaseline:
    """Fit the baseline on one part of a data set and evaluate it on the other.

    Parameters
    ----------
    binned
        The data set, in a network's plane and ticks.
    learn, validate
        Either part; it is fitted on at most ``MOST`` recordings.
    classes
        Names of the classes.
    """

    def features(samples: Sequence[Sample]) -> NDArray[np.float32]:
        shape = (binned.spec.height, binned.spec.width, binned.ticks)
        return np.stack([count_features(binned.events(sample), *shape) for sample in samples])

    if len(learn) > MOST:
        learn = [learn[n * len(learn) // MOST] for n in range(MOST)]
    targets = np.zeros((len(learn), len(classes)))
    targets[np.arange(len(learn)), [classes.index(sample.label) for sample in learn]] = 1
    x = features(learn)
    weights, offset = fit_ridge(x, targets)
    correct = 0
    for first in range(0, len(validate), _ROWS):
        portion = validate[first : first + _ROWS]
        chosen = (features(portion) @ weights + offset).argmax(1)
        truth = [classes.index(sample.label) for sample in portion]
        correct += int((chosen == truth).sum())
    return RidgeBaseline(correct, len(validate), len(learn), weights.size + offset.size)


def count_features(
    events: BinnedEvents, height: int, width: int, ticks: int
) -> NDArray[np.float32]:
    """Count a recording's events per pixel and polarity in slices of time.

    Parameters
    ----------
    events
        The recording.
    height, width
        The plane.
    ticks
        Length of the recording, cut into equal slices.

    Returns
    -------
    float32[slices * polarities * height * width]
        Square roots of the counts.
    """
    place = (events.p.astype(np.int64) * height + events.y) * width + events.x
    place += np.minimum(events.tick * SLICES // ticks, SLICES - 1) * (2 * height * width)
    counts = np.bincount(place, minlength=SLICES * 2 * height * width)
    return np.sqrt(counts).astype(np.float32)


def fit_ridge(
    x: NDArray[np.float32], targets: NDArray[np.float64], penalty: float = PENALTY
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a ridge regression with an offset, by whichever of two square systems is smaller.

    Parameters
    ----------
    x
        float32[n, features].
    targets
        float64[n, outputs].
    penalty
        As for ``PENALTY``.

    Returns
    -------
    tuple
        Weights, float64[features, outputs], and offsets, float64[outputs].
    """
    n, size = x.shape
    middle, level = x.mean(0, dtype=np.float64), targets.mean(0)
    y = targets - level
    rows = range(0, n, _ROWS)
    if n <= size:
        centred = x - middle
        system = centred @ centred.T
    else:
        system = np.zeros((size, size))
        right = np.zeros((size, y.shape[1]))
        for first in rows:
            part = x[first : first + _ROWS] - middle
            system += part.T @ part
            right += part.T @ y[first : first + _ROWS]
    # A data set of equal recordings has no spread, and any positive number will do.
    system[np.diag_indices_from(system)] += max(penalty * float(np.trace(system)) / n, 1e-9)
    solved = np.linalg.solve(system, y if n <= size else right)
    weights = centred.T @ solved if n <= size else solved
    return weights, level - middle @ weights
