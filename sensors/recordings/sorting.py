"""Events in time order from a recording whose times are not, within a bounded window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import EVENT_DTYPE, Events, no_events

WINDOW = 1 << 20
"""Events that are kept to be sorted: 13 MiB. One that lies further back stays out of order."""


def in_time_order(chunks: Iterable[Events], window: int = WINDOW) -> Iterator[Events]:
    """Sort events by time; events of the same time keep their order.

    Parameters
    ----------
    chunks
        Arrays of ``EVENT_DTYPE`` in any order.
    window
        Events that are kept back. An event that comes so many events too late is out of order in
        the result, too.

    Raises
    ------
    SensorError
        That of ``chunks``, after the events before it.
    """
    held = no_events()
    failed: SensorError | None = None
    source = iter(chunks)
    while True:
        try:
            chunk = next(source, None)
        except SensorError as error:
            failed, chunk = error, None
        if chunk is None:
            break
        held = _joined(held, chunk)
        if len(held) >= 2 * window:
            held = _sorted(held)
            yield held[:-window]
            held = held[-window:]
    if len(held):
        yield _sorted(held)
    if failed is not None:
        raise failed


def _joined(before: Events, after: Events) -> Events:
    # As bytes: NumPy joins records field by field, at half the speed.
    parts = [np.ascontiguousarray(part).view(np.uint8) for part in (before, after)]
    return np.concatenate(parts).view(EVENT_DTYPE)


def _sorted(events: Events) -> Events:
    return events[np.argsort(events["t"], kind="stable")]
