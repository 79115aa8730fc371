"""The events of a recording between two times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spikewire.apps.cli.units import format_us

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


def empty_part(path: Path, start: int, stop: int | None) -> str:
    """Return a sentence about a part of a recording that holds no event."""
    if not start and stop is None:
        return f"{path} holds no event that is left"
    if stop is None:
        return f"{path} has no event later than {format_us(start)} after its first one"
    times = f"{format_us(start)} and {format_us(stop)}"
    return f"{path} has no event between {times} after its first one"
