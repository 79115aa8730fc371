"""Bags read from their beginning on, record by record: those whose index is cut off or damaged.

Sources: the ROS wiki's description of bag format 2.0, and the specification of MCAP.
"""

from __future__ import annotations

import bz2
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import lz4.frame
import zstandard

from spikewire.sensors.errors import DecodeError
from spikewire.sensors.formats.aedat4 import MOST_BYTES

SCANNED = ("rosbag1", "mcap")
"""Formats that are read from the beginning on where their index is damaged."""

_ROS1 = b"#ROSBAG V2.0\n"
_MCAP = b"\x89MCAP0\r\n"


@dataclass(frozen=True, slots=True)
class Channel:
    """A connection, with the names that rosbags gives its own.

    Attributes
    ----------
    id, topic, msgtype, msgdef, msgcount
        As in rosbags.
    serialization
        ``"ros1"`` or ``"cdr"``.
    """

    id: int
    topic: str
    msgtype: str
    msgdef: Any
    msgcount: int
    serialization: str


@dataclass(frozen=True, slots=True)
class _Message:
    id: int
    time_ns: int
    data: bytes


class _BrokenError(Exception):
    """Damage: what is wrong, and at which byte."""


_Record = Channel | _Message


class Scan:
    """Messages of a bag in the order in which they lie there, up to the damage.

    Parameters
    ----------
    path
        The file.
    kind
        Short name of its format: ``"rosbag1"`` or ``"mcap"``.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._records = _ros1_records if kind == "rosbag1" else _mcap_records
        found: dict[int, Channel] = {}
        counts: Counter[int] = Counter()
        for record in self._read(quiet=True):
            if isinstance(record, Channel):
                found.setdefault(record.id, record)
            else:
                counts[record.id] += 1
        self.connections = [
            Channel(one.id, one.topic, one.msgtype, one.msgdef, counts[one.id], one.serialization)
            for one in found.values()
        ]

    def _read(self, *, quiet: bool) -> Iterator[_Record]:
        try:
            with open(self._path, "rb") as file:
                yield from self._records(file)
        except _BrokenError as damage:
            if not quiet:
                raise DecodeError(self._path, f"{damage.args[0]}.", damage.args[1]) from None

    def messages(
        self, connections: Collection[Channel], start: int | None = None
    ) -> Iterator[tuple[Channel, int, bytes]]:
        """Yield connection, time of arrival and bytes, from a time of arrival on.

        Raises
        ------
        DecodeError
            After the messages before the damage.
        """
        wanted = {one.id: one for one in connections}
        for record in self._read(quiet=False):
            if not isinstance(record, _Message) or record.id not in wanted:
                continue
            if start is None or record.time_ns >= start:
                yield wanted[record.id], record.time_ns, record.data


def _exactly(file: BinaryIO, size: int, at: int, what: str) -> bytes:
    if size > MOST_BYTES:
        raise _BrokenError(f"{what} of {size:,} bytes; at most {MOST_BYTES:,} are read", at)
    data = file.read(size)
    if len(data) < size:
        raise _BrokenError(f"{what} of {size:,} bytes of which {len(data):,} are there", at)
    return data


def _unpack(packed: bytes, how: str, at: int) -> bytes:
    """Undo the compression of a chunk."""
    try:
        if how in ("none", ""):
            return packed
        if how == "lz4":
            whole: bytes = lz4.frame.LZ4FrameDecompressor().decompress(packed, MOST_BYTES)
        elif how == "bz2":
            whole = bz2.BZ2Decompressor().decompress(packed, MOST_BYTES)
        elif how == "zstd":
            reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(packed)
            whole = reader.read(MOST_BYTES)
        else:
            raise _BrokenError(f"a chunk compressed by {how[:20]!a}", at)
    except (RuntimeError, OSError, EOFError, ValueError, zstandard.ZstdError) as error:
        said = ascii(str(error).splitlines()[0] if str(error) else type(error).__name__)[1:81]
        raise _BrokenError(f"a chunk cannot be unpacked ({said})", at) from None
    if len(whole) >= MOST_BYTES:
        raise _BrokenError(f"a chunk unpacks to more than {MOST_BYTES:,} bytes", at)
    return whole


def _fields(header: bytes, at: int) -> dict[str, bytes]:
    """Read the header of a record of ROS 1: sizes, names and values."""
    fields: dict[str, bytes] = {}
    place = 0
    while place + 4 <= len(header):
        size = struct.unpack_from("<I", header, place)[0]
        name, equals, value = header[place + 4 : place + 4 + size].partition(b"=")
        if not equals or place + 4 + size > len(header):
            raise _BrokenError("a record whose header is damaged", at)
        fields[name.decode("latin-1")] = value
        place += 4 + size
    return fields


def _whole(fields: dict[str, bytes], name: str, kind: str, at: int) -> Any:
    value = fields.get(name, b"")
    if len(value) != struct.calcsize(kind):
        raise _BrokenError(f"a record without {name!a}", at)
    return struct.unpack(kind, value)


def _ros1_records(file: BinaryIO) -> Iterator[_Record]:
    if file.read(len(_ROS1)) != _ROS1:
        raise _BrokenError("this is no bag of version 2.0", 0)
    indexed = False
    while True:
        at = file.tell()
        size = file.read(4)
        if not size:
            break
        if len(size) < 4:
            raise _BrokenError(f"{len(size)} of a record's first 4 bytes", at)
        fields = _fields(_exactly(file, struct.unpack("<I", size)[0], at, "a header"), at)
        op = _whole(fields, "op", "<B", at)[0]
        size = _exactly(file, 4, at, "a size")
        count = struct.unpack("<I", size)[0]
        if op == 5:
            how = fields.get("compression", b"none").decode("latin-1")
            data = file.read(min(count, MOST_BYTES))
            cut = len(data) < count
            if not cut or how == "none":
                yield from _ros1_inside(_unpack(data, how, at), at, cut=cut)
            if cut:
                there = f"of which {len(data):,} are there"
                raise _BrokenError(f"a chunk of {count:,} bytes {there}", at)
        elif op in (2, 7):
            yield _ros1_record(fields, op, _exactly(file, count, at, "a record"), at)
        else:
            indexed |= op == 6
            if len(_exactly(file, count, at, "a record")) < count:
                break
    missing = "the index is damaged" if indexed else "the bag ends without its index"
    raise _BrokenError(f"{missing}, which rosbag reindex writes anew", file.tell())


def _ros1_inside(chunk: bytes, at: int, *, cut: bool) -> Iterator[_Record]:
    """Yield the records of a chunk; of one that is cut those that are whole."""
    place = 0
    while place < len(chunk):
        if place + 4 > len(chunk):
            break
        size = struct.unpack_from("<I", chunk, place)[0]
        behind = place + 4 + size
        if behind + 4 > len(chunk):
            break
        fields = _fields(chunk[place + 4 : behind], at)
        count = struct.unpack_from("<I", chunk, behind)[0]
        if behind + 4 + count > len(chunk):
            break
        op = _whole(fields, "op", "<B", at)[0]
        if op in (2, 7):
            yield _ros1_record(fields, op, chunk[behind + 4 : behind + 4 + count], at)
        place = behind + 4 + count
    if place < len(chunk) and not cut:
        raise _BrokenError("a chunk that ends within a record", at)


def _ros1_record(fields: dict[str, bytes], op: int, data: bytes, at: int) -> _Record:
    number = int(_whole(fields, "conn", "<I", at)[0])
    if op == 2:
        seconds, nanoseconds = _whole(fields, "time", "<II", at)
        return _Message(number, seconds * 1_000_000_000 + nanoseconds, data)
    known = {name: value.decode("utf-8", "replace") for name, value in _fields(data, at).items()}
    topic = fields.get("topic", b"").decode("utf-8", "replace")
    return _channel(number, topic, known.get("type", ""), known.get("message_definition", ""),
                    "MSG", "ros1")  # fmt: skip


def _channel(
    number: int, topic: str, name: str, text: str, style: str, serialization: str
) -> Channel:
    package, _, last = name.rpartition("/")
    full = name if "/msg" in package else f"{package}/msg/{last}"
    definition = SimpleNamespace(data=text, format=SimpleNamespace(name=style))
    return Channel(number, topic, full, definition, 0, serialization)


def _mcap_records(file: BinaryIO) -> Iterator[_Record]:
    if file.read(len(_MCAP)) != _MCAP:
        raise _BrokenError("this is no MCAP", 0)
    schemas: dict[int, tuple[str, str, str]] = {}
    while True:
        at = file.tell()
        head = file.read(9)
        if len(head) < 9:
            raise _BrokenError(f"{len(head)} of a record's first 9 bytes", at)
        op, size = struct.unpack("<BQ", head)
        if op == 0x0F:  # the end of the data
            return
        if op == 0x06:
            data = file.read(min(size, MOST_BYTES))
            cut = len(data) < size
            yield from _mcap_chunk(data, at, schemas, cut=cut)
            if cut:
                there = f"of which {len(data):,} are there"
                raise _BrokenError(f"a chunk of {size:,} bytes {there}", at)
        else:
            data = _exactly(file, size, at, "a record")
            yield from _mcap_record(op, data, at, schemas)


def _mcap_chunk(
    data: bytes, at: int, schemas: dict[int, tuple[str, str, str]], *, cut: bool
) -> Iterator[_Record]:
    """Yield the records of a chunk; of one that is cut those that are whole."""
    try:
        reading = _Reading(data, at)
        reading.take(28)
        how = reading.text()
        size = reading.number("<Q")
        if cut and how:
            return
        packed = reading.take(reading.left if cut else size)
        inside = _Reading(_unpack(packed, how, at), at)
        while inside.left:
            op = inside.number("<B")
            yield from _mcap_record(op, inside.take(inside.number("<Q")), at, schemas)
    except _BrokenError:
        if not cut:
            raise


def _mcap_record(
    op: int, data: bytes, at: int, schemas: dict[int, tuple[str, str, str]]
) -> Iterator[_Record]:
    reading = _Reading(data, at)
    if op == 0x03:
        number = reading.number("<H")
        schemas[number] = reading.text(), reading.text(), reading.text()
    elif op == 0x04:
        number, schema = reading.number("<H"), reading.number("<H")
        topic, serialization = reading.text(), reading.text()
        name, encoding, text = schemas.get(schema, ("", "", ""))
        style = {"ros2msg": "MSG", "ros1msg": "MSG", "ros2idl": "IDL", "omgidl": "IDL"}
        yield _channel(number, topic, name, text, style.get(encoding, "NONE"), serialization)
    elif op == 0x05:
        number = reading.number("<H")
        reading.take(4)
        time_ns = reading.number("<Q")
        reading.take(8)
        yield _Message(number, time_ns, reading.take(reading.left))


class _Reading:
    """Takes values off the front of some bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._place, self._at = data, 0, at

    @property
    def left(self) -> int:
        """Number of bytes that are left."""
        return len(self._data) - self._place

    def take(self, count: int) -> bytes:
        """Take bytes."""
        if count > self.left:
            raise _BrokenError("a record that is shorter than its contents", self._at)
        self._place += count
        return self._data[self._place - count : self._place]

    def number(self, kind: str) -> int:
        """Take a number."""
        return int(struct.unpack(kind, self.take(struct.calcsize(kind)))[0])

    def text(self) -> str:
        """Take a text behind its length."""
        return self.take(self.number("<I")).decode("utf-8", "replace")
