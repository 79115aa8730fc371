"""Events that lie in a message one by one: dvs_msgs, prophesee_event_msgs and the like."""

from __future__ import annotations

from typing import Any

import numpy as np

from spikewire.sensors.events import EVENT_DTYPE, Events
from spikewire.sensors.formats.numpy_arrays import to_events
from spikewire.sensors.formats.ros.definitions import (
    Element,
    LayoutError,
    Types,
    Wire,
    element_at,
)

_MULTIPLE = 8
"""Numbers are aligned to eight bytes at most: from then on the layout repeats."""


class EventArrays:
    """Reads events of one type out of messages.

    CDR aligns every number, so that events lie at distances that repeat after a few.

    Parameters
    ----------
    types, name
        The definitions, and the name of the type of one event.
    wire
        How numbers are laid out.
    """

    def __init__(self, types: Types, name: str, wire: Wire) -> None:
        self._types, self._name, self._wire = types, name, wire
        self._known: dict[int, tuple[list[Element], list[int], int]] = {}

    def _layout(self, phase: int) -> tuple[list[Element], list[int], int]:
        """Lay out events from a first byte on, until the layout repeats.

        Returns
        -------
        tuple
            The events' elements and first bytes, and the number of those before the repetition.
        """
        if phase not in self._known:
            elements: list[Element] = []
            begins: list[int] = []
            phases: list[int] = []
            at = phase
            while True:
                one = element_at(self._types, self._name, self._wire, at)
                begin = one.end - one.size
                if begin % _MULTIPLE in phases and self._wire.aligned:
                    break
                if elements and not self._wire.aligned:
                    break
                elements.append(one)
                begins.append(begin)
                phases.append(begin % _MULTIPLE)
                at = one.end
            before = phases.index(begin % _MULTIPLE) if self._wire.aligned else 0
            self._known[phase] = elements, [*begins, begin], before
        return self._known[phase]

    def events(self, data: memoryview, start: int, count: int) -> Events:
        """Return the events that begin at a byte.

        Raises
        ------
        LayoutError
            If the message ends before they do.
        """
        phase = start % _MULTIPLE
        elements, begins, before = self._layout(phase)
        cycle = len(elements) - before
        period = begins[-1] - begins[before]
        out = np.empty(count, EVENT_DTYPE)
        for n, element in enumerate(elements):
            first = start - phase + begins[n]
            repeats = 1 if n < before else -(-(count - n) // cycle)
            if n >= count:
                break
            if first + (repeats - 1) * period + element.size > len(data):
                raise LayoutError(f"it ends after {len(data):,} bytes, within its {count:,} events")
            step = 1 if n < before else cycle
            stop = n + 1 if n < before else count
            out[n:stop:step] = _taken(element, data, first, repeats, period)
        return out


def _taken(element: Element, data: memoryview, first: int, count: int, stride: int) -> Events:
    """Take events at equal distances."""
    names = list(element.places)
    dtype = np.dtype(
        {
            "names": names,
            "formats": [element.places[name][0] for name in names],
            "offsets": [element.places[name][1] for name in names],
            "itemsize": element.size,
        }
    )
    rows: Any = np.ndarray(count, dtype, data, first, (stride,))
    columns = {name: rows[name] for name in "xyp"}
    if "sec" in element.places:
        columns["t"] = rows["sec"].astype(np.int64) * 1_000_000
        columns["t"] += rows["nanosec"] // 1000
    else:
        columns["t"] = rows["t"]
    return to_events(columns, None)
