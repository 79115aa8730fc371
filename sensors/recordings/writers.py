"""Writing recordings: AEDAT 4.0 while events come, and every other format from a stream of them."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, BinaryIO, Self
from xml.sax.saxutils import escape

import lz4.frame
import numpy as np

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import EVENT_DTYPE, Events
from spikewire.sensors.formats import aedat4 as _aedat4

PACKET = 1 << 14
"""Most events of a packet: 256 KiB before compression."""

_XML = """<dv version="2.0">
    <node name="outInfo" path="/mainloop/Recorder/outInfo/">
        <node name="0" path="/mainloop/Recorder/outInfo/0/">
            <attr key="compression" type="string">LZ4</attr>
            <attr key="originalModuleName" type="string">{source}</attr>
            <attr key="originalOutputName" type="string">events</attr>
            <attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>
            <attr key="typeIdentifier" type="string">EVTS</attr>
            <node name="info" path="/mainloop/Recorder/outInfo/0/info/">
                <attr key="sizeX" type="int">{width}</attr>
                <attr key="sizeY" type="int">{height}</attr>
                <attr key="source" type="string">{source}</attr>
            </node>
        </node>
    </node>
</dv>
"""


def _io_header(text: bytes, table: int) -> bytes:
    """Lay out the header's FlatBuffer; its length does not depend on ``table``."""
    vtable = struct.pack("<HHHHHxx", 10, 24, 20, 8, 16)
    out = struct.pack("<I4s", 8 + len(vtable), b"IOHE") + vtable
    # table: offset of the vtable, 4 bytes of room, position, offset of the text, compression
    out += struct.pack("<iiqIi", len(vtable), 0, table, 8, _aedat4.LZ4)
    out += struct.pack("<I", len(text)) + text + b"\0"
    return out + bytes(-len(out) % 4)


def _packet(events: Events) -> bytes:
    """Lay out an ``EventPacket``: one vector of structs, aligned to 8 bytes."""
    rows = np.zeros(len(events), _aedat4.STRUCT)
    for name in ("t", "x", "y", "p"):
        rows[name] = events[name]
    flat = struct.pack("<I4s", 16, b"EVTS") + struct.pack("<HHHxx", 6, 8, 4)
    flat += struct.pack("<iI", 8, 4) + struct.pack("<I", len(events))
    body = flat + rows.tobytes()
    return struct.pack("<I", len(body)) + body


def _data_table(rows: list[tuple[int, int, int, int, int]]) -> bytes:
    """Lay out the ``FileDataTable``: where each packet lies, and what times it holds."""
    count = len(rows)
    flat = struct.pack("<I4s", 16, b"FTAB") + struct.pack("<HHHxx", 6, 8, 4)
    flat += struct.pack("<iI", 8, 4)
    vector = len(flat)
    head = vector + 4 + 4 * count
    vtable = head + (-head % 8)
    first = vtable + 16
    first += -first % 8  # with the size before all, 64-bit fields lie on multiples of 8
    offsets = b"".join(
        struct.pack("<I", first + 48 * n - (vector + 4 + 4 * n)) for n in range(count)
    )
    flat += struct.pack("<I", count) + offsets
    flat += bytes(vtable - len(flat)) + struct.pack("<HHHHHHHxx", 14, 44, 4, 12, 20, 28, 36)
    flat += bytes(first - len(flat))
    for n, (at, size, number, start, stop) in enumerate(rows):
        flat += struct.pack("<iqiiqqq4x", first + 48 * n - vtable, at, 0, size, number, start, stop)
    return struct.pack("<I", len(flat)) + flat


