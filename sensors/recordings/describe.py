"""Facts about a recording, from reading it through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikewire.sensors.errors import DecodeError
from spikewire.sensors.formats.aedat import Convention
from spikewire.sensors.recordings.recording import Reader, open_recording


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """Facts about a recording; times in microseconds.

    ``damage`` is None, or a mapping with the byte ``offset`` and the ``reason``; the counts are
    those of the events before it. ``dropped`` counts events that break a rule, ``left_out`` those
    that the recording itself declares unusable. ``note`` names what was detected from the content.
    """

    path: str
    format: str
    reader: str
    bytes: int
    size: tuple[int, int]
    size_from: str
    events: int
    on: int
    off: int
    t_first: int | None
    t_last: int | None
    duration_us: int
    rate: float
    dropped: dict[str, int]
    damage: dict[str, Any] | None
    note: str = ""
    left_out: dict[str, int] | None = None


def describe_recording(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    columns: str | Sequence[str] | None = None,
    unit: str | None = None,
    reader: Reader = "spikewire",
    convention: Convention = "jaer",
    sort: bool = False,
    progress: Callable[[float], None] | None = None,
) -> RecordingInfo:
    """Read a recording through and return facts about it.

    The parameters are those of :func:`open_recording`; ``progress`` is called with the share of the
    file that was read so far.

    Raises
    ------
    SensorError
        If there is no such file, or its format is not read.
    """
    recording = open_recording(
        path, size=size, policy="drop", columns=columns, unit=unit, reader=reader,
        convention=convention, sort=sort,
    )  # fmt: skip
    events = on = 0
    first: int | None = None
    last: int | None = None
    damage: dict[str, Any] | None = None
    try:
        for chunk in recording.chunks():
            events += len(chunk)
            on += int(chunk["p"].sum(dtype=np.int64))
            first = int(chunk["t"][0]) if first is None else first
            last = int(chunk["t"][-1])
            if progress is not None:
                progress(recording.progress or 0.0)
    except DecodeError as error:
        damage = {"offset": error.offset, "reason": error.reason}
    duration = last - first if first is not None and last is not None else 0
    return RecordingInfo(
        path=str(path),
        format=recording.format,
        reader=recording.reader,
        bytes=_size_of(recording.path),
        size=recording.size,
        size_from=recording.size_from,
        events=events,
        on=on,
        off=events - on,
        t_first=first,
        t_last=last,
        duration_us=duration,
        rate=round(events * 1e6 / duration, 1) if duration else 0.0,
        dropped=dict(recording.counters),
        damage=damage,
        note=recording.note,
        left_out=dict(recording.left_out),
    )


def _size_of(path: Path) -> int:
    """Return the bytes of a file, or of the files of a folder that is one recording."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return path.stat().st_size
