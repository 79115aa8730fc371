"""Recordings as dense spike planes, a batch at a time, for the float baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spikewire.apps.cli.errors import CommandError

WIDTH = HEIGHT = 34
POLARITIES = 2
TICKS = 300
TICK_US = 1000


@dataclass(frozen=True, slots=True)
class Recordings:
    """Binarised recordings, each as its sorted, distinct (tick, polarity, y, x), and the labels.

    Attributes
    ----------
    spikes
        One int16[n, 4] or int32[n, 4] per recording: tick, polarity, y, x.
    labels
        int64[recordings].
    plane
        (polarities, height, width); N-MNIST's by default.
    ticks
        Length of each recording.
    """

    spikes: tuple[NDArray[np.int16] | NDArray[np.int32], ...]
    labels: NDArray[np.int64]
    plane: tuple[int, int, int] = (POLARITIES, HEIGHT, WIDTH)
    ticks: int = TICKS

    def __len__(self) -> int:
        return len(self.spikes)

    def dense(
        self, chosen: Sequence[int] | NDArray[np.int64], shifts: NDArray[np.int64] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Lay out a batch: uint8[tick, polarity, y, x, recording] in {0, 1}, int64 labels.

        ``shifts`` moves each chosen recording by its (dx, dy); what leaves the plane is dropped.
        """
        batch = len(chosen)
        _, height, width = self.plane
        planes = np.zeros((self.ticks, *self.plane, batch), np.uint8)
        for place, number in enumerate(chosen):
            tick, p, y, x = self.spikes[number].T
            if shifts is not None:
                x = x + shifts[place, 0]
                y = y + shifts[place, 1]
                inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
                tick, p, y, x = tick[inside], p[inside], y[inside], x[inside]
            planes[tick, p, y, x, place] = 1
        labels = self.labels[np.asarray(chosen, np.int64)]
        return torch.from_numpy(planes), torch.from_numpy(labels)


def load(files: Sequence[tuple[Path, int]]) -> Recordings:
    """Read labelled N-MNIST recordings and bin the first 300 ms into 1 ms ticks."""
    if not files:
        raise CommandError("there are no recordings to load")
    spikes = tuple(_binned(path) for path, _ in files)
    return Recordings(spikes, np.array([label for _, label in files], np.int64))


def _binned(path: Path) -> NDArray[np.int16]:
    # N-MNIST, one event in 5 bytes: x, y, then polarity in bit 23 over 23 bits of microseconds.
    raw = np.fromfile(path, np.uint8)
    if len(raw) == 0 or len(raw) % 5:
        raise CommandError(f"{path} holds {len(raw)} bytes, which is not a row of 5-byte events")
    x, y, high, middle, low = raw.reshape(-1, 5).astype(np.int64).T
    if x.max() >= WIDTH or y.max() >= HEIGHT:
        raise CommandError(f"{path} has events outside {WIDTH}x{HEIGHT}")
    tick = (((high & 0x7F) << 16) | (middle << 8) | low) // TICK_US
    spikes = np.stack([tick, high >> 7, y, x], axis=1)[tick < TICKS]
    return np.unique(spikes, axis=0).astype(np.int16)
