"""AEDAT 3.1 as cAER compresses it: runs of equal times written once, frames as PNG."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numba
import numpy as np

from spikewire._jit import kernel
from spikewire.sensors.events import Events, no_events
from spikewire.sensors.formats.aedat import Aedat3
from spikewire.sensors.formats.decoder import BYTE_ARRAY, Bytes

COMPRESSIONS = ("SerializedTS", "PNGFrames")
"""Compressions that a header's line ``#Format:`` names, beside RAW."""

_HEADER = struct.Struct("<hhiiiiii")
_COMPRESSED = 0x8000
_MOST_BYTES = 32 << 20
"""Largest packet that is read."""


@kernel(numba.int64(BYTE_ARRAY, numba.uint8[::1]))
def _expand(data, out):  # type: ignore[no-untyped-def]
    """Write polarity events of 8 bytes each; returns the bytes of ``data`` used, or -1."""
    at = to = np.int64(0)
    end, room = np.int64(data.shape[0]), np.int64(out.shape[0])
    while to < room:
        if at + 8 > end:
            return np.int64(-1)
        run = np.int64(0)
        if data[at + 7] & 0x80:
            # The second event holds, in place of its time, the number of those without one.
            if at + 16 > end or to + 16 > room:
                return np.int64(-1)
            for byte in range(4):
                run |= np.int64(data[at + 12 + byte]) << (8 * byte)
            if run > (room - to) // 8 - 2 or at + 16 + 4 * run > end:
                return np.int64(-1)
            run += 1
        first = to
        for byte in range(8):
            out[to + byte] = data[at + byte]
        out[to + 7] &= 0x7F
        to += 8
        at += 8
        for number in range(run):
            for byte in range(4):
                out[to + byte] = data[at + byte]
                out[to + 4 + byte] = out[first + 4 + byte]
            to += 8
            at += 8 if number == 0 else 4
    return at


class CompressedAedat3:
    """Decode AEDAT 3.1 whose packets are compressed where that makes them smaller.

    Source: cAER's reader and writer of files. The highest bit of a packet's type tells that it is
    compressed; its capacity then is its size in bytes. In a compressed packet of polarity events
    three and more of the same time are: the first with its highest bit of time set, the second
    with the number of the others in place of the time, and the others without a time. All other
    compressed packets are passed over.

    Parameters
    ----------
    inner
        Decodes the packets once they are whole.
    """

    def __init__(self, inner: Aedat3) -> None:
        self._inner = inner
        self._fault: str | None = None
        self._wanted = 0
        self._there = 0

    @property
    def unit(self) -> str:
        """Name of the record that a cut would lie in."""
        return (
            f"a packet's {self._wanted:,} bytes" if self._wanted else "a packet header's 28 bytes"
        )

    @property
    def fault(self) -> str | None:
        """Fault behind the last packet, or None."""
        return self._fault or self._inner.fault

    @property
    def left_out(self) -> Mapping[str, int]:
        """Events marked invalid."""
        return self._inner.left_out

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode all whole packets."""
        whole: list[bytes | Bytes] = []
        at, end = 0, len(data)
        self._wanted = 0
        while at + _HEADER.size <= end and self._fault is None:
            head = _HEADER.unpack(data[at : at + _HEADER.size].tobytes())
            kind, size, capacity, number = head[0], head[2], head[5], head[6]
            packed = bool(kind & _COMPRESSED)
            length = _HEADER.size + (capacity if packed else size * number)
            if size < 0 or number < 0 or not _HEADER.size <= length <= _MOST_BYTES:
                self._fault = "this is no packet header"
                break
            if at + length > end:
                self._wanted = length
                break
            body = data[at + _HEADER.size : at + length]
            if not packed:
                whole.append(data[at : at + length])
            elif kind & 0x7FFF == 1:
                unpacked = self._unpacked(body, size, number)
                if unpacked is None:
                    break
                plain = (1, *head[1:5], number, *head[6:])
                whole += [_HEADER.pack(*plain), unpacked]
            at += length
        if not whole:
            return no_events(), at
        joined = np.frombuffer(b"".join(bytes(part) for part in whole), np.uint8)
        events, used = self._inner.decode(joined)
        if used < len(joined) and self._fault is None and self._inner.fault is None:
            self._fault = "this is no packet of events"
        return events, at

    def _unpacked(self, body: Bytes, size: int, number: int) -> Bytes | None:
        if size != 8 or 8 * number > _MOST_BYTES:
            self._fault = "this is no packet header"
            return None
        out = np.empty(8 * number, np.uint8)
        if int(_expand(np.ascontiguousarray(body), out)) != len(body):
            self._fault = f"a packet of {number:,} events is not of {len(body):,} bytes"
            return None
        return out
