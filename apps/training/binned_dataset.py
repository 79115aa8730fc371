"""A data set as a network is shown it: cut into parts, binned once, shown in portions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.training.split import split

if TYPE_CHECKING:
    from spikewire.qcore import Batch, BatchResult, BinnedEvents, Network, NetworkSpec
    from spikewire.sensors import Dataset, Sample

Part = Literal["validation", "train", "all"]

_FEW = 5  # subjects below which a fifth of them is nobody


def choose(dataset: Dataset, part: Part) -> tuple[Sample, ...]:
    """Take the part that is learned, the fifth that is held back, or all.

    Where every recording's name says who is seen (``user01_led.aedat``), a fifth of the subjects
    is held back: nobody is in both parts. Else it is a fifth of each class.

    Raises
    ------
    CommandError
        If that part is empty: fewer than five recordings hold none back.
    """
    if part == "all":
        return dataset.samples
    people = dataset.subjects()
    if len(people) >= _FEW and all(sample.subject is not None for sample in dataset.samples):
        first, second = dataset.by_subject()
        return first.samples if part == "train" else second.samples
    learn, validate = split([sample.label for sample in dataset.samples])
    chosen = learn if part == "train" else validate
    if not chosen:
        raise CommandError(
            f"{dataset.path} has {len(dataset)} recordings, too few to hold a fifth back for "
            "validation"
        )
    return tuple(dataset.samples[n] for n in chosen)


class Shows:
    """Recordings of one data set, binned for one network's plane and ticks, and kept.

    Parameters
    ----------
    dataset
        The recordings.
    spec
        The network's plane and ticks.
    show_us
        How long each recording is shown, in microseconds; None for what its data set suggests.
    """

    def __init__(self, dataset: Dataset, spec: NetworkSpec, show_us: int | None = None) -> None:
        self.dataset = dataset
        self.spec = spec
        shown = dataset.shown_us() if show_us is None else show_us
        self.ticks = max(-(-shown // spec.tick_us), 1)
        self._kept: dict[Sample, BinnedEvents] = {}

    def binned(self, sample: Sample) -> BinnedEvents:
        """Events of a recording in the network's ticks and places.

        Raises
        ------
        sensors.SensorError
            If the recording is damaged or empty; the message names it.
        """
        if sample not in self._kept:
            self._kept[sample] = self._bin(sample)
        return self._kept[sample]

    def _bin(self, sample: Sample) -> BinnedEvents:
        from spikewire.qcore import bin_events

        events = self.dataset.load(sample)
        events = events[: np.searchsorted(events["t"], self.ticks * self.spec.tick_us)]
        t, x, y, p = (np.ascontiguousarray(events[name]) for name in ("t", "x", "y", "p"))
        return bin_events(
            t, x, y, p,
            sensor_size=self.dataset.size,
            input_size=(self.spec.width, self.spec.height),
            origin_us=0, origin_tick=0, tick_us=self.spec.tick_us,
        )  # fmt: skip

    def moved(self, sample: Sample, dx: int, dy: int) -> BinnedEvents:
        """Events of a recording moved over the plane; what leaves it is dropped."""
        from spikewire.qcore import BinnedEvents

        binned = self.binned(sample)
        if dx == 0 and dy == 0:
            return binned
        x, y = binned.x.astype(np.int64) + dx, binned.y.astype(np.int64) + dy
        inside = (x >= 0) & (x < self.spec.width) & (y >= 0) & (y < self.spec.height)
        return BinnedEvents(
            binned.tick[inside],
            x[inside].astype(np.uint16),
            y[inside].astype(np.uint16),
            binned.p[inside],
        )


def answers(shown: BatchResult) -> NDArray[np.int64]:
    """The class with the highest trained score per recording; -1 where no score differs."""
    told = shown.scores.max(1) > shown.scores.min(1)
    if shown.scores.shape[1] == 1:
        told = shown.scores[:, 0] != 0
    return np.where(told, shown.scores.argmax(1), -1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Judged:
    """How a network answered.

    Attributes
    ----------
    confusion
        int64[classes, classes + 1]: true class by answered class; the last column is no answer.
    activity
        Share of each layer's output units that spike in a tick.
    """

    confusion: NDArray[np.int64]
    activity: list[float]

    @property
    def right(self) -> int:
        """How many answers were right."""
        return int(np.trace(self.confusion))

    @property
    def total(self) -> int:
        """How many recordings were shown."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.right / self.total

    def recall(self) -> list[float | None]:
        """Share of right answers for each true class; None for a class that was not shown."""
        shown = self.confusion.sum(1)
        return [
            round(int(self.confusion[n, n]) / int(count), 4) if count else None
            for n, count in enumerate(shown)
        ]


def judge(batch: Batch, shows: Shows, samples: Sequence[Sample]) -> Judged:
    """Show recordings without learning and count the answers."""
    network = batch.network
    classes = len(network.classes)
    confusion = np.zeros((classes, classes + 1), np.int64)
    spikes = np.zeros(len(network.spec.layers), np.int64)
    for first in range(0, len(samples), batch.size):
        portion = samples[first : first + batch.size]
        shown = batch.show([shows.binned(sample) for sample in portion], None, shows.ticks)
        truth = np.array([network.classes.index(sample.label) for sample in portion])
        np.add.at(confusion, (truth, answers(shown)), 1)
        spikes += shown.spikes.sum(0)
    return Judged(confusion, activity(network, spikes, len(samples) * shows.ticks))


def activity(
    network: Network, spikes: Sequence[int] | NDArray[np.int64], ticks: int
) -> list[float]:
    """Share of each layer's output units that spike in a tick."""
    units = [int(np.prod(network.units(n))) for n in range(len(spikes))]
    return [round(int(n) / (ticks * one), 5) for n, one in zip(spikes, units, strict=True)]
