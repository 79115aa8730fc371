"""A data set in a network's ticks and pixels, cut into parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cli.file_bar import file_bar, scan_bar
from spikewire.apps.training.split import split

if TYPE_CHECKING:
    from spikewire.apps.cli.options.shared import DatasetOptions
    from spikewire.qcore import BinnedEvents, NetworkSpec
    from spikewire.sensors import Dataset, Sample

Part = Literal["validation", "train", "all"]

_FEWEST_SUBJECTS = 5  # a fifth of fewer would be nobody
_FEWEST_EVENTS = 10  # of a recording, on average


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


def open_part(
    path: Path,
    part: Literal["train", "test"] | None,
    formats: DatasetOptions,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Open a data set, or one of its own two parts.

    Parameters
    ----------
    path
        The folder.
    part
        The part; None for all there is.
    formats
        Size of the sensor, columns and unit, where the files do not tell them; and filters.
    classes
        The classes that labels may name; None for those that are found.

    Raises
    ------
    sensors.SensorError
        If the folder is no data set, or has no such part; or if a filter cannot be.
    """
    with scan_bar():
        return read_dataset(path, formats.given(), part=part, classes=classes)


def read_dataset(
    path: Path | str,
    reading: Mapping[str, Any],
    *,
    part: Literal["train", "test"] | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Open a data set as ``reading`` tells: plain data, as :meth:`DatasetOptions.given` gives it.

    Raises
    ------
    sensors.SensorError
        As :func:`open_part`.
    """
    from spikewire.sensors import make_chain, open_dataset

    how = dict(reading)
    filters = how.pop("filters", ())
    size = how.pop("size", None)
    data = open_dataset(
        path, part=part, classes=classes, size=None if size is None else tuple(size), **how
    )
    return data.filtered(filters, make_chain)


def check_shown(binned: BinnedDataset, samples: Sequence[Sample]) -> None:
    """Bin recordings, and refuse those of which a network would learn nothing.

    Damage is found now, not in the middle of a training.

    Raises
    ------
    sensors.SensorError
        If a recording is damaged or empty; the message names it.
    CommandError
        If they are shorter than the burn-in, or hold hardly any event in the time that is shown:
        their times are in another unit.
    """
    events = 0
    with file_bar("reading the recordings", len(samples)) as moved:
        for number, sample in enumerate(sorted(samples, key=lambda sample: sample.path)):
            moved(number)
            events += len(binned.events(sample))
    refuse_unseen(binned, len(samples), events)


def refuse_unseen(binned: BinnedDataset, recordings: int, events: int) -> None:
    """Refuse recordings of which a network would learn nothing, by the number of their events.

    Raises
    ------
    CommandError
        As :func:`check_shown`.
    """
    path, spec = binned.dataset.path, binned.spec
    shown_ms = binned.ticks * spec.tick_us / 1000
    hint = "if times are in another unit, tell it: --unit s, ms, us or ns"
    if binned.ticks <= spec.learning.burn_in:
        burn_in = spec.learning.burn_in * spec.tick_us / 1000
        raise CommandError(
            f"{path}: {shown_ms:g} ms of each recording are shown, and {spec.name} learns and "
            f"answers after {burn_in:g} ms only; {hint}"
        )
    if events < _FEWEST_EVENTS * recordings:
        raise CommandError(
            f"{path}: its recordings have {events / recordings:.1f} events on average in the "
            f"{shown_ms:g} ms that are shown, fewer than any camera's; {hint}"
        )


class BinnedDataset:
    """Recordings of one data set, binned for one network's plane and ticks, and cached.

    A cached event takes 4 bytes (8 on planes of millions of pixels), where a binned one has 13: a
    whole training part of DVS128 Gesture stays in memory.

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
        self._cache: dict[Sample, NDArray[np.unsignedinteger[Any]]] = {}

    def events(self, sample: Sample, cut: tuple[int, int] | None = None) -> BinnedEvents:
        """Bin a recording to the network's ticks and pixels.

        Parameters
        ----------
        sample
            The recording.
        cut
            First tick and number of ticks of an excerpt, whose ticks count from 0; None for all.

        Raises
        ------
        sensors.SensorError
            If the recording is damaged or empty; the message names it.
        """
        if sample not in self._cache:
            self._cache[sample] = self._packed(self._bin(sample))
        packed = self._cache[sample]
        if cut is None:
            return self._unpacked(packed)
        # Numbers of one tick are in no order, but none of them is below one of an earlier tick.
        per_tick = 2 * math.prod(self.spec.plane)
        number = packed.dtype.type
        first, last = number(cut[0] * per_tick), number((cut[0] + cut[1]) * per_tick - 1)
        i, j = np.searchsorted(packed, first), np.searchsorted(packed, last, "right")
        return self._unpacked(packed[i:j] - first)

    def _packed(self, events: BinnedEvents) -> NDArray[np.unsignedinteger[Any]]:
        """Pack each event's tick, row, column and polarity into one number."""
        width, height = self.spec.plane
        place = (events.tick * height + events.y) * width + events.x
        wide = 2 * self.ticks * height * width > 2**32
        return (2 * place + events.p).astype(np.uint64 if wide else np.uint32)

    def _unpacked(self, packed: NDArray[np.unsignedinteger[Any]]) -> BinnedEvents:
        from spikewire.qcore import BinnedEvents

        width, height = self.spec.plane
        place, x = np.divmod(packed >> 1, width)
        tick, y = np.divmod(place, height)
        return BinnedEvents(
            tick.astype(np.int64),
            x.astype(np.uint16),
            y.astype(np.uint16),
            (packed & 1).astype(np.uint8),
        )

    def _bin(self, sample: Sample) -> BinnedEvents:
        from spikewire.qcore import bin_events

        events = self.dataset.load(sample)
        events = events[: np.searchsorted(events["t"], self.ticks * self.spec.tick_us)]
        t, x, y, p = (np.ascontiguousarray(events[name]) for name in ("t", "x", "y", "p"))
        return bin_events(
            t, x, y, p,
            sensor_size=self.dataset.size,
            input_size=self.spec.plane,
            origin_us=0, origin_tick=0, tick_us=self.spec.tick_us,
        )  # fmt: skip

    def shifted(
        self, sample: Sample, dx: int, dy: int, cut: tuple[int, int] | None = None
    ) -> BinnedEvents:
        """Bin a recording, or an excerpt, and shift it; events that leave the plane are dropped."""
        from spikewire.qcore import BinnedEvents

        binned = self.events(sample, cut)
        if dx == 0 and dy == 0:
            return binned
        x, y = binned.x.astype(np.int64) + dx, binned.y.astype(np.int64) + dy
        width, height = self.spec.plane
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return BinnedEvents(
            binned.tick[inside],
            x[inside].astype(np.uint16),
            y[inside].astype(np.uint16),
            binned.p[inside],
        )

    def distorted(
        self,
        sample: Sample,
        seed: Sequence[int],
        dx: int = 0,
        dy: int = 0,
        cut: tuple[int, int] | None = None,
        *,
        empty: bool = False,
    ) -> BinnedEvents:
        """Bin a recording, shift it, and distort it as another sensor would.

        Parameters
        ----------
        sample
            The recording.
        seed
            Numbers that the sensor and its losses are drawn from.
        dx, dy
            Shift in pixels of the plane.
        cut
            As for :meth:`events`.
        empty
            Whether every other sensor sees an empty scene, of which only its noise is left.
        """
        from spikewire.qcore import BinnedEvents
        from spikewire.sensors import distort, draw_distortion, draw_empty_scene

        binned = self.shifted(sample, dx, dy, cut)
        rng = np.random.default_rng([*seed, 0xD157])
        ticks = self.ticks if cut is None else cut[1]
        draw = draw_empty_scene if empty and rng.integers(2) else draw_distortion
        fields = distort(
            (binned.tick, binned.x, binned.y, binned.p), draw(rng), rng,
            size=self.spec.plane, span=ticks, unit_us=self.spec.tick_us,
        )  # fmt: skip
        return BinnedEvents(*fields)
