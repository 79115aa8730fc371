"""The events of a recording between two times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spikewire.sensors import Events, Recording


def cut_chunks(recording: Recording, start: int, stop: int | None) -> Iterator[Events]:
    """Yield a recording's events between two times, as its chunks hold them.

    Parameters
    ----------
    recording
        The recording.
    start, stop
        Microseconds after the first event; None stops at the end.
    """
    first: int | None = None
    for events in recording.chunks():
        t = events["t"]
        first = int(t[0]) if first is None else first
        # Compared as differences: the sum may exceed 64 bits.
        after = t - first
        begin = int(after.searchsorted(start)) if start else 0
        end = len(t) if stop is None else int(after.searchsorted(stop))
        if begin < end:
            yield events[begin:end]
        if end < len(t):
            return
