"""Own decoders of simple layouts: N-MNIST, DAT, EVT2, Event Stream. Bytes in, events out."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from sensors._events import _EVENTS, EVENT_DTYPE, Events
from sensors._jit import kernel

Bytes = npt.NDArray[np.uint8]
_BYTES = numba.types.Array(numba.uint8, 1, "C", readonly=True)
_WORDS = numba.types.Array(numba.uint32, 1, "C", readonly=True)


@kernel(numba.void(_BYTES, _EVENTS))
def _nmnist(data, events):  # type: ignore[no-untyped-def]
    for i in range(events.shape[0]):
        at = 5 * i
        high = np.int64(data[at + 2])
        events[i].x = data[at]
        events[i].y = data[at + 1]
        events[i].p = high >> 7
        events[i].t = ((high & 0x7F) << 16) | (np.int64(data[at + 3]) << 8) | np.int64(data[at + 4])


def decode_nmnist(data: Bytes) -> Events:
    """Decode N-MNIST's 5 big-endian bytes: x, y, polarity (bit 23) and 23 bits of microseconds.

    Source: Orchard et al. 2015, the data set's own reader. Bytes past the last whole event are
    left to the caller.
    """
    events = np.empty(len(data) // 5, EVENT_DTYPE)
    _nmnist(data, events)
    return events


@kernel(numba.void(_WORDS, _EVENTS, numba.int64))
def _dat(words, events, wraps):  # type: ignore[no-untyped-def]
    high = wraps
    before = np.int64(0)
    for i in range(events.shape[0]):
        t = np.int64(words[2 * i])
        if t + (np.int64(1) << 31) < before:
            high += np.int64(1) << 32
        before = t
        word = words[2 * i + 1]
        events[i].t = t + high
        events[i].x = word & 0x3FFF
        events[i].y = (word >> 14) & 0x3FFF
        events[i].p = (word >> 28) & 1


def decode_dat(data: Bytes) -> Events:
    """Decode Prophesee DAT version 2: 32-bit microseconds, then x (14), y (14), polarity (bit 28).

    Source: Prophesee's documentation of the DAT format. Times that wrap at 2**32 are unwrapped.
    """
    words = data[: len(data) // 8 * 8].view("<u4")
    events = np.empty(len(words) // 2, EVENT_DTYPE)
    _dat(words, events, 0)
    return events


@kernel(numba.int64(_WORDS, _EVENTS, numba.int64[::1]))
def _evt2(words, events, state):  # type: ignore[no-untyped-def]
    high = state[0]
    n = 0
    for i in range(words.shape[0]):
        word = np.int64(words[i])
        kind = word >> 28
        if kind == 8:
            # TIME_HIGH: bits 33..6 of the time; it wraps after 4.77 hours.
            t = (word & 0xFFFFFFF) << 6
            if high >= 0 and t + (np.int64(1) << 33) < (high & ((np.int64(1) << 34) - 1)):
                state[1] += np.int64(1) << 34
            high = state[1] + t
        elif kind <= 1 and high >= 0:
            events[n].t = high | ((word >> 22) & 0x3F)
            events[n].x = (word >> 11) & 0x7FF
            events[n].y = word & 0x7FF
            events[n].p = kind
            n += 1
    state[0] = high
    return n


class Evt2:
    """Decode Prophesee EVT 2.0 words in chunks; the time's high part is carried along.

    Source: Prophesee's documentation of EVT 2.0: type (4 bits), then for CD events 6 low bits of
    time, x (11), y (11); TIME_HIGH carries 28 bits. Events before the first TIME_HIGH have no time
    and are left out.
    """

    def __init__(self) -> None:
        self._state = np.array([-1, 0], np.int64)

    def decode(self, data: Bytes) -> Events:
        """Decode whole 4-byte words."""
        words = data[: len(data) // 4 * 4].view("<u4")
        events = np.empty(len(words), EVENT_DTYPE)
        n = int(_evt2(words, events, self._state))
        return events[:n]


@kernel(numba.int64(_BYTES, numba.int64, _EVENTS, numba.int64[::1]))
def _es_dvs(data, start, events, state):  # type: ignore[no-untyped-def]
    t = state[0]
    at = start
    n = 0
    while at < data.shape[0]:
        head = np.int64(data[at])
        if head == 0xFE:
            at += 1
        elif head == 0xFF:
            t += 127
            at += 1
        else:
            if at + 5 > data.shape[0]:
                break
            t += head >> 1
            events[n].t = t
            events[n].x = np.int64(data[at + 1]) | (np.int64(data[at + 2]) << 8)
            events[n].y = np.int64(data[at + 3]) | (np.int64(data[at + 4]) << 8)
            events[n].p = head & 1
            n += 1
            at += 5
    state[0] = t
    state[1] = at
    return n


def decode_es(data: Bytes, start: int, height: int) -> tuple[Events, int]:
    """Decode the DVS events of an Event Stream 2 file.

    A byte below 0xFE is a time step (7 bits) and a polarity, followed by x and y (16 bits,
    little-endian, origin lower left); 0xFF adds 127 microseconds; 0xFE is a marker without time.
    Source: the format's specification by A. Marcireau.

    Returns
    -------
    events, stopped
        The events, with the origin moved to the upper left, and the byte at which an incomplete
        event begins, or the end.
    """
    state = np.zeros(2, np.int64)
    state[1] = start
    events = np.empty((len(data) - start) // 5 + 1, EVENT_DTYPE)
    n = int(_es_dvs(data, start, events, state))
    events = events[:n]
    events["y"] = height - 1 - events["y"]
    return events, int(state[1])
