"""A decoder of AEDAT 4.0: FlatBuffers in packets, whole or compressed by LZ4 or Zstandard.

Source: iniVation's documentation of AEDAT 4.0 and its FlatBuffers schemas. Behind the version line
lies a size-prefixed table ``IOHeader`` (compression, position of the data table, an XML text that
describes the streams); then packets of stream number, payload size and payload, each payload a
size-prefixed FlatBuffer; then the data table, unless the recording was interrupted. Packets are
read in their order in the file: the table is not needed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numba
import numpy as np
import zstandard

from spikewire._jit import kernel
from spikewire.sensors.events import EVENT_ARRAY, MOST_TIME_US, Checked, Events, new_events
from spikewire.sensors.formats.header import EventsStream
from spikewire.sensors.formats.lz4_frames import (
    EarlyEndError,
    FrameError,
    FrameReader,
    TooLongError,
)

MAGIC = b"#!AER-DAT4.0\r\n"
STREAMS = 4096
"""Stream numbers from here on are taken for damage."""

MOST_BYTES = 128 << 20
"""Largest packet that is read, as it lies there and unpacked: eight million events."""

STEP = 1 << 16
"""Events given at once: 0.8 MiB."""

NONE, LZ4, LZ4_HIGH, ZSTD, ZSTD_HIGH = range(5)


class DamageError(Exception):
    """A damaged packet."""


def header_fields(header: bytes) -> tuple[int, int, str]:
    """Read compression, position of the data table (-1 if there is none), and the streams' XML.

    ``header`` is the ``IOHeader`` without its size; what is not to be read has its default.
    """
    compression, table, text = 0, -1, ""
    try:
        root, fields = _table(header, 0)
        if fields[0]:
            compression = struct.unpack_from("<i", header, root + fields[0])[0]
        if fields[1]:
            table = struct.unpack_from("<q", header, root + fields[1])[0]
        if fields[2]:
            at = root + fields[2]
            at += struct.unpack_from("<I", header, at)[0]
            length = struct.unpack_from("<I", header, at)[0]
            text = header[at + 4 : at + 4 + length].decode("utf-8", "replace")
    except struct.error:
        pass
    return compression, table, text


def _table(buffer: bytes | memoryview, start: int) -> tuple[int, tuple[int, int, int]]:
    """Find a FlatBuffer's root table, and where its first three fields lie behind it (0: absent).

    Raises
    ------
    struct.error
        If a position lies outside the buffer.
    """
    root = start + struct.unpack_from("<I", buffer, start)[0]
    vtable = root - struct.unpack_from("<i", buffer, root)[0]
    if vtable < 0:
        raise struct.error
    count = (struct.unpack_from("<H", buffer, vtable)[0] - 4) // 2
    offsets = [
        struct.unpack_from("<H", buffer, vtable + 4 + 2 * n)[0] if n < count else 0
        for n in range(3)
    ]
    return root, (offsets[0], offsets[1], offsets[2])


def event_streams(text: str) -> tuple[EventsStream, ...]:
    """List the streams of events that the XML describes."""
    streams: dict[int, EventsStream] = {}
    nodes = re.split(r'<node name="(\d{1,4})"', text)
    for number, node in zip(nodes[1::2], nodes[2::2], strict=True):
        if '"typeIdentifier" type="string">EVTS' in node:
            width = re.search(r'key="sizeX"[^>]*>(\d{1,5})<', node)
            height = re.search(r'key="sizeY"[^>]*>(\d{1,5})<', node)
            size = (int(width[1]), int(height[1])) if width and height else None
            size = size if size and min(size) > 0 else None
            source = re.search(r'key="source"[^>]*>([ -;=-~]{1,80})<', node)
            output = re.search(r'key="originalOutputName"[^>]*>([ -;=-~]{1,80})<', node)
            named = source or output
            streams[int(number)] = EventsStream(int(number), size, named[1] if named else "")
    return tuple(streams.values())


STRUCT = np.dtype(
    {
        "names": ["t", "x", "y", "p"],
        "formats": ["<i8", "<u2", "<u2", "u1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)
_STRUCTS = numba.types.Array(numba.from_dtype(STRUCT), 1, "C", readonly=True, aligned=False)


@kernel(numba.boolean(_STRUCTS, EVENT_ARRAY, numba.int64, numba.int64, numba.int64))
def _unpack(structs, events, width, height, after):  # type: ignore[no-untyped-def]
    """Copy the fields, and tell whether no event breaks a rule (``check_events``)."""
    wrong = np.uint8(0)
    last = after
    for i in range(events.shape[0]):
        t, x, y, p = structs[i].t, structs[i].x, structs[i].y, structs[i].p
        wrong |= np.uint8(x >= width) | np.uint8(y >= height)
        wrong |= np.uint8(p > 1) | np.uint8(t < last)
        last = t
        events[i].t = t
        events[i].x = x
        events[i].y = y
        events[i].p = p
    return wrong == 0 and last <= MOST_TIME_US


def packet_events(payload: bytes | memoryview, checked: Checked | None = None) -> Iterator[Events]:
    """Yield the events of an unpacked ``EventPacket``, ``STEP`` at a time.

    Its only field is a vector of structs of 16 bytes: microseconds (int64), x, y (int16), polarity.

    Parameters
    ----------
    payload
        The packet.
    checked
        Is told whether the events that are yielded break no rule.

    Raises
    ------
    DamageError
        If it is not such a packet, or shorter than it says.
    """
    try:
        root, fields = _table(payload, 4)
        if not fields[0]:
            return
        at = root + fields[0]
        at += struct.unpack_from("<I", payload, at)[0]
        count = struct.unpack_from("<I", payload, at)[0]
    except struct.error:
        raise DamageError("this is no packet of events") from None
    start = at + 4
    there = max(0, (len(payload) - start) // 16)
    rule = checked or Checked((0, 0))
    for first in range(0, min(count, there), STEP):
        last = min(first + STEP, count, there)
        events = new_events(last - first)
        structs = np.frombuffer(payload, STRUCT, last - first, start + 16 * first)
        rule.right = bool(_unpack(structs, events, *rule.size, rule.after))
        yield events
    if there < count:
        raise DamageError(f"a packet of {count:,} events of which {there:,} are there")


class Unpacker:
    """Undoes the compression of one packet after another.

    Parameters
    ----------
    compression
        Its number in the header.
    """

    def __init__(self, compression: int) -> None:
        self._compression = compression
        self._frames = FrameReader(MOST_BYTES)

    def unpack(self, payload: bytes) -> bytes | memoryview:
        """Undo a packet's compression; the result holds until the next call.

        Raises
        ------
        DamageError
            If it is of another compression, damaged, or larger than ``MOST_BYTES``.
        """
        if self._compression == NONE:
            return payload
        try:
            if self._compression in (LZ4, LZ4_HIGH):
                return self._frames.unpack(payload)
            if self._compression in (ZSTD, ZSTD_HIGH):
                return _unpack_zstd(payload)
        except TooLongError:
            raise DamageError(
                f"a packet unpacks to more than {MOST_BYTES:,} bytes, the most read"
            ) from None
        except EarlyEndError:
            raise DamageError("a packet's compressed data ends early") from None
        except (FrameError, zstandard.ZstdError, MemoryError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DamageError(f"a packet cannot be unpacked ({reason})") from None
        raise DamageError(f"compression {self._compression} is unknown; known are 0 to 4")


def _unpack_zstd(payload: bytes) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(payload)
    whole: bytes = reader.read(MOST_BYTES)
    if len(whole) >= MOST_BYTES:
        raise TooLongError
    return whole


def packets(file: BinaryIO, start: int, stop: int | None) -> Iterator[tuple[int, int, bytes]]:
    """Yield (position, stream, payload) of each packet.

    Parameters
    ----------
    file
        Read from where it stands, which is ``start``.
    stop
        Where the packets end, if that is known; else they end with the file.

    Raises
    ------
    DamageError
        Where there is no whole packet: the last argument is its position.
    """
    at = start
    while stop is None or at < stop:
        head = file.read(8)
        if not head and stop is None:
            return
        if len(head) < 8:
            raise DamageError(f"{len(head)} of a packet header's 8 bytes", at)
        stream, size = struct.unpack("<iI", head)
        if not 0 <= stream < STREAMS:
            raise DamageError(f"a packet of stream {stream}", at)
        if stop is not None and at + 8 + size > stop:
            raise DamageError(
                f"a packet of {size:,} bytes of which {stop - at - 8:,} are there", at
            )
        if size > MOST_BYTES:
            raise DamageError(f"a packet of {size:,} bytes; at most {MOST_BYTES:,} are read", at)
        payload = file.read(size)
        if len(payload) < size:
            raise DamageError(f"a packet of {size:,} bytes of which {len(payload):,} are there", at)
        yield at, stream, payload
        at += 8 + size


def lz4_frame_end(file: BinaryIO, at: int, length: int) -> int:
    """Find the end of an LZ4 frame without unpacking it: follow its blocks from its magic number.

    Returns
    -------
    int
        The byte behind the frame, or -1 if it is cut before ``length``.
    """
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
