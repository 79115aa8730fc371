"""Recordings: one way to read every format, and the facts about a file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np

from spikewire.sensors.errors import DecodeError, SensorError
from spikewire.sensors.events import EVENT_DTYPE, Events, FaultError, Policy, check_events
from spikewire.sensors.formats import aedat4 as _aedat4
from spikewire.sensors.formats.aestream_reader import load
from spikewire.sensors.formats.csv_layout import check_unit, parse_columns
from spikewire.sensors.formats.detect import NAMES, Container, probe_file
from spikewire.sensors.formats.lz4_frame import frame_end
from spikewire.sensors.formats.numpy_arrays import read_numpy

CHUNK = 1 << 17
"""Bytes read at once: 32 events may lie in 8 bytes of EVT 2.1, so 14 MiB of events at most."""

Reader = Literal["spikewire", "aestream", "faery"]
"""Who decodes. Ours is exact on every format; the others where docs/formats.md says so."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a recording is and holds; times in microseconds.

    ``damage`` is None, or a mapping with the byte ``offset`` and the ``reason``; the counts are
    those of the events before it. ``dropped`` counts events that break a rule, ``left_out`` those
    that the recording itself declares unusable. ``note`` says what was told from the content.
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


class Recording:
    """A file of events, decoded in chunks: memory does not grow with the file.

    Attributes
    ----------
    path, format, reader
        The file, its format in words, and what decodes it.
    note
        What was told from the content rather than stated, such as a text's columns.
    size
        (width, height) of the sensor.
    size_from
        ``"file"``, ``"caller"``, or ``"events"`` where the format does not say.
    counters
        Events dropped by the check, by reason; complete once the chunks are read.
    left_out
        Events that the recording itself declares unusable, by reason.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int] | None = None,
        policy: Policy = "raise",
        columns: Sequence[str] | None = None,
        unit: str | None = None,
        reader: Reader = "spikewire",
    ) -> None:
        if reader not in get_args(Reader):
            raise SensorError(
                f"reader is {reader!r}; allowed are {', '.join(map(str, get_args(Reader)))}."
            )
        self.path = path
        self.policy: Policy = policy
        self.reader: Reader = reader
        self.counters: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._columns, self._unit = columns, unit if unit is None else check_unit(unit)
        self._container = probe_file(path, columns=columns, unit=unit)
        self.format, self.note = NAMES[self._container.format], self._container.note
        if size is not None:
            self.size, self.size_from = size, "caller"
        elif self._container.size is not None:
            self.size, self.size_from = self._container.size, "file"
        else:
            self.size, self.size_from = self._infer(), "events"

    def _infer(self) -> tuple[int, int]:
        """Take the events' own extent; of N-MNIST the smallest usual square that holds them."""
        width = height = 1
        with suppress(SensorError):
            for events in self._own(0):
                if len(events):
                    width = max(width, int(events["x"].max()) + 1)
                    height = max(height, int(events["y"].max()) + 1)
        self.left_out.clear()
        if self._container.format == "nmnist":
            side = next(s for s in (34, 128, 256) if max(width, height) <= s)
            return side, side
        # No sensor is larger, whatever one damaged event says.
        return min(width, 32768), min(height, 32768)

    def chunks(self) -> Iterator[Events]:
        """Yield checked event arrays in time order.

        Raises
        ------
        DecodeError
            After the events before the damage, if the file is damaged.
        SensorError
            After the events before it, if an event breaks a rule of the sensor and the policy is
            ``"raise"``.
        """
        after = -(2**62)
        for events in self._decoded():
            if not len(events):
                continue
            fault: FaultError | None = None
            try:
                checked = check_events(
                    events, self.size, policy=self.policy, counters=self.counters, after=after
                )
            except FaultError as error:
                fault, checked = error, events[: error.first]
            if len(checked):
                after = int(checked["t"][-1])
                yield checked
            if fault is not None:
                raise SensorError(f"{self.path}: {fault}") from None

    def _decoded(self) -> Iterator[Events]:
        if self.reader == "aestream":
            events = load(self.path, self.size)
            if events is None:
                raise SensorError(f"aestream reads no events from {self.path}.")
            yield events
        elif self.reader == "faery":
            yield from self._faery()
        else:
            yield from self._own(self.size[1])

    def _own(self, height: int) -> Iterator[Events]:
        found = self._container
        if found.damage is not None:
            raise DecodeError(self.path, f"{found.damage}.", found.start)
        try:
            with open(self.path, "rb") as file:
                if found.format in ("npy", "npz"):
                    yield from read_numpy(self.path, file, columns=self._columns, unit=self._unit)
                    return
                file.seek(found.start)
                if found.format == "aedat4":
                    length = os.fstat(file.fileno()).st_size
                    yield from read_aedat4(self.path, file, found, length, self.left_out)
                else:
                    yield from read_decoded(self.path, file, found, height, self.left_out)
        except OSError as error:
            raise SensorError(f"{self.path} cannot be read: {error.strerror}.") from None

    def _faery(self) -> Iterator[Events]:
        import faery

        try:
            stream = faery.events_stream_from_file(str(self.path), dimensions_fallback=self.size)
            for packet in stream:
                events = np.empty(len(packet), EVENT_DTYPE)
                for name, source in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
                    events[name] = packet[source]
                yield events
        except BaseException as error:
            # What it has not implemented it panics at, which is no Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise DecodeError(self.path, f"{error} (faery).") from None


