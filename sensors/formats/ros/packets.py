"""Encodings of event_camera_msgs/EventPacket: evt3, mono, libcaer and libcaer_cmp.

Source: the documentation of event_camera_msgs, and the decoders of event_camera_codecs. ``evt3`` is
the camera's own stream, cut into packets; it has the sensor's time. The others count from the
packet's ``time_base``, in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from spikewire._jit import kernel
from spikewire.sensors.events import EVENT_ARRAY, EVENT_DTYPE, INT64_ARRAY, Events, copied
from spikewire.sensors.formats.decoder import Bytes
from spikewire.sensors.formats.evt import Evt3
from spikewire.sensors.formats.ros.definitions import LayoutError

PIECE = 1 << 17
"""Bytes decoded at once: each two may hold twelve events of EVT 3.0."""

_HALVES = numba.types.Array(numba.uint16, 1, "C", readonly=True)


@kernel(numba.int64(_HALVES, EVENT_ARRAY, numba.int64, INT64_ARRAY))
def _libcaer_cmp(words, events, base_ns, state):  # type: ignore[no-untyped-def]
    high, low, x, y, p = state[0], state[1], state[2], state[3], state[4]
    n = 0
    for i in range(words.shape[0]):
        word = np.int64(words[i])
        kind = word >> 12
        if kind == 0:  # TIME_HIGH: microseconds from bit 12 on
            high = (word & 0xFFF) << 12
        elif kind == 1:  # TIME_LOW
            low = word & 0xFFF
        elif kind == 2:  # ADDR_X
            x = word & 0x7FF
        elif kind == 3:  # ADDR_Y: one event
            events[n].t = (base_ns + (high | low) * 1000) // 1000
            events[n].x = x
            events[n].y = word & 0x7FF
            events[n].p = (word >> 11) & 1
            n += 1
        elif kind == 4:  # VECT_BASE_Y
            y = word & 0x7FF
            p = (word >> 11) & 1
        elif kind == 5:  # VECT_8: events of the next eight rows
            for bit in range(8):
                if (word >> bit) & 1:
                    events[n].t = (base_ns + (high | low) * 1000) // 1000
                    events[n].x = x
                    events[n].y = y + bit
                    events[n].p = p
                    n += 1
            y = min(y + 8, np.int64(0xFFFF) - 8)
    state[0], state[1], state[2], state[3], state[4] = high, low, x, y, p
    return n


def _cmp(data: Bytes, base_ns: int, big: bool) -> Iterator[Events]:
    state = np.zeros(5, np.int64)
    room = np.empty(8 * PIECE // 2 + 1, EVENT_DTYPE)
    for piece in _pieces(data, ">u2" if big else "<u2"):
        n = int(_libcaer_cmp(piece.astype("<u2"), room, base_ns, state))
        yield copied(room[:n])


def _pieces(data: Bytes, kind: str) -> Iterator[npt.NDArray[Any]]:
    """Yield the words of a packet, piece by piece.

    Raises
    ------
    LayoutError
        After them, if bytes are left over.
    """
    size = np.dtype(kind).itemsize
    for first in range(0, len(data), PIECE):
        part = data[first : first + PIECE]
        yield part[: len(part) // size * size].view(kind)
    if len(data) % size:
        raise LayoutError(f"its {len(data):,} bytes end within a word of {size}")


def _mono(data: Bytes, base_ns: int, big: bool) -> Iterator[Events]:
    for words in _pieces(data, ">u8" if big else "<u8"):
        events = np.empty(len(words), EVENT_DTYPE)
        after = (words & np.uint64(0xFFFFFFFF)).astype(np.int64)
        events["t"] = (after + base_ns) // 1000
        events["x"] = (words >> np.uint64(32)) & np.uint64(0xFFFF)
        events["y"] = (words >> np.uint64(48)) & np.uint64(0x7FFF)
        events["p"] = words >> np.uint64(63)
        yield events


def _libcaer(data: Bytes, base_ns: int, big: bool) -> Iterator[Events]:
    wraps, last = 0, 0
    for words in _pieces(data, "<u8"):
        event = (words & np.uint64(0xFFFFFFFF)).astype(np.int64)
        low = (words >> np.uint64(32)).astype(np.int64) & 0x7FFFFFFF
        # A smaller time than the one before: the upper bits counted up.
        wrapped = np.cumsum(np.diff(low, prepend=last) < 0) + wraps
        events = np.empty(len(words), EVENT_DTYPE)
        events["t"] = low + (wrapped << 31) + base_ns // 1000
        events["x"], events["y"] = (event >> 17) & 0x7FFF, (event >> 2) & 0x7FFF
        events["p"] = (event >> 1) & 1
        if len(words):
            wraps, last = int(wrapped[-1]), int(low[-1])
        yield events


_BASED: dict[str, Callable[[Bytes, int, bool], Iterator[Events]]] = {
    "libcaer": _libcaer,
    "libcaer_cmp": _cmp,
    "mono": _mono,
}

ENCODINGS = ("evt3", *_BASED)
"""Encodings of events that are read."""

WRAP_US = 1 << 24
"""Period of EVT 3.0's times: what a reading that begins later cannot tell."""


class Packets:
    """Decodes the packets of one topic in order; the state of EVT 3.0 is carried along."""

    def __init__(self) -> None:
        self._evt3 = Evt3()
        self._expected: int | None = None
        self._shift = 0

    def expect(self, t_us: int) -> None:
        """Give the time of the next event within some seconds, where a reading begins later."""
        self._expected = t_us

    @property
    def left_out(self) -> Mapping[str, int]:
        """Events without a time or a row."""
        return self._evt3.left_out

    def events(self, encoding: str, data: Bytes, base_ns: int, *, big: bool) -> Iterator[Events]:
        """Yield the events of a packet.

        Raises
        ------
        LayoutError
            If its encoding is not read, or it ends within a word.
        """
        if encoding in _BASED:
            base_ns = int(min(max(base_ns, 0), 1 << 62))
            yield from _BASED[encoding](data, base_ns, big)
            return
        if encoding != "evt3":
            raise LayoutError(f"its encoding is {encoding[:40]!a}; {', '.join(ENCODINGS)} are read")
        for words in _pieces(data, ">u2" if big else "<u2"):
            events, _ = self._evt3.decode(words.astype("<u2").view(np.uint8))
            if not len(events):
                continue
            if self._expected is not None:
                ahead = self._expected - int(events["t"][0])
                self._shift = (ahead + WRAP_US // 2) // WRAP_US * WRAP_US
                self._expected = None
            if self._shift:
                events["t"] += self._shift
            yield events
