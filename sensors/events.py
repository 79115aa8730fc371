"""The event, the packet, and the one check that every array passes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numba
import numpy as np
import numpy.typing as npt

from spikewire._jit import kernel
from spikewire.sensors.errors import SensorError
from spikewire.sensors.recycled import new_bytes

EVENT_DTYPE = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
"""One event: time in microseconds, column, row (origin upper left), polarity in {0, 1}.

Packed, 13 bytes: the layout of aestream's own records, which are viewed rather than copied.
"""

Events = npt.NDArray[np.void]


class FaultError(SensorError):
    """Events that break a rule.

    Attributes
    ----------
    first
        Index of the first of them: those before are good.
    """

    def __init__(self, message: str, first: int) -> None:
        self.first = first
        super().__init__(message)


Policy = Literal["raise", "drop"]

FAULTS = ("out_of_bounds", "bad_polarity", "time_backwards", "time_out_of_range")
"""Faults that the check counts."""

MOST_TIME_US = 2**62 - 1
"""Latest time of an event, in microseconds; the earliest is its negative. Differences of such times
fit into 64 bits."""

_EVENT = numba.from_dtype(EVENT_DTYPE)
EVENT_ARRAY = numba.types.Array(_EVENT, 1, "C", aligned=False)
READ_ONLY_EVENTS = numba.types.Array(_EVENT, 1, "C", readonly=True, aligned=False)
INT64_ARRAY = numba.int64[::1]


def no_events() -> Events:
    """Return an empty event array."""
    return np.zeros(0, EVENT_DTYPE)


def new_events(count: int) -> Events:
    """Return an array of ``count`` events, not initialised."""
    return new_bytes(count * EVENT_DTYPE.itemsize).view(EVENT_DTYPE)


def count_before(events: Events, t_us: int) -> int:
    """Count the events before a time, of events in time order.

    Bisecting looks at a few events; ``np.searchsorted`` would copy the column of times first.
    """
    return bisect_left(events["t"], t_us)


def copied(events: Events) -> Events:
    """Copy a contiguous array byte by byte: NumPy copies records field by field, at half speed."""
    made = new_bytes(events.nbytes)
    made[:] = events.view(np.uint8)
    return made.view(EVENT_DTYPE)


@dataclass(frozen=True, slots=True)
class Packet:
    """A run of checked events with their time, sensor and label.

    Attributes
    ----------
    events
        Contiguous array of ``EVENT_DTYPE`` in time order.
    size
        (width, height) of the sensor.
    watermark
        Every later event of this segment has ``t >= watermark`` (microseconds): quiet time passes.
    arrived_ns
        ``time.monotonic_ns()`` when it was received or read.
    segment
        Counts up where time starts anew; times of different segments cannot be compared.
    label
        The true class where the source knows it; a packet never straddles a change of label.
    last
        Whether this packet ends its segment.
    label_from
        Since when the label holds (microseconds), if the source knows; None: since the packet's
        first event. A packet without events may change the label, too.
    """

    events: Events
    size: tuple[int, int]
    watermark: int
    arrived_ns: int
    segment: int
    label: str | None = None
    last: bool = False
    label_from: int | None = None


Deliver = Callable[[Packet], Awaitable[None]]


class Source(Protocol):
    """Interface of a source of packets."""

    @property
    def name(self) -> str:
        """Name in messages."""

    @property
    def live(self) -> bool:
        """Whether the source cannot wait: a camera or a socket."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the sensor."""

    @property
    def counters(self) -> Mapping[str, int]:
        """Received events and packets, and dropped ones by reason."""

    async def run(self, deliver: Deliver) -> None:
        """Deliver packets until the stream is over; raises SensorError if it breaks."""


@kernel(numba.boolean(READ_ONLY_EVENTS, numba.int64, numba.int64, numba.int64), live=True)
def _all_right(events, width, height, after):  # type: ignore[no-untyped-def]
    wrong = np.uint8(0)
    last = after
    for i in range(events.shape[0]):
        event = events[i]
        wrong |= np.uint8(event.x >= width) | np.uint8(event.y >= height)
        wrong |= np.uint8(event.p > 1) | np.uint8(event.t < last)
        last = event.t
    return wrong == 0


