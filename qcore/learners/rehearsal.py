"""The readout's delta rule on its own, and a memory of bounded bytes to rehearse from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels.random import fill_lanes
from spikewire.qcore.kernels.readout import (
    delta_rule,
    normalise_features,
    read_scores,
    recall,
    remember,
)
from spikewire.qcore.network.spec import ReadoutSpec

_LANES = 64


class DeltaReadout:
    """A head of linear scores, learned by the network's own rule (see ``kernels.readout``).

    Parameters
    ----------
    classes
        Number of classes; more can be added.
    features
        Length of a feature vector.
    spec
        Target, dead zone and shift of the rule; its memory is not used.
    seed
        Draws the rounding.
    """

    def __init__(self, classes: int, features: int, spec: ReadoutSpec, seed: int = 0) -> None:
        self.spec = spec
        self.shift = spec.shift
        self._store = np.zeros((classes, features), np.int16)
        self._lanes = np.zeros(_LANES, np.uint32)
        fill_lanes(self._lanes, seed, 2)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self._store)

    @property
    def nbytes(self) -> int:
        """Bytes of its weights and generators."""
        return self._store.nbytes + self._lanes.nbytes

    def add_class(self) -> int:
        """Add a class with zero weights and return its index; other classes stay as they are."""
        self._store = np.pad(self._store, ((0, 1), (0, 0)))
        return len(self._store) - 1

    def learn(self, features: npt.NDArray[np.int16], label: int) -> None:
        """Step towards the target for the label, and towards 0 for all others.

        Parameters
        ----------
        features
            int16[features], not negative; scaled to a constant length first.
        label
            Index of the true class.

        Raises
        ------
        ValueError
            If the label is no class.
        """
        if not 0 <= label < len(self._store):
            raise ValueError(f"Label {label} is none of the {len(self._store)} classes.")
        f = np.zeros(len(features), np.int16)
        if normalise_features(features, f) == 0:
            return
        y = np.zeros(len(self._store), np.int32)
        read_scores(self._store, f, y)
        shifts = np.full(len(self._store), self.shift, np.int64)
        delta_rule(
            y, label, self.spec.target, f, self._store, self._lanes, shifts, self.spec.dead_zone
        )

    def scores(self, features: npt.NDArray[np.int16]) -> npt.NDArray[np.int32]:
        """Score an example: int32[classes]."""
        f = np.zeros(len(features), np.int16)
        normalise_features(features, f)
        y = np.zeros(len(self._store), np.int32)
        read_scores(self._store, f, y)
        return y


class RehearsalMemory:
    """Feature vectors of the past, one bit per feature, in a bounded number of bytes.

    All classes have the same number of places, filled by reservoir sampling. With each new class
    every other gives up some, so that the bytes stay the same; those that stay are evenly spread.

    Parameters
    ----------
    limit
        Bytes of all arrays at most.
    features
        Length of a feature vector.
    seed
        Draws what is kept and what is recalled.

    Raises
    ------
    ValueError
        If not even one vector fits.
    """

    def __init__(self, limit: int, features: int, seed: int = 0) -> None:
        self._lanes = np.zeros(_LANES, np.uint32)
        fill_lanes(self._lanes, seed, 3)
        self._wide = -(-features // 8)
        self._limit = limit
        self._features = features
        self._seen = np.zeros(0, np.int64)
        room = limit - self._lanes.nbytes - self._seen.itemsize
        if room < self._wide:
            least = limit - room + self._wide
            raise ValueError(f"One vector to rehearse takes {least} bytes, not {limit}.")
        self._bits = np.zeros(room, np.int8)

    @property
    def nbytes(self) -> int:
        """Bytes of all its arrays."""
        return self._bits.nbytes + self._seen.nbytes + self._lanes.nbytes

    @property
    def places(self) -> int:
        """Vectors kept of each class."""
        return len(self._bits) // (max(len(self._seen), 1) * self._wide)

    def _slots(self) -> npt.NDArray[np.int8]:
        classes, places = max(len(self._seen), 1), self.places
        used = self._bits[: classes * places * self._wide]
        return used.reshape(classes, places, self._wide)

    def add_class(self) -> int:
        """Make room for a class and return its index.

        Raises
        ------
        ValueError
            If there is not a place for each class.
        """
        old = self._slots()
        stored = np.minimum(self._seen, old.shape[1])
        self._seen = np.pad(self._seen, (0, 1))
        room = self._limit - self._lanes.nbytes - self._seen.nbytes
        classes = len(self._seen)
        places = room // (classes * self._wide)
        if places == 0:
            raise ValueError(f"{self._limit} bytes hold no vector for each of {classes} classes.")
        rows = old.reshape(-1, self._wide)
        for k, count in enumerate(stored):
            stay = min(int(count), places)
            # Rows only move towards the front, in order: none is overwritten before it has moved.
            for row in range(stay):
                rows[k * places + row] = rows[k * old.shape[1] + row * int(count) // stay]
        self._bits = self._bits[:room].copy()
        return classes - 1

    def remember(self, features: npt.NDArray[np.int16], label: int) -> None:
        """Offer a feature vector of a class; it is kept with the chance of all others before it."""
        f = np.zeros(len(features), np.int16)
        if normalise_features(features, f) != 0:
            remember(f, label, self._slots(), self._seen, self._lanes)

    def recall(self) -> tuple[npt.NDArray[np.int16], int]:
        """Draw a vector, every class alike: its features, and its class (-1 if there is none)."""
        f = np.zeros(self._features, np.int16)
        return f, int(recall(self._slots(), self._seen, f, self._lanes))
