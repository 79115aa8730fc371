"""Filters of event streams: integer, streaming, independent of packet boundaries.

A filter takes checked events and gives checked events. Its memory (the time of a pixel's last
event, the hot pixels) lies in arrays that can be saved and restored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Events, new_events

NEVER = -(2**62)
State = Mapping[str, npt.NDArray[Any]]


class Filter(ABC):
    """Base of all filters.

    Parameters
    ----------
    size
        (width, height) of the events that come in.

    Attributes
    ----------
    size
        (width, height) of the events that go out.
    removed
        Events left out so far.
    """

    name = "filter"

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.removed = 0

    def apply(self, events: Events) -> Events:
        """Filter the next events of the stream."""
        events = np.ascontiguousarray(events)
        out = new_events(len(events))
        kept = int(self._run(events, out))
        self.removed += len(events) - kept
        return out[:kept]

    @abstractmethod
    def _run(self, events: Events, out: Events) -> int:
        """Write the kept events into ``out`` and return their number."""

    def state(self) -> State:
        """Arrays of the filter's memory, not copied."""
        return {}

    def reset(self) -> None:  # noqa: B027 - most have no times
        """Forget times: the stream's time starts anew. What was learned stays."""


class Chain:
    """Filters one after the other.

    Attributes
    ----------
    filters
        In their order.
    size
        (width, height) of the filtered events.
    """

    def __init__(self, size: tuple[int, int], filters: list[Filter]) -> None:
        self.filters = filters
        self.size = filters[-1].size if filters else size

    @property
    def dropped(self) -> dict[str, int]:
        """Events left out, by filter."""
        sums = dict.fromkeys((f"filter_{part.name}" for part in self.filters), 0)
        for part in self.filters:
            sums[f"filter_{part.name}"] += part.removed
        return sums

    def apply(self, events: Events) -> Events:
        """Filter the next events of the stream."""
        for part in self.filters:
            if not len(events):
                break
            events = part.apply(events)
        return events

    def reset(self) -> None:
        """Forget times: the stream's time starts anew."""
        for part in self.filters:
            part.reset()

    def save(self) -> dict[str, npt.NDArray[Any]]:
        """Copy the memory of all filters."""
        return {
            f"{n}.{part.name}.{name}": array.copy()
            for n, part in enumerate(self.filters)
            for name, array in part.state().items()
        }

    def restore(self, saved: State) -> None:
        """Restore the memory of filters of the same kind and size; times are forgotten.

        Raises
        ------
        SensorError
            If they were others.
        """
        for n, part in enumerate(self.filters):
            for name, array in part.state().items():
                old = saved.get(f"{n}.{part.name}.{name}")
                if old is None or old.shape != array.shape or old.dtype != array.dtype:
                    raise SensorError(
                        f"The saved filters are not these: {part.name} has no {name} of "
                        f"{array.shape} there."
                    )
                array[...] = old
        self.reset()
