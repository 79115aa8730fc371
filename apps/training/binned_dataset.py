"""A data set in a network's ticks and pixels, cut into parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.training.split import split

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, NetworkSpec
    from spikewire.sensors import Dataset, Sample

Part = Literal["validation", "train", "all"]

_FEWEST_SUBJECTS = 5  # a fifth of fewer would be nobody


def choose(dataset: Dataset, part: Part) -> tuple[Sample, ...]:
    """Select the training part, the validation part or the whole of a data set.

    The validation part is a fifth. Where every recording names its subject
    (``user01_led.aedat``), it is a fifth of the subjects, and no subject is in both parts.
    Otherwise it is a fifth of each class.

    Parameters
    ----------
    dataset
        The recordings.
    part
        The part to select.

    Returns
    -------
    tuple
        The recordings of that part.

    Raises
    ------
    CommandError
        If the part is empty, as the validation part of fewer than five recordings.
    """
    if part == "all":
        return dataset.samples
    people = dataset.subjects()
    if len(people) >= _FEWEST_SUBJECTS and all(
        sample.subject is not None for sample in dataset.samples
    ):
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


class BinnedDataset:
    """Recordings of one data set, binned for one network's plane and ticks, and cached.

    Parameters
    ----------
    dataset
        The recordings.
    spec
        The network's plane and ticks.
    show_us
        Duration shown of each recording, in microseconds; None for the data set's default.
    """

    def __init__(self, dataset: Dataset, spec: NetworkSpec, show_us: int | None = None) -> None:
        self.dataset = dataset
        self.spec = spec
        span_us = dataset.shown_us() if show_us is None else show_us
        self.ticks = max(-(-span_us // spec.tick_us), 1)
        self._cache: dict[Sample, BinnedEvents] = {}

    def events(self, sample: Sample) -> BinnedEvents:
        """Bin a recording to the network's ticks and pixels.

        Raises
        ------
        sensors.SensorError
            If the recording is damaged or empty; the message names it.
        """
        if sample not in self._cache:
            self._cache[sample] = self._bin(sample)
        return self._cache[sample]

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

    def shifted(self, sample: Sample, dx: int, dy: int) -> BinnedEvents:
        """Bin a recording and shift it; events that leave the plane are dropped."""
        from spikewire.qcore import BinnedEvents

        binned = self.events(sample)
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
