"""Events of a stream as their source packed them, piece after piece, without copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewire.sensors import EVENT_DTYPE, Events, count_before

# Parts up to so many events are joined: a part costs as much as some thousand events.
_SMALL = 2048


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Events as contiguous columns: t int64[n] us, x and y uint16[n], p uint8[n]."""

    t: npt.NDArray[np.int64]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    p: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.t)


class EventParts:
    """Events in time order, in one array or several.

    Parameters
    ----------
    parts
        Arrays of ``EVENT_DTYPE``, none of them empty.
    """

    __slots__ = ("_count", "parts")

    def __init__(self, parts: Iterable[Events] = ()) -> None:
        self.parts = tuple(parts)
        self._count = sum(map(len, self.parts))

    @classmethod
    def of(cls, events: Events) -> EventParts:
        """Take an array with the fields of ``EVENT_DTYPE``; one of that type is not copied."""
        if events.dtype != EVENT_DTYPE or not events.flags.c_contiguous:
            packed = np.empty(len(events), EVENT_DTYPE)
            for name in ("t", "x", "y", "p"):
                packed[name] = events[name]
            events = packed
        return cls([events] if len(events) else [])

    def __len__(self) -> int:
        return self._count

    @property
    def first_us(self) -> int:
        """Time of the first event."""
        return int(self.parts[0]["t"][0])

    @property
    def last_us(self) -> int:
        """Time of the last event."""
        return int(self.parts[-1]["t"][-1])

    def time_us(self, number: int) -> int:
        """Time of an event by its number."""
        for part in self.parts:
            if number < len(part):
                return int(part["t"][number])
            number -= len(part)
        raise IndexError(number)

    def before(self, t_us: int) -> int:
        """Count the events before a time."""
        count = 0
        for part in self.parts:
            if part["t"][-1] >= t_us:
                return count + count_before(part, t_us)
            count += len(part)
        return count

    def split(self, number: int) -> tuple[EventParts, EventParts]:
        """Split into the first so many events and the rest, which are views."""
        head: list[Events] = []
        for n, part in enumerate(self.parts):
            if number < len(part):
                if number:
                    head.append(part[:number])
                return EventParts(head), EventParts([part[number:], *self.parts[n + 1 :]])
            head.append(part)
            number -= len(part)
        return EventParts(head), EventParts()

    def then(self, later: EventParts) -> EventParts:
        """These events, then the later ones."""
        if self.parts and later.parts and len(self.parts[-1]) + len(later.parts[0]) <= _SMALL:
            joined = _joined((self.parts[-1], later.parts[0]))
            return EventParts([*self.parts[:-1], joined, *later.parts[1:]])
        return EventParts([*self.parts, *later.parts])

    def columns(self) -> EventColumns:
        """Copy the events into contiguous columns."""
        events = self.parts[0] if len(self.parts) == 1 else _joined(self.parts)
        return EventColumns(
            np.ascontiguousarray(events["t"], dtype=np.int64),
            np.ascontiguousarray(events["x"], dtype=np.uint16),
            np.ascontiguousarray(events["y"], dtype=np.uint16),
            np.ascontiguousarray(events["p"], dtype=np.uint8),
        )


def _joined(parts: Iterable[Events]) -> Events:
    """Join arrays as bytes: NumPy joins records field by field, at half the speed."""
    whole = [np.zeros(0, np.uint8), *(part.view(np.uint8) for part in parts)]
    return np.concatenate(whole).view(EVENT_DTYPE)


NOTHING = EventParts()
