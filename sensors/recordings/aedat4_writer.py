"""Writing AEDAT 4.0, packet by packet."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Self
from xml.sax.saxutils import escape

import lz4.frame
import numpy as np

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Events
from spikewire.sensors.formats import aedat4

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
    out += struct.pack("<iiqIi", len(vtable), 0, table, 8, aedat4.LZ4)
    out += struct.pack("<I", len(text)) + text + b"\0"
    return out + bytes(-len(out) % 4)


def _packet(events: Events) -> bytes:
    """Lay out an ``EventPacket``: one vector of structs, aligned to 8 bytes."""
    rows = np.zeros(len(events), aedat4.STRUCT)
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
    file
        An open file to write to in place of ``path``, which then is its name in messages.

    Raises
    ------
    SensorError
        If the file cannot be written; also from :meth:`write` and :meth:`close`.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        *,
        source: str = "spikewire",
        file: BinaryIO | None = None,
    ) -> None:
        self.path = Path(path)
        self.size = size
        self.events = 0
        self._closed = False
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._last = -(2**62)
        width, height = size
        self._text = _XML.format(source=escape(source), width=width, height=height).encode()
        try:
            # Without a buffer, whose rest would be written at the end after a disk was full.
            self._file: BinaryIO | FileIO = (
                open(self.path, "wb", buffering=0) if file is None else file  # noqa: SIM115
            )
            self._own = file is None
        except OSError as error:
            raise self._failed(error) from None
        try:
            self._append(self._head(-1))
        except OSError as error:
            if self._own:
                self._file.close()
                self.path.unlink(missing_ok=True)
            raise self._failed(error) from None

    def _head(self, table: int) -> bytes:
        flat = _io_header(self._text, table)
        return aedat4.MAGIC + struct.pack("<I", len(flat)) + flat

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
                self._append(struct.pack("<iI", 0, len(payload)) + payload)
                span = int(part["t"][0]), int(part["t"][-1])
                self._rows.append((at, len(payload), len(part), *span))
                self.events += len(part)
        except OSError as error:
            raise self._failed(error) from None

    def _append(self, data: bytes) -> None:
        """Write all of it, or nothing where the disk is full."""
        at = self._file.tell()
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
            self._file.flush()
        except OSError:
            with suppress(OSError):
                self._file.seek(at)
                self._file.truncate()
            raise

    def close(self) -> None:
        """Write the data table, and enter it into the header."""
        if self._closed:
            return
        self._closed = True
        try:
            table = self._file.tell()
            self._append(lz4.frame.compress(_data_table(self._rows)))
            os.fsync(self._file.fileno())
            # Only now: until the table is there, the header says that there is none.
            self._file.seek(0)
            self._file.write(self._head(table))
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from None
        finally:
            if self._own:
                with suppress(OSError):
                    self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
