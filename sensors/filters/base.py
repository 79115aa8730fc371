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
from spikewire.sensors.events import EVENT_DTYPE, Events

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
    """

    name = "filter"

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def apply(self, events: Events) -> Events:
        """Filter the next events of the stream."""
        events = np.ascontiguousarray(events)
        out = np.empty(len(events), EVENT_DTYPE)
        return out[: int(self._run(events, out))]

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
    dropped
        Events left out, by filter.
    """

    def __init__(self, size: tuple[int, int], filters: list[Filter]) -> None:
        self.filters = filters
        self.size = filters[-1].size if filters else size
        self.dropped = dict.fromkeys((f"filter_{part.name}" for part in filters), 0)

    def apply(self, events: Events) -> Events:
        """Filter the next events of the stream."""
        for part in self.filters:
            before = len(events)
            if not before:
                break
            events = part.apply(events)
            self.dropped[f"filter_{part.name}"] += before - len(events)
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
