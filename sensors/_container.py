"""Containers: which format a file is, and where it is whole.

Readers made by others stop silently, or crash, on damaged files: the container is walked here
first, so that they only ever see what is whole.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sensors._errors import DecodeError, SensorError

AEDAT4 = b"#!AER-DAT4.0\r\n"


@dataclass(frozen=True, slots=True)
class Container:
    """What a file's frame says, before any event is decoded.

    Attributes
    ----------
    format
        Short name: ``aedat4``, ``dat2``, ``evt2``, ``evt3``, ``es``, ``nmnist``.
    size
        (width, height) if the file says so.
    start
        The byte at which events begin.
    intact
        The byte up to which the file is whole.
    damage
        What is wrong at ``intact``, or None.
    table
        AEDAT4: whether a data table was written.
    """

    format: str
    size: tuple[int, int] | None
    start: int
    intact: int
    damage: str | None
    table: bool = False


def probe(path: Path) -> Container:
    """Tell a recording's format by its content and find where it is whole.

    Raises
    ------
    SensorError
        If the file cannot be opened, or is of no known format, or of one that is not read.
    """
    try:
        length = path.stat().st_size
        if path.is_dir():
            raise SensorError(f"{path} is a folder, not a recording.")
        with open(path, "rb") as file:
            head = file.read(4096)
            return _probe(path, file, head, length)
    except OSError as error:
        raise SensorError(f"{path} cannot be read: {error.strerror}.") from None


def _probe(path: Path, file: BinaryIO, head: bytes, length: int) -> Container:
    if length == 0:
        raise SensorError(f"{path} is empty.")
    if head.startswith(AEDAT4):
        return _aedat4(file, length)
    if head.startswith(b"#!AER-DAT"):
        version = head[9:12].decode("ascii", "replace")
        raise SensorError(f"{path} is AEDAT {version}, which is not read; AEDAT 4.0 is.")
    if head.startswith(b"Event Stream"):
        return _es(path, head, length)
    if head.startswith(b"%"):
        return _prophesee(path, file, length)
    if path.suffix == ".bin":
        whole = length - length % 5
        damage = f"{length % 5} of an event's 5 bytes" if length % 5 else None
        return Container("nmnist", None, 0, whole, damage)
    raise SensorError(
        f"{path} is of no format that is read: AEDAT 4.0, Prophesee RAW (EVT 2.0, EVT 3.0) and "
        "DAT, Event Stream, N-MNIST (.bin)."
    )


def _aedat4(file: BinaryIO, length: int) -> Container:
    """Walk AEDAT 4.0: size-prefixed header, then packets of (stream, size, payload), then a table.

    Source: iniVation's file format documentation. The header's flatbuffer holds the table's
    position, -1 while a recording runs or if it was interrupted.
    """
    start = len(AEDAT4)
    file.seek(start)
    prefix = file.read(4)
    header_size = struct.unpack("<I", prefix)[0] if len(prefix) == 4 else 0
    header = file.read(header_size)
    first = start + 4 + header_size
    if len(prefix) < 4 or len(header) < header_size:
        return Container("aedat4", None, start, start, "the header is cut short")
    size = _aedat4_size(header)
    table_at = _aedat4_table(header)
    at = first
    if table_at > length:
        # Cut before its table: walk the packets to the last whole one.
        table_at = -1
        cut = True
    else:
        cut = False
    stop = table_at if table_at > 0 else length
    damage = None
    while at < stop:
        file.seek(at)
        packet = file.read(min(8, stop - at))
        if len(packet) < 8:
            damage = f"{len(packet)} of a packet header's 8 bytes"
            break
        stream, payload = struct.unpack("<iI", packet)
        if not 0 <= stream < 4096:
            damage = f"a packet of stream {stream}"
            break
        if at + 8 + payload > stop:
            damage = f"a packet of {payload:,} bytes of which {stop - at - 8:,} are there"
            break
        at += 8 + payload
    if damage is None and cut:
        damage = "the file ends before its data table"
    if damage is None and table_at > 0 and not _whole_table(file, table_at, length):
        damage = "the data table is cut short"
    return Container("aedat4", size, first, at, damage, table=table_at > 0)


def _whole_table(file: BinaryIO, at: int, length: int) -> bool:
    """Tell whether the table, an LZ4 frame or a flatbuffer, is all there."""
    file.seek(at)
    head = file.read(8)
    if len(head) < 8:
        return False
    if head[:4] == b"\x04\x22\x4d\x18":
        return _lz4_frame_end(file, at, length) == length
    return at + 4 + int(struct.unpack("<I", head[:4])[0]) <= length


def _lz4_frame_end(file: BinaryIO, at: int, length: int) -> int:
    """Follow an LZ4 frame's blocks to its end (LZ4 frame format); -1 if it is cut."""
    file.seek(at + 4)
    flags = file.read(1)
    if not flags:
        return -1
    flag = flags[0]
    at += 4 + 2 + (8 if flag & 0x08 else 0) + (4 if flag & 0x01 else 0) + 1
    while at + 4 <= length:
        file.seek(at)
        block = int(struct.unpack("<I", file.read(4))[0])
        at += 4
        if block == 0:
            at += 4 if flag & 0x04 else 0
            return at if at <= length else -1
        at += (block & 0x7FFFFFFF) + (4 if flag & 0x10 else 0)
    return -1


