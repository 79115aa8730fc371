"""Input of `bench core`: a stream of labelled parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, NetworkSpec
    from spikewire.sensors import Sample

# What the service computes at a time: a result's worth of ticks.
CHUNK = 10


@dataclass(frozen=True, slots=True)
class Stream:
    """Parts of equal length, their ticks counted from 0 each, and their classes.

    Attributes
    ----------
    parts, labels
        The spikes of each part, and the index of its class.
    classes
        Names.
    ticks
        Length of each part.
    """

    parts: tuple[BinnedEvents, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    ticks: int

    def chunks(self) -> list[tuple[BinnedEvents, int, int]]:
        """Cut the whole, as a service does, into events, the tick they go up to, and the label."""
        from spikewire.qcore import BinnedEvents

        chunks = []
        for number, (part, label) in enumerate(zip(self.parts, self.labels, strict=True)):
            origin = number * self.ticks
            stops = [*range(CHUNK, self.ticks, CHUNK), self.ticks]
            edges = [0, *(int(n) for n in np.searchsorted(part.tick, stops))]
            for stop, low, high in zip(stops, edges[:-1], edges[1:], strict=True):
                at = slice(low, high)
                events = BinnedEvents(part.tick[at] + origin, part.x[at], part.y[at], part.p[at])
                chunks.append((events, origin + stop, label))
        return chunks

    def planes(self, spec: NetworkSpec, ticks: int) -> NDArray[np.uint8]:
        """Lay out the first ``ticks`` as uint8[tick, polarity, y, x, 1] in {0, 1}."""
        planes = np.zeros((ticks, spec.polarities, spec.height, spec.width, 1), np.uint8)
        for number, part in enumerate(self.parts):
            tick = part.tick + number * self.ticks
            near = (part.tick < self.ticks) & (tick < ticks)
            planes[tick[near], part.p[near], part.y[near], part.x[near], 0] = 1
        return planes

    def spikes(self) -> int:
        """Count distinct (tick, polarity, place), which are the input spikes."""
        return sum(len(np.unique(_keys(part)[part.tick < self.ticks])) for part in self.parts)

    def thinned(self, share: float, seed: int) -> Stream:
        """Keep each event with the probability ``share``."""
        from spikewire.qcore import BinnedEvents

        rng = np.random.default_rng(seed)
        parts = []
        for part in self.parts:
            chosen = rng.random(len(part)) < share
            parts.append(
                BinnedEvents(part.tick[chosen], part.x[chosen], part.y[chosen], part.p[chosen])
            )
        return Stream(tuple(parts), self.labels, self.classes, self.ticks)

    def overlaid(self, times: int) -> Stream:
        """Overlay ``times`` consecutive parts."""
        from spikewire.qcore import BinnedEvents

        parts = []
        for n in range(len(self.parts)):
            some = [self.parts[(n + k) % len(self.parts)] for k in range(times)]
            tick = np.concatenate([part.tick for part in some])
            order = np.argsort(tick, kind="stable")
            x, y, p = (
                np.concatenate([getattr(part, name) for part in some])[order]
                for name in ("x", "y", "p")
            )
            parts.append(BinnedEvents(tick[order], x, y, p))
        return Stream(tuple(parts), self.labels, self.classes, self.ticks)


def _keys(part: BinnedEvents) -> NDArray[np.int64]:
    place = (part.y.astype(np.int64) << 16) | part.x.astype(np.int64)
    return (part.tick << 33) | (place << 1) | part.p


def recorded(folder: Path, spec: NetworkSpec, lessons: int, parts: int) -> tuple[Stream, Stream]:
    """Read recordings of a data set: ``lessons`` to learn from, and ``parts`` of the rest.

    Raises
    ------
    sensors.SensorError
        If the folder holds no recordings, or a damaged one.
    """
    from spikewire.apps.training.binned_dataset import BinnedDataset, choose
    from spikewire.apps.training.evaluate import spread
    from spikewire.sensors import open_dataset

    data = open_dataset(folder)
    binned = BinnedDataset(data, spec)

    def stream(part: Sequence[Sample], wanted: int) -> Stream:
        samples = spread(part, wanted)  # they are sorted by class
        parts = tuple(binned.events(sample) for sample in samples)
        labels = tuple(data.classes.index(sample.label) for sample in samples)
        return Stream(parts, labels, tuple(data.classes), binned.ticks)

    return stream(choose(data, "train"), lessons), stream(choose(data, "validation"), parts)


def simulated(spec: NetworkSpec, ticks: int, parts: int, seed: int) -> Stream:
    """Simulate gestures of changing subjects, one after the other."""
    from spikewire.qcore import bin_events
    from spikewire.sensors import GESTURES, simulate

    binned = []
    labels = []
    for n in range(parts):
        label = n % len(GESTURES)
        events = simulate(
            GESTURES[label], seed=seed + n, subject=1 + n % 3, seconds=ticks * spec.tick_us / 1e6
        )
        events = events[events["t"] < ticks * spec.tick_us]
        t, x, y, p = (np.ascontiguousarray(events[name]) for name in ("t", "x", "y", "p"))
        binned.append(
            bin_events(
                t, x, y, p, sensor_size=(128, 128), input_size=(spec.width, spec.height),
                origin_us=0, origin_tick=0, tick_us=spec.tick_us,
            )
        )  # fmt: skip
        labels.append(label)
    return Stream(tuple(binned), tuple(labels), tuple(GESTURES), ticks)
