"""Statistics of a recording for a figure, from one reading in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 512
"""Most points of the rate over time."""

_LARGEST = 2048
"""Longest side of the spatial histogram: larger sensors are counted in squares of pixels."""


class RecordingStatistics:
    """Counts over time, places and intervals.

    Parameters
    ----------
    size
        (width, height) of the sensor.

    Attributes
    ----------
    counts
        Events by polarity and time bin, (2, bins).
    bin_us
        Length of a bin; it doubles as the recording goes on.
    places
        Events by polarity, row and column, (2, rows, columns).
    side
        Side in pixels of what is counted as one place; 1 except on very large sensors.
    intervals
        Times between successive events, counted by their binary digits: 0, 1, 2 to 3, 4 to 7 us.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.side = -(-max(size) // _LARGEST)
        shape = (-(-size[1] // self.side), -(-size[0] // self.side))
        self.counts = np.zeros((2, BINS), np.int64)
        self.bin_us = 1000
        self.places = np.zeros((2, *shape), np.int64)
        self.intervals = np.zeros(64, np.int64)
        self._first: int | None = None
        self._last = 0

    def add(self, events: NDArray[Any]) -> None:
        """Count events in time order."""
        t = np.ascontiguousarray(events["t"])
        if self._first is None:
            self._first = self._last = int(t[0])
            steps = np.diff(t)
        else:
            steps = np.diff(t, prepend=self._last)
        self._last = int(t[-1])
        self.intervals += np.bincount(np.frexp(steps.astype(np.float64))[1], minlength=64)[:64]
        while self._last - self._first >= BINS * self.bin_us:
            self.counts = np.concatenate(
                (self.counts.reshape(2, BINS // 2, 2).sum(2), np.zeros((2, BINS // 2), np.int64)), 1
            )
            self.bin_us *= 2
        p = events["p"].astype(np.int64)
        bins = p * BINS + (t - self._first) // self.bin_us
        self.counts += np.bincount(bins, minlength=2 * BINS).reshape(2, BINS)
        rows, columns = self.places.shape[1:]
        y, x = events["y"].astype(np.int64) // self.side, events["x"].astype(np.int64) // self.side
        flat = (p * rows + y) * columns + x
        self.places += np.bincount(flat, minlength=self.places.size).reshape(self.places.shape)

    @property
    def bins(self) -> int:
        """Number of bins that the recording fills."""
        first = self._last if self._first is None else self._first
        return (self._last - first) // self.bin_us + 1

    @property
    def duration_us(self) -> int:
        """Time from the first event to the last."""
        return 0 if self._first is None else self._last - self._first

    def hot(self, most: int = 10) -> list[tuple[int, int, int]]:
        """List the pixels that have far more events than the busy ones: (x, y, events).

        Far more is five times as many as 99 % of the active pixels have at most, and 50 or more.
        """
        total = self.places.sum(0)
        active = total[total > 0]
        if not len(active):
            return []
        limit = max(50.0, 5.0 * float(np.quantile(active, 0.99)))
        rows, columns = np.nonzero(total > limit)
        found = sorted(
            ((int(total[y, x]), int(x), int(y)) for y, x in zip(rows, columns, strict=True)),
            reverse=True,
        )
        return [(x * self.side, y * self.side, n) for n, x, y in found[:most]]