class Aedat4Writer:
    """Writes an AEDAT 4.0 recording as its events come.

    Until it is closed the file has no data table, like every interrupted recording: what was
    written can be read all the same.

    Parameters
    ----------
    path
        The file; replaced if it exists.
    size
        (width, height) of the sensor.
    source
        What recorded it.

    Raises
    ------
    SensorError
        If the file cannot be written; also from :meth:`write` and :meth:`close`.
    """

    def __init__(
        self, path: str | Path, size: tuple[int, int], *, source: str = "spikewire"
    ) -> None:
        self.path = Path(path)
        self.size = size
        self.events = 0
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._last = -(2**62)
        width, height = size
        self._text = _XML.format(source=escape(source), width=width, height=height).encode()
        try:
            self._file: BinaryIO = open(self.path, "wb")  # noqa: SIM115
            self._file.write(self._head(-1))
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None

    def _head(self, table: int) -> bytes:
        flat = _io_header(self._text, table)
        return _aedat4.MAGIC + struct.pack("<I", len(flat)) + flat

    def _failed(self, error: OSError) -> SensorError:
        return SensorError(f"{self.path} cannot be written: {error.strerror}.")

    def write(self, events: Events) -> None:
        """Append checked events; none may be before those written already.

        Raises
        ------
        SensorError
            If time runs backwards, or the disk is full.
        """
        if not len(events):
            return
        if int(events["t"][0]) < self._last:
            raise SensorError(f"{self.path}: a recording's time cannot run backwards.")
        self._last = int(events["t"][-1])
        try:
            for first in range(0, len(events), PACKET):
                part = events[first : first + PACKET]
                payload = lz4.frame.compress(_packet(part))
                at = self._file.tell() + 8
                self._file.write(struct.pack("<iI", 0, len(payload)) + payload)
                span = int(part["t"][0]), int(part["t"][-1])
                self._rows.append((at, len(payload), len(part), *span))
                self.events += len(part)
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Write the data table, and enter it into the header."""
        if self._file.closed:
            return
        try:
            table = self._file.tell()
            self._file.write(lz4.frame.compress(_data_table(self._rows)))
            self._file.flush()
            os.fsync(self._file.fileno())
            # Only now: until the table is there, the header says that there is none.
            self._file.seek(0)
            self._file.write(self._head(table))
            self._file.close()
        except OSError as error:
            self._file.close()
            raise self._failed(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _aedat4_file(chunks: Iterable[Events], path: Path, size: tuple[int, int]) -> None:
    with Aedat4Writer(path, size) as writer:
        for events in chunks:
            writer.write(events)


_AEDAT3 = (
    b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: %s\r\n"
    b"#Start-Time: 1970-01-01 00:00:00 (TZ+0000)\r\n#!END-HEADER\r\n"
)


def _aedat3_file(chunks: Iterable[Events], path: Path, size: tuple[int, int]) -> None:
    """AEDAT 3.1: packets of polarity events, none across a change of the overflow count."""
    chip = {(128, 128): b"DVS128", (240, 180): b"DAVIS240C", (346, 260): b"DAVIS346B"}
    with open(path, "wb") as file:
        file.write(_AEDAT3 % chip.get(size, b"spikewire"))
        for events in chunks:
            if int(events["t"][0]) < 0 or int(events["t"][-1]) >> 62:
                raise SensorError(f"{path}: AEDAT 3.1 holds times from 0 only.")
            over = events["t"] >> 31
            cuts = {0, len(events), *(np.flatnonzero(np.diff(over)) + 1).tolist()}
            cuts.update(range(0, len(events), 4096))
            edges = sorted(cuts)
            for first, last in pairwise(edges):
                part = events[first:last]
                n = len(part)
                words = np.empty((n, 2), "<u4")
                x, y = part["x"].astype(np.uint32), part["y"].astype(np.uint32)
                words[:, 0] = x << 17 | y << 2 | part["p"].astype(np.uint32) << 1 | 1
                words[:, 1] = part["t"] & 0x7FFFFFFF
                head = struct.pack("<hhiiiiii", 1, 1, 8, 4, int(over[first]), n, n, n)
                file.write(head + words.tobytes())


def _nmnist_file(chunks: Iterable[Events], path: Path, size: tuple[int, int]) -> None:
    if max(size) > 256:
        raise SensorError(f"{path}: N-MNIST's bytes hold sensors of up to 256x256, not {size}.")
    with open(path, "wb") as file:
        for events in chunks:
            t = events["t"]
            if int(t[0]) < 0 or int(t[-1]) >= 1 << 23:
                raise SensorError(f"{path}: N-MNIST's bytes hold times from 0 to 8.4 s only.")
            rows = np.empty((len(events), 5), np.uint8)
            rows[:, 0], rows[:, 1] = events["x"], events["y"]
            rows[:, 2] = (t >> 16 & 0x7F) | events["p"].astype(np.int64) << 7
            rows[:, 3], rows[:, 4] = t >> 8 & 0xFF, t & 0xFF
            file.write(rows.tobytes())


def _csv_file(chunks: Iterable[Events], path: Path, size: tuple[int, int]) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write("t,x,y,p\n")
        for events in chunks:
            file.writelines(f"{t},{x},{y},{p}\n" for t, x, y, p in events.tolist())


def _npy_file(chunks: Iterable[Events], path: Path, size: tuple[int, int]) -> None:
    """Fields t, x, y, p; the number of rows is entered once it is known."""

    def head(count: int) -> bytes:
        descr = np.lib.format.dtype_to_descr(EVENT_DTYPE)
        text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': ({count},), }}"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", 182) + text.ljust(181).encode() + b"\n"

    count = 0
    with open(path, "wb") as file:
        file.write(head(0))
        for events in chunks:
            file.write(np.ascontiguousarray(events).tobytes())
            count += len(events)
        file.seek(0)
        file.write(head(count))


def _by_faery(version: str | None) -> Callable[[Iterable[Events], Path, tuple[int, int]], None]:
    def write(chunks: Iterable[Events], path: Path, size: tuple[int, int]) -> None:
        import faery
        from faery import file_encoder

        def converted() -> Iterator[Any]:
            for events in chunks:
                out = np.empty(len(events), faery.EVENTS_DTYPE)
                for name, source in (("t", "t"), ("x", "x"), ("y", "y"), ("on", "p")):
                    out[name] = events[source]
                yield out

        chosen: Any = version
        try:
            file_encoder.events_to_file(
                stream=converted(), path=path, dimensions=size, version=chosen, zero_t0=False
            )
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise SensorError(f"{path} cannot be written: {error}.") from None

    return write


WRITERS: dict[str, Callable[[Iterable[Events], Path, tuple[int, int]], None]] = {
    ".aedat4": _aedat4_file,
    ".aedat": _aedat3_file,
    ".bin": _nmnist_file,
    ".csv": _csv_file,
    ".dat": _by_faery("dat2"),
    ".es": _by_faery(None),
    ".npy": _npy_file,
    ".raw": _by_faery("evt3"),
}
"""By how the file's name ends."""