@kernel(
    numba.int64(
        READ_ONLY_EVENTS, EVENT_ARRAY, numba.int64, numba.int64, numba.int64, numba.int64[::1]
    )
)
def _check(events, kept, width, height, after, faults):  # type: ignore[no-untyped-def]
    n = 0
    last = after
    for i in range(events.shape[0]):
        event = events[i]
        if n == i:
            faults[4] = n
        if event.x >= width or event.y >= height:
            faults[0] += 1
        elif event.p > 1:
            faults[1] += 1
        elif event.t < last:
            faults[2] += 1
        elif event.t > MOST_TIME_US:
            faults[3] += 1
        else:
            last = event.t
            kept[n] = event
            n += 1
    return n


def check_events(
    events: npt.NDArray[Any],
    size: tuple[int, int],
    *,
    policy: Policy = "raise",
    counters: Counter[str] | None = None,
    after: int = -MOST_TIME_US,
) -> Events:
    """Check an array of events once, at the edge.

    Parameters
    ----------
    events
        Structured array with fields ``t``, ``x``, ``y``, ``p`` of any integer type, by name.
    size
        (width, height): places outside are faults.
    policy
        ``"raise"`` at the first kind of fault, or ``"drop"`` faulty events.
    counters
        Takes the number of faults by name (see ``FAULTS``).
    after
        Events before this time are faults too (the end of the packet before).

    Returns
    -------
    ndarray
        Contiguous ``EVENT_DTYPE`` array in time order; the same memory if nothing was wrong.

    Raises
    ------
    SensorError
        If fields are missing, or, under ``"raise"``, if any event is faulty.
    """
    names = events.dtype.names or ()
    missing = [name for name in ("t", "x", "y", "p") if name not in names]
    if missing:
        raise SensorError(
            f"Events need the fields t, x, y and p; {', '.join(missing)} missing among "
            f"{', '.join(names) or 'no fields'}."
        )
    if events.dtype != EVENT_DTYPE:
        converted = np.empty(len(events), EVENT_DTYPE)
        for name in ("t", "x", "y", "p"):
            converted[name] = events[name]
        events = converted
    events = np.ascontiguousarray(events)
    if _all_right(events, size[0], size[1], after) and (
        not len(events) or int(events["t"][-1]) <= MOST_TIME_US
    ):
        return events
    kept = np.empty(len(events), EVENT_DTYPE)
    faults = np.zeros(5, np.int64)
    n = int(_check(events, kept, size[0], size[1], after, faults))
    if counters is not None:
        for name, count in zip(FAULTS, faults[:4], strict=True):
            if count:
                counters[name] += int(count)
    if policy == "raise":
        faulty = ", ".join(
            f"{count:,} {name.replace('_', ' ')}"
            for name, count in zip(FAULTS, faults[:4], strict=True)
            if count
        )
        raise FaultError(
            f"{len(events) - n:,} of {len(events):,} events break a rule of a "
            f"{size[0]}x{size[1]} sensor: {faulty}.",
            int(faults[4]),
        )
    return copied(kept[:n])


@dataclass(slots=True)
class Checked:
    """Tells a reader what to check while it unpacks events, and whether all is right.

    Attributes
    ----------
    size, after
        As for :func:`check_events`.
    right
        Whether the events that were given last break no rule; False where that is not known.
    """

    size: tuple[int, int]
    after: int = -MOST_TIME_US
    right: bool = False

    def check(self, events: Events, policy: Policy, counters: Counter[str]) -> Events:
        """Check the events that were given last, unless they are known to be right.

        The parameters, the result and the errors are those of :func:`check_events`.
        """
        if self.right:
            return events
        return check_events(events, self.size, policy=policy, counters=counters, after=self.after)
