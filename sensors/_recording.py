"""Recordings: one way to read every format, and the facts about a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensors._aestream import have_aestream, load
from sensors._container import Container, damaged, probe
from sensors._decode import Evt2, decode_dat, decode_es, decode_nmnist
from sensors._errors import DecodeError, SensorError
from sensors._events import EVENT_DTYPE, Events, Policy, check_events

CHUNK = 1 << 20  # bytes read at once where a format allows it

_NAMES = {
    "aedat4": "AEDAT 4.0",
    "dat2": "DAT version 2",
    "evt2": "Prophesee RAW, EVT 2.0",
    "evt3": "Prophesee RAW, EVT 3.0",
    "es": "Event Stream 2",
    "nmnist": "N-MNIST",
    "prophesee": "Prophesee",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a recording is and holds; times in microseconds.

    ``damage`` is None, or a mapping with the byte ``offset`` and the ``reason``; the counts are
    those of the events before it.
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


class Recording:
    """A file of events, decoded in chunks.

    Attributes
    ----------
    path, format, reader
        The file, its format in words, and what decodes it.
    size
        (width, height) of the sensor.
    size_from
        ``"file"``, ``"caller"``, or ``"events"`` where the format does not say.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        policy: Policy = "raise",
    ) -> None:
        self.path = path
        self.policy: Policy = policy
        self.counters: Counter[str] = Counter()
        self._container = probe(path)
        self.format = _NAMES[self._container.format]
        self.reader = _reader(self._container, aestream=have_aestream())
        if size is not None:
            self.size, self.size_from = size, "caller"
        elif self._container.size is not None:
            self.size, self.size_from = self._container.size, "file"
        else:
            self.size, self.size_from = self._infer(), "events"

    def _infer(self) -> tuple[int, int]:
        """Take the smallest usual square that holds all events, or the events' own extent."""
        width = height = 0
        if self._container.format in ("aedat4", "evt3"):
            chunks = self._faery()
        else:
            chunks = self._own()
        with suppress(SensorError):
            for events in chunks:
                if len(events):
                    width = max(width, int(events["x"].max()) + 1)
                    height = max(height, int(events["y"].max()) + 1)
        if self._container.format == "nmnist":
            side = next(s for s in (34, 128, 256) if max(width, height) <= s)
            return side, side
        return max(width, 1), max(height, 1)

    def chunks(self) -> Iterator[Events]:
        """Yield checked event arrays in time order.

        Raises
        ------
        DecodeError
            After the events before the damage, if the file is damaged.
        SensorError
            If events break a rule of the sensor and the policy is ``"raise"``.
        """
        after = -(2**62)
        for events in self._decoded():
            if not len(events):
                continue
            try:
                checked = check_events(
                    events, self.size, policy=self.policy, counters=self.counters, after=after
                )
            except SensorError as error:
                raise SensorError(f"{self.path}: {error}") from None
            if len(checked):
                after = int(checked["t"][-1])
                yield checked
        if self._container.damage is not None:
            raise damaged(self.path, self._container)

    def _decoded(self) -> Iterator[Events]:
        if self.reader == "aestream":
            events = load(self.path, self._container.size or self.size)
            if events is not None:
                yield events
                return
            # None, without an error, where it cannot use the file: nothing is lost, others read it.
            self.reader = _reader(self._container, aestream=False)
        if self._container.format == "evt3":
            yield from self._faery()
        elif self._container.format == "aedat4":
            if self._container.start < self._container.intact:
                yield from self._faery()
        else:
            yield from self._own()

    def _own(self) -> Iterator[Events]:
        found = self._container
        if found.format == "prophesee":
            return
        if found.format == "es":
            data = np.fromfile(self.path, np.uint8)
            if self._container.size is None:
                return
            events, stopped = decode_es(data, found.start, self.size[1])
            yield events
            if stopped < len(data):
                rest = f"{len(data) - stopped} of an event's 5 bytes"
                self._container = Container("es", found.size, found.start, stopped, rest)
            return
        evt2 = Evt2()
        with open(self.path, "rb") as file:
            file.seek(found.start)
            left = found.intact - found.start
            unit = {"nmnist": 5, "dat2": 8, "evt2": 4}[found.format]
            step = CHUNK // unit * unit
            if found.format == "dat2":
                step = max(left, unit)  # its time wraps: decode in one go
            while left > 0:
                data = np.frombuffer(file.read(min(step, left)), np.uint8)
                if not len(data):
                    return
                left -= len(data)
                if found.format == "nmnist":
                    yield decode_nmnist(data)
                elif found.format == "dat2":
                    yield decode_dat(data)
                else:
                    yield evt2.decode(data)

    def _faery(self) -> Iterator[Events]:
        import faery

        try:
            stream = faery.events_stream_from_file(str(self.path))
            for packet in stream:
                events = np.empty(len(packet), EVENT_DTYPE)
                for name, source in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
                    events[name] = packet[source]
                yield events
        except (RuntimeError, OSError, ValueError) as error:
            if self._container.damage is None:
                raise DecodeError(self.path, f"{error}.") from None


def _reader(found: Container, *, aestream: bool) -> str:
    """Choose who decodes: aestream where it is exact and the file is whole, else faery or own."""
    if aestream and found.damage is None and (found.format == "dat2" or found.table):
        return "aestream"
    return "faery" if found.format in ("aedat4", "evt3") else "spikewire"


def open_recording(
    path: str | Path, *, size: tuple[int, int] | None = None, policy: Policy = "raise"
) -> Recording:
    """Open a recording of any format that is read.

    Parameters
    ----------
    path
        The file; its format is told by its content.
    size
        (width, height), for formats that do not say.
    policy
        What to do with events that break a rule: ``"raise"``, or ``"drop"`` and count.

    Raises
    ------
    SensorError
        If there is no such file, or its format is not read.
    """
    return Recording(Path(path), size=size, policy=policy)


def inspect(path: str | Path, *, size: tuple[int, int] | None = None) -> Facts:
    """Read a recording through and tell what it is and holds."""
    recording = open_recording(path, size=size, policy="drop")
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
    except DecodeError as error:
        damage = {"offset": error.offset, "reason": error.reason}
    duration = last - first if first is not None and last is not None else 0
    return Facts(
        path=str(path),
        format=recording.format,
        reader=recording.reader,
        bytes=recording.path.stat().st_size,
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
    )