def _aedat4_table(header: bytes) -> int:
    """Read the table's position from the header's flatbuffer (field 1 of table IOHeader)."""
    try:
        root = struct.unpack_from("<I", header)[0]
        vtable = root - struct.unpack_from("<i", header, root)[0]
        if struct.unpack_from("<H", header, vtable)[0] < 8:
            return -1
        field = struct.unpack_from("<H", header, vtable + 6)[0]
        return int(struct.unpack_from("<q", header, root + field)[0]) if field else -1
    except struct.error:
        return -1


def _aedat4_size(header: bytes) -> tuple[int, int] | None:
    """Read the event stream's size from the header's XML."""
    text = header.decode("utf-8", "replace")
    for node in re.split(r'<node name="\d+"', text)[1:]:
        if '"typeIdentifier" type="string">EVTS' in node:
            width = re.search(r'key="sizeX"[^>]*>(\d+)<', node)
            height = re.search(r'key="sizeY"[^>]*>(\d+)<', node)
            if width and height:
                return int(width[1]), int(height[1])
    return None


def _es(path: Path, head: bytes, length: int) -> Container:
    if length < 20:
        return Container("es", None, length, length, "the header is cut short")
    major, _, _, kind = head[12:16]
    if major != 2 or kind != 1:
        raise SensorError(
            f"{path} is an Event Stream of version {major} and type {kind}; version 2 with DVS "
            "events (type 1) is read."
        )
    width, height = struct.unpack_from("<HH", head, 16)
    return Container("es", (width, height), 20, length, None)


def _prophesee(path: Path, file: BinaryIO, length: int) -> Container:
    """Read the ASCII header of RAW and DAT files: lines that begin with ``%``."""
    file.seek(0)
    fields: dict[str, str] = {}
    start = 0
    while True:
        line = file.readline(65536)
        if not line.startswith(b"%") or line.startswith(b"% end"):
            if line.startswith(b"% end"):
                start = file.tell()
            break
        if not line.endswith(b"\n"):
            return Container("prophesee", None, start, start, "the header is cut short")
        words = line[1:].decode("ascii", "replace").split(None, 1)
        if words:
            fields[words[0].lower()] = words[1].strip() if len(words) > 1 else ""
        start = file.tell()
    size = _prophesee_size(fields)
    named = fields.get("evt") or fields.get("format", "")
    if "evt" in fields or "format" in fields or path.suffix == ".raw":
        version = re.sub(r"[^0-9.]", "", named.split(";")[0])
        if version in ("2.0", "2"):
            return _words("evt2", size, start, length, 4)
        if version in ("3.0", "3"):
            return _words("evt3", size, start, length, 2)
        raise SensorError(
            f"{path} is Prophesee RAW of encoding {named or 'unknown'!r}; EVT 2.0 and EVT 3.0 are "
            "read."
        )
    if fields.get("version") != "2":
        raise SensorError(
            f"{path} is DAT version {fields.get('version', '1')}, which is not read; version 2 is."
        )
    file.seek(start)
    kind = file.read(2)
    if len(kind) < 2:
        return Container("dat2", size, start, start, "the header is cut short")
    if kind[1] != 8:
        raise SensorError(f"{path} has DAT events of {kind[1]} bytes; 8 are read.")
    return _words("dat2", size, start + 2, length, 8)


def _prophesee_size(fields: dict[str, str]) -> tuple[int, int] | None:
    geometry = re.search(r"(\d+)x(\d+)", fields.get("geometry", ""))
    if geometry:
        return int(geometry[1]), int(geometry[2])
    stated = dict(part.split("=", 1) for part in fields.get("format", "").split(";") if "=" in part)
    width = stated.get("width", fields.get("width", ""))
    height = stated.get("height", fields.get("height", ""))
    if width.isdigit() and height.isdigit():
        return int(width), int(height)
    if "gen3" in fields.get("plugin_name", ""):
        return 640, 480
    if "gen4" in fields.get("plugin_name", "") or "gen41" in fields.get("plugin_name", ""):
        return 1280, 720
    return None


def _words(
    name: str, size: tuple[int, int] | None, start: int, length: int, step: int
) -> Container:
    rest = (length - start) % step
    damage = f"{rest} of a record's {step} bytes" if rest else None
    return Container(name, size, start, length - rest, damage)


def damaged(path: Path, container: Container) -> DecodeError:
    """Make the error that ends a damaged recording."""
    return DecodeError(path, f"{container.damage}.", container.intact)
