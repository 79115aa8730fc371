"""The interface of recordings in files with a directory of their own: HDF5, ROS bags.

A decoder reads a file's bytes in order. A container opens the file by its path, finds the events
in it, and begins to read at a time without reading what lies before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spikewire.sensors.errors import quoted
from spikewire.sensors.events import Events


class Container(Protocol):
    """Events in a file with a directory of its own.

    Attributes
    ----------
    size
        (width, height) if the file says so.
    note
        Facts detected from the content, and the choice among several streams of events.
    first_us
        Time of the first event; None if there is none.
    progress
        Share of the events that the last reading has come to, from 0 to 1.
    """

    size: tuple[int, int] | None
    note: str
    first_us: int | None
    progress: float

    def events(self, start_us: int, left_out: Counter[str]) -> Iterator[Events]:
        """Yield unchecked events in chunks, from a time on.

        Parameters
        ----------
        start_us
            Time after the first event. Events before it may be left out, and need not be.
        left_out
            Takes the counts of events that the recording declares unusable.
        """


@dataclass(frozen=True, slots=True)
class Wish:
    """The caller's knowledge about a container's events.

    Attributes
    ----------
    member
        Name of the events inside the file: what follows ``::`` in ``FILE::/path``.
    columns, unit
        Order of a table's columns, and unit of its times.
    """

    member: str | None = None
    columns: Sequence[str] | None = None
    unit: str | None = None


def split_member(path: Path) -> tuple[Path, str | None]:
    """Split ``FILE::/path`` into the file and the name of the events inside it.

    A file whose own name holds ``::`` is that file.
    """
    text = str(path)
    if "::" not in text or path.exists():
        return path, None
    file, _, member = text.partition("::")
    return Path(file), member


def list_of(names: Sequence[str], most: int = 6) -> str:
    """List the names of a file's streams in a message."""
    shown = ", ".join(quoted(name, 80)[1:-1] for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def choice_note(found: Sequence[str]) -> str:
    """Tell which of several streams of events is read, and how to read another."""
    if len(found) < 2:
        return ""
    others = list_of(found[1:])
    return f"{list_of(found[:1])} is read; FILE::/PATH reads another: {others}"
