"""A recording in slices of equal time or of equal numbers of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import overload

import numpy as np

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import EVENT_DTYPE, Events, no_events

SIGNED_DTYPE = np.dtype(
    [(n, "i1" if n == "p" else EVENT_DTYPE[n]) for n in EVENT_DTYPE.names or ()]
)
"""Events whose polarities are signed: the same bytes."""


class Slices:
    """Slices of a recording, made by :meth:`Recording.slices`.

    Iterating streams the recording: memory does not grow with it. Length and index read it whole,
    once; each slice then is a view of one array, which nothing copies. So it is a map-style
    dataset for PyTorch's ``DataLoader``, also with several processes, and each slice is input for
    Tonic's transforms.

    Parameters
    ----------
    chunks
        Begins a new reading of the recording.
    time_us, count
        Length of a slice in microseconds or in events; one of both.
    signed
        Give polarities as int8.
    """

    def __init__(
        self,
        chunks: Callable[[], Iterable[Events]],
        *,
        time_us: int | None = None,
        count: int | None = None,
        signed: bool = False,
    ) -> None:
        if (time_us is None) == (count is None):
            raise SensorError("A slice is of time_us or of count: give one of them.")
        if min(time_us or 1, count or 1) < 1 or 0 in (time_us, count):
            raise SensorError("A slice has at least one microsecond, or one event.")
        self._chunks, self._time_us, self._count = chunks, time_us, count
        self._dtype = SIGNED_DTYPE if signed else EVENT_DTYPE
        self._read: Events | None = None

    def __iter__(self) -> Iterator[Events]:
        if self._read is not None:
            return (self[n] for n in range(len(self)))
        cut = self._by_count(self._count) if self._count else self._by_time(self._time_us or 1)
        return (events.view(self._dtype) for events in cut)

    def __len__(self) -> int:
        events = self._whole()
        if not len(events):
            return 0
        if self._count:
            return -(-len(events) // self._count)
        return (int(events["t"][-1]) - int(events["t"][0])) // (self._time_us or 1) + 1

    @overload
    def __getitem__(self, index: int) -> Events: ...

    @overload
    def __getitem__(self, index: slice) -> list[Events]: ...

    def __getitem__(self, index: int | slice) -> Events | list[Events]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        number = index + len(self) if index < 0 else index
        if not 0 <= number < len(self):
            raise IndexError(f"slice {index} of {len(self)}")
        events = self._whole().view(self._dtype)
        if self._count:
            return events[number * self._count : (number + 1) * self._count]
        begin = int(events["t"][0]) + number * (self._time_us or 1)
        first, last = np.searchsorted(events["t"], [begin, begin + (self._time_us or 1)])
        return events[first:last]

    def _whole(self) -> Events:
        if self._read is None:
            parts = [part.view(np.uint8) for part in self._chunks()]
            self._read = np.concatenate(parts).view(EVENT_DTYPE) if parts else no_events()
        return self._read

    def _by_count(self, count: int) -> Iterator[Events]:
        held: list[Events] = []
        wanted = count
        for chunk in self._chunks():
            at = 0
            while len(chunk) - at >= wanted:
                held.append(chunk[at : at + wanted])
                at, wanted = at + wanted, count
                yield _joined(held)
                held = []
            if at < len(chunk):
                held.append(chunk[at:])
                wanted -= len(chunk) - at
        if held:
            yield _joined(held)

    def _by_time(self, time_us: int) -> Iterator[Events]:
        held: list[Events] = []
        end: int | None = None
        for chunk in self._chunks():
            t, at = chunk["t"], 0
            end = int(t[0]) + time_us if end is None else end
            while at < len(chunk) and int(t[-1]) >= end:
                cut = at + int(np.searchsorted(t[at:], end))
                held.append(chunk[at:cut])
                yield _joined(held)
                held, at, end = [], cut, end + time_us
            held.append(chunk[at:])
        if held:
            yield _joined(held)


def _joined(parts: list[Events]) -> Events:
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return parts[0] if parts else no_events()
    # As bytes: NumPy joins records field by field, at half the speed.
    return np.concatenate([part.view(np.uint8) for part in parts]).view(EVENT_DTYPE)