def read_decoded(
    path: Path | str,
    file: BinaryIO,
    found: Container,
    height: int,
    left_out: Counter[str] | None = None,
) -> Iterator[Events]:
    """Yield unchecked events of a format that has a decoder, from a file or a pipe.

    Parameters
    ----------
    path
        What to call it in messages.
    file
        Read from where it stands, which is ``found.start``.
    found
        What its header says.
    height
        Rows of the sensor, for formats whose origin is lower left.
    left_out
        Takes the counts of events that are declared unusable.

    Raises
    ------
    DecodeError
        After the events before the damage.
    """
    assert found.decoder is not None
    decoder = found.decoder(height)
    at = found.start
    rest = b""
    try:
        while True:
            more = file.read(CHUNK)
            data = rest + more
            if not more and not rest:
                break
            if not more:
                # A text's last line may lack its end.
                finish: Callable[[bytes], bytes] = getattr(decoder, "finish", bytes)
                data = finish(rest)
            events, used = decoder.decode(np.frombuffer(data, np.uint8))
            at += used
            if len(events):
                yield events
            if decoder.fault is not None:
                raise DecodeError(path, f"{decoder.fault}.", at)
            rest = data[used:]
            if not more:
                break
        short: int = getattr(decoder, "short", 0)
        if rest or short:
            raise DecodeError(path, f"{len(rest)} of {decoder.unit}.", at)
    finally:
        if left_out is not None:
            left_out.update({name: n for name, n in decoder.left_out.items() if n})


def read_aedat4(
    path: Path | str,
    file: BinaryIO,
    found: Container,
    length: int | None,
    left_out: Counter[str] | None = None,
) -> Iterator[Events]:
    """Yield unchecked events of AEDAT 4.0, from a file or a pipe (``length`` is then None).

    Only the first stream of events is read; the events of others are counted as left out.

    Raises
    ------
    DecodeError
        After the events of whole packets before the damage.
    """
    table = found.table
    stop = table if table >= found.start and (length is None or table <= length) else None
    wanted = found.streams[0] if found.streams else None
    at = found.start
    try:
        for here, stream, payload in _aedat4.packets(file, found.start, stop):
            at = here
            if found.streams and stream not in found.streams:
                continue
            whole = _aedat4.unpack(payload, found.compression)
            if bytes(whole[8:12]) != b"EVTS":
                if found.streams:
                    raise _aedat4.DamageError("this is no packet of events")
                continue
            wanted = stream if wanted is None else wanted
            for events in _aedat4.packet_events(whole):
                if stream == wanted:
                    yield events
                elif left_out is not None:
                    left_out["other_stream"] += len(events)
    except _aedat4.DamageError as damage:
        where = damage.args[1] if len(damage.args) > 1 else at
        raise DecodeError(path, f"{damage.args[0]}.", where) from None
    if length is None:
        return
    if stop is None and table > length:
        raise DecodeError(path, "the file ends before its data table.", length)
    if stop is not None and not _whole_table(file, stop, length):
        raise DecodeError(path, "the data table is cut short.", stop)


def _whole_table(file: BinaryIO, at: int, length: int) -> bool:
    """Tell whether the table, an LZ4 or Zstandard frame or a flatbuffer, is all there."""
    file.seek(at)
    head = file.read(8)
    if len(head) < 8:
        return False
    if head[:4] == b"\x04\x22\x4d\x18":
        return frame_end(file, at, length) == length
    if head[:4] == b"\x28\xb5\x2f\xfd":
        file.seek(at)
        with suppress(_aedat4.DamageError):
            _aedat4.unpack(file.read(_aedat4.MOST_BYTES), _aedat4.ZSTD)
            return True
        return False
    return at + 4 + int.from_bytes(head[:4], "little") <= length


def open_recording(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    policy: Policy = "raise",
    columns: str | Sequence[str] | None = None,
    unit: str | None = None,
    reader: Reader = "spikewire",
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
    columns
        The order of a text's or a table's columns, such as ``"x,y,p,t"``; ``-`` passes one over.
        None takes it from a header or from the values.
    unit
        Unit of a text's or an array's times: s, ms, us or ns. None takes it from a header, else
        seconds for fractions and microseconds for whole numbers.
    reader
        Who decodes: this package, or another library as it is, to compare with.

    Raises
    ------
    SensorError
        If there is no such file, or its format is not read.
    """
    if isinstance(columns, str):
        columns = parse_columns(columns)
    return Recording(
        Path(path), size=size, policy=policy, columns=columns, unit=unit, reader=reader
    )


def inspect(
    path: str | Path,
    *,
    size: tuple[int, int] | None = None,
    columns: str | Sequence[str] | None = None,
    unit: str | None = None,
    reader: Reader = "spikewire",
) -> Facts:
    """Read a recording through and tell what it is and holds; takes what ``open_recording`` does.

    Raises
    ------
    SensorError
        If there is no such file, or its format is not read.
    """
    recording = open_recording(
        path, size=size, policy="drop", columns=columns, unit=unit, reader=reader
    )
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
        note=recording.note,
        left_out=dict(recording.left_out),
    )