WRITABLE_FORMATS = {
    ".aedat4": "AEDAT 4.0", ".aedat": "AEDAT 3.1", ".bin": "N-MNIST", ".csv": "CSV",
    ".dat": "DAT version 2", ".es": "Event Stream 2", ".npy": "NumPy",
    ".raw": "Prophesee RAW, EVT 3.0",
}  # fmt: skip
"""Formats by the suffix of a file's name."""


def write_events(events: Events | Iterable[Events], path: str | Path, size: tuple[int, int]) -> int:
    """Write a recording of the format that its name ends in; memory does not grow with it.

    Parameters
    ----------
    events
        Checked ``EVENT_DTYPE`` array in time order, or an iterable of such arrays.
    path
        The file: ``.aedat4``, ``.aedat`` (3.1), ``.bin`` (N-MNIST), ``.csv``, ``.dat`` (version 2),
        ``.es``, ``.npy`` or ``.raw`` (EVT 3.0). It appears when all is written.
    size
        (width, height) of the sensor.

    Returns
    -------
    int
        Number of events.

    Raises
    ------
    SensorError
        If the format is not written, cannot hold these events, or the disk cannot.

    Examples
    --------
    >>> from spikewire.sensors import open_recording, simulate, write_events
    >>> events = simulate("air_drums", seconds=0.1)
    >>> write_events(events, "drums.aedat4", (128, 128)) == len(events)
    True
    >>> bool((open_recording("drums.aedat4").read() == events).all())
    True
    """
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise SensorError(f"{path} is of no format that is written: {', '.join(WRITERS)}.")
    count = 0
    chunks = [events] if isinstance(events, np.ndarray) else events

    def counted() -> Iterator[Events]:
        nonlocal count
        for chunk in chunks:
            if len(chunk):
                count += len(chunk)
                yield chunk

    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    stream = counted()
    try:
        # A first piece, so that an unreadable source leaves no file.
        first = next(stream, None)
        write(chain([] if first is None else [first], stream), part, size)
        os.replace(part, path)
    except OSError as error:
        raise SensorError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
    return count
