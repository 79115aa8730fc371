"""Times of a written recording: their origin, their range, and the cost of empty time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Events, FaultError, check_events, copied
from spikewire.sensors.recordings.encoders import Encoder, Int64s

Times = Literal["auto", "keep", "rebase"]
"""Times of a written recording: ``"keep"`` as they are or refuse, ``"rebase"`` to 0 at the first
event, ``"auto"`` rebase where the format cannot hold them."""

EMPTY_BYTES, EMPTY_SHARE = 1_000_000, 0.01
"""Empty time may cost this many bytes, or this share of a file's other bytes."""

LATEST_US = 2**63 - 1
_EARLIEST_US = -(2**62)
_GAP_US = 1_000_000
"""Time without events from which on it counts as empty."""
_PROVISIONAL = 1 << 24
"""Most bytes of empty time that are written before the size of the whole file is known."""
_PIECE = 1 << 17


@dataclass(frozen=True, slots=True)
class WritableFormat:
    """A format that is written.

    Attributes
    ----------
    name
        Name in messages.
    encode
        Writes events to a file.
    side
        Largest width and height of a sensor.
    first_us, last_us, shown
        Earliest and latest time, and both in words.
    empty_bytes
        Bytes between events at two arrays of times, for a format that writes empty time; else None.
    origin
        Whether its header holds the origin of its times.
    from_first
        Whether empty time counts from the first event on: time before that costs nothing.
    """

    name: str
    encode: Encoder
    side: int = 65536
    first_us: int = _EARLIEST_US
    last_us: int = LATEST_US
    shown: str = "from -2^62 to 2^63 - 1"
    empty_bytes: Callable[[Int64s, Int64s], Int64s] | None = None
    origin: bool = False
    from_first: bool = False


class TimeBase:
    """Origin of a written recording's times, and the check that its format can hold them.

    Parameters
    ----------
    path
        The file in messages.
    format
        Its format.
    size
        (width, height) of the sensor.
    times
        Treatment of the times.
    written
        Tells how many bytes are written.

    Attributes
    ----------
    origin_us
        Time taken off every event.
    events
        Number of events.
    """

    def __init__(
        self,
        path: Path,
        format: WritableFormat,
        size: tuple[int, int],
        times: Times,
        written: Callable[[], int],
    ) -> None:
        self.origin_us = 0
        self.events = 0
        self._path, self._format, self._size = path, format, size
        self._times, self._written = times, written
        self._last = _EARLIEST_US
        self._empty = 0
        self._worst: tuple[int, int, int] | None = None

    def rebased(self, chunks: Iterable[Events]) -> Iterator[Events]:
        """Yield the events with the times that are written, without empty arrays.

        Raises
        ------
        SensorError
            If an event breaks a rule of the sensor, or the format cannot hold its time.
        """
        for chunk in chunks:
            for first in range(0, len(chunk), _PIECE):
                yield self._piece(chunk[first : first + _PIECE])

    def _piece(self, events: Events) -> Events:
        try:
            events = check_events(events, self._size, after=self._last)
        except FaultError as error:
            raise SensorError(f"{self._path}: {error}") from None
        t = np.ascontiguousarray(events["t"])
        first, last = int(t[0]), int(t[-1])
        if not self.events:
            self.origin_us = self._origin(first)
        self._check_range(t, first, last)
        if self.origin_us:
            t = t - self.origin_us
            events = copied(events)
            events["t"] = t
        if self._format.empty_bytes is not None:
            begin = int(t[0]) if self._format.from_first else 0
            before = self._last - self.origin_us if self.events else begin
            self._count_empty(np.concatenate((np.array([before], np.int64), t[:-1])), t)
        self._last = last
        self.events += len(events)
        return events

    def _origin(self, first: int) -> int:
        """Choose the origin by the first event's time."""
        known = self._format
        if self._times == "rebase":
            return first
        if self._times == "keep" or known.first_us == _EARLIEST_US:
            return 0
        late = first > known.last_us // 2 or self._lead(first) > EMPTY_BYTES
        return first if first < known.first_us or late else 0

    def _lead(self, first: int) -> int:
        if self._format.empty_bytes is None or first < 0:
            return 0
        return int(self._format.empty_bytes(np.zeros(1, np.int64), np.array([first]))[0])

    def _check_range(self, t: Int64s, first: int, last: int) -> None:
        known, origin = self._format, self.origin_us
        if known.first_us <= first - origin and last - origin <= known.last_us:
            return
        at = 0
        if first - origin >= known.first_us:
            at = int(np.searchsorted(t, known.last_us + origin, "right"))
        after = f", {int(t[at]) - origin:,} us after the first event" if origin else ""
        raise SensorError(
            f"{self._path}: {known.name} holds times {known.shown} only, and event "
            f"{self.events + at:,} (counted from 0) is at {int(t[at]):,} us{after}."
        )

    def _count_empty(self, before: Int64s, t: Int64s) -> None:
        assert self._format.empty_bytes is not None
        wide = np.flatnonzero(t - before >= _GAP_US)
        if not len(wide):
            return
        cost = self._format.empty_bytes(before[wide], t[wide])
        largest = int(cost.argmax())
        if self._worst is None or cost[largest] > self._worst[0]:
            at = int(wide[largest])
            self._worst = int(cost[largest]), self.events + at, int(t[at]) + self.origin_us
        self._empty += int(cost.sum())
        if self._empty > _PROVISIONAL:
            self.check_empty(self._written())

    def check_empty(self, whole: int) -> None:
        """Refuse empty time that costs more than it is worth in a file of this many bytes.

        Raises
        ------
        SensorError
            If it does; the message names the event after the longest gap.
        """
        if self._empty <= max(EMPTY_BYTES, EMPTY_SHARE * (whole - self._empty)):
            return
        assert self._worst is not None
        cost, index, t = self._worst
        raise SensorError(
            f"{self._path}: {self._format.name} writes empty time, and event {index:,} (counted "
            f"from 0) at {t:,} us would cost {cost:,} bytes of it. Cut the recording there, or "
            "write .aedat4, .aedat, .csv or .npy."
        )
