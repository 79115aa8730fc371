"""Data sets: labelled recordings of one sensor."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Events
from spikewire.sensors.recordings.labels import check_name
from spikewire.sensors.recordings.recording import open_recording

NMNIST_US = 300_000
LONGEST_US = 2_000_000

_FEW_EVENTS = 200
"""Recordings of fewer events may have any rate."""

_SLOWEST, _FASTEST_PER_PIXEL = 2.0, 1500.0
"""Lowest rate of a sensor, and highest of a pixel on average, in events per second. The insensitive
camera of a published set has 3,000 per second, and the fastest sensors carry 1,300 per pixel."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled stretch of a recording.

    Attributes
    ----------
    path
        The recording.
    label
        The name of its class.
    subject
        Name of the subject from the file's name (``user01_natural.aedat4``), or None.
    start_us, stop_us
        The stretch in the recording's own microseconds, [start, stop); None for its first event
        and for its end.

    Raises
    ------
    SensorError
        If ``label`` cannot be the name of a class.
    """

    path: Path
    label: str
    subject: str | None = None
    start_us: int | None = None
    stop_us: int | None = None

    def __post_init__(self) -> None:
        check_name(self.label, f"{self.path}: the class's name")


class EventChain(Protocol):
    """Filters one after the other, as `sensors.make_chain` makes them."""

    size: tuple[int, int]

    def apply(self, events: Events, /) -> Events: ...


MakeChain = Callable[[Sequence[str], tuple[int, int]], EventChain]


class Dataset:
    """Labelled recordings of one sensor.

    Make one with :func:`open_dataset`.

    Attributes
    ----------
    path
        The folder.
    kind
        ``"N-MNIST"``, ``"DVS128 Gesture"``, ``"DVS128 Gesture by Tonic"``,
        ``"DVS128 Gesture by SpikingJelly"`` or ``"recordings"``.
    classes
        Names of the classes, in a fixed order: numbers by value, then names by letter.
    samples
        Every labelled stretch, ordered by class, then by file name and time.
    size
        (width, height) of the events: the sensor's, or what its filters leave of it.
    sensor_size
        (width, height) of the sensor.
    filters
        Names of the filters through which every recording is read.
    columns, unit
        Columns of its texts and tables, and unit of their times; None where files tell.
    longest_us
        Longest time that one recording can last; None for any.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        classes: tuple[str, ...],
        samples: tuple[Sample, ...],
        size: tuple[int, int],
        *,
        columns: Sequence[str] | None = None,
        unit: str | None = None,
        longest_us: int | None = None,
    ) -> None:
        self.path = path
        self.kind = kind
        self.classes = classes
        self.samples = samples
        self.size = self.sensor_size = size
        self.filters: tuple[str, ...] = ()
        self._make_chain: MakeChain | None = None
        self.columns, self.unit, self.longest_us = columns, unit, longest_us
        self._read: tuple[Path, Events] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, sample: Sample) -> Events:
        """Read the events of a sample; their times count from its start (microseconds).

        The recording read last stays decoded, so that several stretches of one file cost one
        decoding.

        Raises
        ------
        SensorError
            If the recording cannot be read, is damaged (:class:`DecodeError`, with the byte), has
            events outside the data set's sensor, or none in this stretch.
        """
        if self._read is None or self._read[0] != sample.path:
            self._read = (sample.path, self._decode(sample.path))
        events = self._read[1]
        begin = int(events["t"][0]) if sample.start_us is None else sample.start_us
        first = int(np.searchsorted(events["t"], begin))
        last = len(events)
        if sample.stop_us is not None:
            last = int(np.searchsorted(events["t"], sample.stop_us))
        if first >= last:
            raise SensorError(
                f"{sample.path} has no events from {sample.start_us} to {sample.stop_us} us, "
                f"which are labelled {sample.label!r}; label times are the recording's own."
            )
        part = events[first:last].copy()
        part["t"] -= begin
        return part

    def filtered(self, filters: Sequence[str], make_chain: MakeChain) -> Self:
        """Return this set, each recording of which is read through filters, fresh for each.

        Parameters
        ----------
        filters
            Their names, such as ``background:5ms``; none for the recordings as they are.
        make_chain
            Makes filters for a sensor's size: `sensors.make_chain`.

        Raises
        ------
        SensorError
            If there is no such filter, or it cannot be for this sensor.
        """
        changed = copy.copy(self)
        changed.filters, changed._make_chain = tuple(filters), make_chain if filters else None
        changed.size = make_chain(filters, self.sensor_size).size if filters else self.sensor_size
        changed._read = None
        return changed

    def shown_us(self) -> int:
        """Return the useful presentation time of a recording (microseconds).

        300 ms for N-MNIST; else the longest stretch, rounded up to a millisecond, at most 2 s.
        """
        if self.kind == "N-MNIST":
            return NMNIST_US
        longest = 0
        for sample in self.samples:
            if sample.start_us is not None and sample.stop_us is not None:
                longest = max(longest, sample.stop_us - sample.start_us)
            elif longest < LONGEST_US:
                longest = max(longest, int(self.load(sample)["t"][-1]) + 1)
        return min(-(-longest // 1000) * 1000, LONGEST_US)

    def subjects(self) -> tuple[str, ...]:
        """Names of the subjects, in order; empty where file names do not say."""
        return tuple(sorted({s.subject for s in self.samples if s.subject is not None}))

    def part(self, subjects: Iterable[str]) -> Self:
        """Return the samples of some subjects; classes stay.

        Raises
        ------
        SensorError
            If one of them is not seen in this set.
        """
        wanted = set(subjects)
        unknown = wanted - set(self.subjects())
        if unknown:
            raise SensorError(
                f"{self.path} does not show {', '.join(sorted(unknown))}; it shows "
                f"{', '.join(self.subjects()) or 'nobody by name'}."
            )
        samples = tuple(s for s in self.samples if s.subject in wanted)
        return self._with(self.classes, samples)

    def by_subject(self, held: float = 0.2, *, seed: int = 0) -> tuple[Self, Self]:
        """Split into two sets that share no subject, always the same for the same seed.

        Parameters
        ----------
        held
            Share of the subjects in the second set, rounded up; at least one is in each.
        seed
            Draws the subjects.

        Raises
        ------
        SensorError
            If fewer than two subjects are known.
        """
        subjects = self.subjects()
        if len(subjects) < 2:
            raise SensorError(
                f"{self.path} cannot be split by subject: its file names tell of "
                f"{len(subjects)}. Names such as user01_led.aedat do."
            )
        # Each subject's place in line follows from its own name: others joining changes little.
        line = sorted(subjects, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
        count = min(max(math.ceil(held * len(line)), 1), len(line) - 1)
        return self.part(line[count:]), self.part(line[:count])

    def only(self, classes: Iterable[str]) -> Self:
        """Return the part with these classes, in their order.

        Raises
        ------
        SensorError
            If one of them is no class of this set.
        """
        wanted = tuple(classes)
        for name in wanted:
            if name not in self.classes:
                raise SensorError(
                    f"{self.path} has no class {name!r}; it has {', '.join(self.classes)}."
                )
        samples = tuple(s for name in wanted for s in self.samples if s.label == name)
        return self._with(wanted, samples)

    def _with(self, classes: tuple[str, ...], samples: tuple[Sample, ...]) -> Self:
        changed = copy.copy(self)
        changed.classes, changed.samples = classes, samples
        return changed

    def _decode(self, path: Path) -> Events:
        recording = open_recording(
            path, size=self.sensor_size, columns=self.columns, unit=self.unit
        )
        events = recording.read()
        if not len(events):
            raise SensorError(f"{path} holds no events.")
        span = int(events["t"][-1]) - int(events["t"][0])
        if self.longest_us is not None and span > self.longest_us:
            raise SensorError(
                f"{path} would last {span / 1e6:,.0f} s with times in {self.unit}, as "
                f"{self.kind} has them: tell the unit of its times."
            )
        self._check_rate(path, len(events), span)
        if self._make_chain is None:
            return events
        left = self._make_chain(self.filters, self.sensor_size).apply(events)
        if not len(left):
            raise SensorError(f"The filters {', '.join(self.filters)} leave no event of {path}.")
        return left

    def _check_rate(self, path: Path, count: int, span_us: int) -> None:
        """Refuse a rate that no camera gives: times are in another unit than they are read in."""
        if count < _FEW_EVENTS or not span_us:
            return
        per_s = count * 1e6 / span_us
        if _SLOWEST <= per_s <= _FASTEST_PER_PIXEL * math.prod(self.sensor_size):
            return
        raise SensorError(
            f"{path} would have {per_s:,.1f} events per second, over {span_us / 1e6:,.6g} s, which "
            "no camera gives: its times are in another unit, such as s, ms, us or ns; tell it "
            "(--unit)."
        )
