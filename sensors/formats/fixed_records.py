"""Decoders of fixed records (N-MNIST, Prophesee DAT) and of Event Stream."""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np

from spikewire._jit import inline, kernel
from spikewire.sensors.events import EVENT_ARRAY, INT64_ARRAY, Events, new_events
from spikewire.sensors.formats.decoder import BYTE_ARRAY, WORD_ARRAY, Bytes


@kernel(numba.void(BYTE_ARRAY, EVENT_ARRAY))
def _nmnist(data, events):  # type: ignore[no-untyped-def]
    for i in range(events.shape[0]):
        at = 5 * i
        high = np.int64(data[at + 2])
        events[i].x = data[at]
        events[i].y = data[at + 1]
        events[i].p = high >> 7
        events[i].t = ((high & 0x7F) << 16) | (np.int64(data[at + 3]) << 8) | np.int64(data[at + 4])


OVERFLOW_ROW, OVERFLOW_US = 240, 1 << 13
"""Row below the ATIS's last one, which marks that its clock of 13 bits went round."""


class Nmnist:
    """Decode N-MNIST's 5 big-endian bytes: x, y, polarity (bit 23) and 23 bits of microseconds.

    Source: Orchard et al. 2015, the data set's own reader. A record of row 240 is no event: in
    recordings of the ATIS, which has 240 rows, later times are 8,192 us later from there on.

    Parameters
    ----------
    height
        Rows of the sensor, 0 while they are unknown: one with more than 240 has no such records.
    """

    unit = "an event's 5 bytes"
    fault: str | None = None

    def __init__(self, height: int = 0) -> None:
        self._marked = height <= OVERFLOW_ROW
        self._marks = 0

    @property
    def left_out(self) -> Mapping[str, int]:
        """Records that mark an overflow of time."""
        return {"time_overflow": self._marks}

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode all whole events."""
        events = new_events(len(data) // 5)
        _nmnist(data, events)
        used = 5 * len(events)
        marks = events["y"] == OVERFLOW_ROW if self._marked else np.zeros(0, bool)
        if self._marks or marks.any():
            events["t"] += (self._marks + np.cumsum(marks)) * OVERFLOW_US
            self._marks += int(marks.sum())
            events = events[~marks]
        return events, used


@kernel(numba.void(WORD_ARRAY, EVENT_ARRAY, INT64_ARRAY, numba.int64))
def _dat(words, events, state, y_bits):  # type: ignore[no-untyped-def]
    before, high = state[0], state[1]
    x_bits = np.uint32(9 if y_bits == 8 else 14)
    x_mask, y_mask = np.uint32((1 << x_bits) - 1), np.uint32((1 << y_bits) - 1)
    p_bit = np.uint32(17 if y_bits == 8 else 28)
    for i in range(events.shape[0]):
        t = np.int64(words[2 * i])
        if t + (np.int64(1) << 31) < before:
            high += np.int64(1) << 32
        before = t
        word = words[2 * i + 1]
        events[i].t = t + high
        events[i].x = np.uint32(word & x_mask)
        events[i].y = np.uint32(np.uint32(word >> x_bits) & y_mask)
        events[i].p = np.uint32(word >> p_bit) & np.uint32(1)
    state[0], state[1] = before, high


class Dat:
    """Decode Prophesee DAT: 32-bit microseconds, then a word of x, y and polarity.

    Version 2 has x (14 bits), y (14) and the polarity in bit 28; version 1, of sensors of up to
    512 columns and 256 rows, x (9), y (8) and the polarity in bit 17. Source: Prophesee's
    documentation of the DAT format, and its toolbox for version 1. Times that wrap at 2**32 are
    unwrapped.
    """

    unit = "an event's 8 bytes"
    fault: str | None = None
    left_out: Mapping[str, int] = {}

    def __init__(self, version: int) -> None:
        self._state = np.zeros(2, np.int64)
        self._y_bits = 8 if version == 1 else 14

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode all whole events."""
        words = data[: len(data) // 8 * 8].view("<u4")
        events = new_events(len(words) // 2)
        _dat(words, events, self._state, self._y_bits)
        return events, 8 * len(events)


@inline
def _es_place(data, at, events, n, height):  # type: ignore[no-untyped-def]
    """Read the place of the event at ``at``: 16 bits each, little-endian, from the lower left."""
    events[n].x = np.int64(data[at + 1]) | (np.int64(data[at + 2]) << 8)
    # A row below the sensor wraps to one far above it, which the check counts.
    events[n].y = height - 1 - (np.int64(data[at + 3]) | (np.int64(data[at + 4]) << 8))


@kernel(numba.int64(BYTE_ARRAY, EVENT_ARRAY, INT64_ARRAY, numba.int64))
def _es(data, events, state, height):  # type: ignore[no-untyped-def]
    t = state[0]
    at = n = 0
    end = data.shape[0]
    while at < end:
        head = np.int64(data[at])
        if head >= 0xFE:
            if head == 0xFF:
                t += 127
            at += 1
            continue
        if at + 5 > end:
            break
        t += head >> 1
        events[n].t = t
        _es_place(data, at, events, n, height)
        events[n].p = head & 1
        n += 1
        at += 5
    state[0], state[1] = t, at
    return n


@kernel(numba.int64(BYTE_ARRAY, EVENT_ARRAY, INT64_ARRAY, numba.int64))
def _es_atis(data, events, state, height):  # type: ignore[no-untyped-def]
    t = state[0]
    at = n = 0
    end = data.shape[0]
    while at < end:
        head = np.int64(data[at])
        if head & 0xFC == 0xFC:
            t += 63 * (head & 3)
            at += 1
            continue
        if at + 5 > end:
            break
        t += head >> 2
        if head & 1:
            state[2] += 1
        else:
            events[n].t = t
            _es_place(data, at, events, n, height)
            events[n].p = (head >> 1) & 1
            n += 1
        at += 5
    state[0], state[1] = t, at
    return n


@kernel(numba.int64(BYTE_ARRAY, EVENT_ARRAY, INT64_ARRAY, numba.int64))
def _es_colour(data, events, state, height):  # type: ignore[no-untyped-def]
    t = state[0]
    at = n = 0
    end = data.shape[0]
    while at < end:
        head = np.int64(data[at])
        if head >= 0xFE:
            if head == 0xFF:
                t += 254
            at += 1
            continue
        if at + 8 > end:
            break
        t += head
        events[n].t = t
        _es_place(data, at, events, n, height)
        events[n].p = 1
        n += 1
        at += 8
    state[0], state[1] = t, at
    return n


_ES_KERNELS = {1: (_es, 5), 2: (_es_atis, 5), 4: (_es_colour, 8)}
ES_TYPES = {1: "DVS", 2: "ATIS", 4: "colour"}
"""Types of Event Stream 2 that are read."""


class EventStream:
    """Decode the events of an Event Stream 2 file.

    A byte below 0xFE is a time step (7 bits) and a polarity, followed by x and y (16 bits,
    little-endian, origin lower left); 0xFF adds 127 microseconds; 0xFE is a marker without time.
    Events of the ATIS (type 2) have a step of 6 bits, a polarity and a bit that tells a
    measurement of brightness, which is left out; 0xFC and above add 63 microseconds for each of
    the last two bits' count. Events of colour (type 4) have a step of 8 bits, and three bytes of
    colour behind the place; all are ON. Source: the format's specification by A. Marcireau. The
    origin is moved to the upper left.
    """

    fault: str | None = None

    def __init__(self, height: int, kind: int = 1) -> None:
        self._state = np.zeros(3, np.int64)
        self._height = height
        self._kernel, self._bytes = _ES_KERNELS[kind]
        self.unit = f"an event's {self._bytes} bytes"

    @property
    def left_out(self) -> Mapping[str, int]:
        """Measurements of brightness."""
        return {"brightness": int(self._state[2])}

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode all whole events."""
        events = new_events(len(data) // self._bytes + 1)
        n = int(self._kernel(data, events, self._state, self._height))
        return events[:n], int(self._state[1])
