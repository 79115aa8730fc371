"""Decoders of Prophesee RAW: EVT 2.0, EVT 2.1 and EVT 3.0."""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np

from spikewire._jit import inline, kernel
from spikewire.sensors.events import (
    EVENT_ARRAY,
    EVENT_DTYPE,
    INT64_ARRAY,
    Events,
    copied,
    new_events,
)
from spikewire.sensors.formats.decoder import WORD_ARRAY, Bytes

_HALVES = numba.types.Array(numba.uint16, 1, "C", readonly=True)

UNTIMED = "before_time"
"""Events before the first word of time: they have none, and are left out."""


@inline
def _time_high(word, high, wraps):  # type: ignore[no-untyped-def]
    """Bits 33..6 of the time, unwrapped (every 4.77 hours), and the wraps so far."""
    t = (word & 0xFFFFFFF) << 6
    if high >= 0 and t + (np.int64(1) << 33) < (high & ((np.int64(1) << 34) - 1)):
        wraps += np.int64(1) << 34
    return wraps + t, wraps


@kernel(numba.int64(WORD_ARRAY, EVENT_ARRAY, INT64_ARRAY))
def _evt2(words, events, state):  # type: ignore[no-untyped-def]
    high, wraps, untimed = state[0], state[1], state[2]
    n = 0
    for i in range(words.shape[0]):
        word = np.int64(words[i])
        kind = word >> 28
        if kind <= 1:
            # Written always, kept where there is a time: a branch less in the usual case.
            events[n].t = high | ((word >> 22) & 0x3F)
            events[n].x = (word >> 11) & 0x7FF
            events[n].y = word & 0x7FF
            events[n].p = kind
            if high >= 0:
                n += 1
            else:
                untimed += 1
        elif kind == 8:
            high, wraps = _time_high(word, high, wraps)
    state[0], state[1], state[2] = high, wraps, untimed
    return n


class Evt2:
    """Decode Prophesee EVT 2.0 words in chunks; the time's high part is carried along.

    Source: Prophesee's documentation of EVT 2.0: type (4 bits), then for CD events 6 low bits of
    time, x (11), y (11); TIME_HIGH carries 28 bits. Events before the first TIME_HIGH have no time
    and are left out.
    """

    unit = "a word's 4 bytes"
    fault: str | None = None

    def __init__(self) -> None:
        self._state = np.array([-1, 0, 0], np.int64)

    @property
    def left_out(self) -> Mapping[str, int]:
        """Events without a time."""
        return {UNTIMED: int(self._state[2])}

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode whole words."""
        words = data[: len(data) // 4 * 4].view("<u4")
        events = new_events(len(words) + 1)
        n = int(_evt2(words, events, self._state))
        return events[:n], 4 * len(words)


@kernel(numba.int64(WORD_ARRAY, EVENT_ARRAY, INT64_ARRAY, numba.int64))
def _evt21(words, events, state, upper):  # type: ignore[no-untyped-def]
    high, wraps, untimed = state[0], state[1], state[2]
    n = 0
    for i in range(words.shape[0] // 2):
        word = np.int64(words[2 * i + upper])
        kind = word >> 28
        if kind <= 1:
            valid = words[2 * i + 1 - upper]
            t = high | ((word >> 22) & 0x3F)
            x = (word >> 11) & 0x7FF
            y = word & 0x7FF
            while valid != 0:
                if valid & np.uint32(1):
                    events[n].t = t
                    events[n].x = x
                    events[n].y = y
                    events[n].p = kind
                    if high >= 0:
                        n += 1
                    else:
                        untimed += 1
                valid = np.uint32(valid >> np.uint32(1))
                x += 1
        elif kind == 8:
            high, wraps = _time_high(word, high, wraps)
    state[0], state[1], state[2] = high, wraps, untimed
    return n


class Evt21:
    """Decode Prophesee EVT 2.1: EVT 2.0's words of 32 bits with 32 more, a mask of columns.

    Source: Prophesee's documentation of EVT 2.1. The mask's bit ``n`` is an event at column
    ``x + n``; the events of one word share their time and are given by rising column.

    Parameters
    ----------
    upper
        Which of the two 32-bit halves, as they lie in the file, holds type, time and place: 1 for
        a little-endian word of 64 bits (GenX320), 0 where the upper half is sent first (IMX636,
        "legacy").
    """

    unit = "a word's 8 bytes"
    fault: str | None = None

    def __init__(self, upper: int) -> None:
        self._state = np.array([-1, 0, 0], np.int64)
        self._upper = upper
        self._room = np.empty(0, EVENT_DTYPE)

    @property
    def left_out(self) -> Mapping[str, int]:
        """Events without a time."""
        return {UNTIMED: int(self._state[2])}

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode whole words."""
        words = data[: len(data) // 8 * 8].view("<u4")
        if len(self._room) <= 16 * len(words):
            self._room = np.empty(16 * len(words) + 1, EVENT_DTYPE)
        n = int(_evt21(words, self._room, self._state, self._upper))
        return copied(self._room[:n]), 4 * len(words)


def evt21_upper(data: Bytes) -> int:
    """Tell which half of EVT 2.1 words leads, where the header does not say.

    The leading halves have known types, and columns that are multiples of 32.
    """
    words = data[: len(data) // 8 * 8].view("<u4")
    good = []
    for half in (words[0::2], words[1::2]):
        kind = half >> 28
        aligned = (half >> 11) % 32 == 0
        good.append(int((np.isin(kind, (8, 10, 14)) | ((kind <= 1) & aligned & (half > 1))).sum()))
    return int(good[1] >= good[0])


@inline
def _write(events, n, t, x, y, p):  # type: ignore[no-untyped-def]
    events[n].t = t
    events[n].x = x
    events[n].y = y
    events[n].p = p


@inline
def _time_high3(word, t, high, wraps, seen):  # type: ignore[no-untyped-def]
    """Return the time, its high part and the wraps so far, after a TIME_HIGH of EVT 3.0."""
    now = (word & 0xFFF) << 12
    if seen & 1 and now + (np.int64(1) << 23) < (high & 0xFFFFFF):
        wraps += np.int64(1) << 24
    # Cameras repeat it; only a new one clears the low bits.
    if wraps + now != high or not seen & 1:
        high = wraps + now
        t = high
    return t, high, wraps


# Places in the state of an EVT 3.0 stream.
_T, _HIGH, _WRAPS, _Y, _X, _P, _UNTIMED, _SEEN = range(8)


@kernel(numba.int64(_HALVES, EVENT_ARRAY, INT64_ARRAY))
def _evt3(words, events, state):  # type: ignore[no-untyped-def]
    t, high, wraps = state[_T], state[_HIGH], state[_WRAPS]
    y, x, p, untimed, seen = state[_Y], state[_X], state[_P], state[_UNTIMED], state[_SEEN]
    ready = np.int64(seen == 3)
    n = np.int64(0)
    for i in range(words.shape[0]):
        word = np.int64(words[i])
        kind = word >> 12
        if kind == 0x2:  # ADDR_X: one event
            _write(events, n, t, word & 0x7FF, y, (word >> 11) & 1)
            n += ready
            untimed += 1 - ready
        elif kind == 0x0:  # ADDR_Y
            y = word & 0x7FF
            seen |= 2
            ready = np.int64(seen == 3)
        elif kind == 0x6:  # TIME_LOW
            t = high | (word & 0xFFF)
        elif kind == 0x4 or kind == 0x5:  # VECT_12, VECT_8
            width = 12 if kind == 0x4 else 8
            valid = word & ((1 << width) - 1)
            column = x
            while valid:
                if valid & 1:
                    _write(events, n, t, column, y, p)
                    n += ready
                    untimed += 1 - ready
                valid >>= 1
                column += 1
            # Held to 16 bits: what lies past every sensor stays there.
            x = min(x + width, np.int64(0xFFFF) - 12)
        elif kind == 0x3:  # VECT_BASE_X
            x = word & 0x7FF
            p = (word >> 11) & 1
        elif kind == 0x8:  # TIME_HIGH: bits 23..12; it wraps after 16.8 seconds
            t, high, wraps = _time_high3(word, t, high, wraps, seen)
            seen |= 1
            ready = np.int64(seen == 3)
    state[_T], state[_HIGH], state[_WRAPS] = t, high, wraps
    state[_Y], state[_X], state[_P], state[_UNTIMED], state[_SEEN] = y, x, p, untimed, seen
    return n


class Evt3:
    """Decode Prophesee EVT 3.0 words of 16 bits; time, row and vector base are carried along.

    Source: Prophesee's documentation of EVT 3.0. A new TIME_HIGH sets bits 23..12 of the time and
    clears the lower ones, which TIME_LOW sets; one that repeats the last changes nothing. Events
    before the first TIME_HIGH or ADDR_Y are left out.
    """

    unit = "a word's 2 bytes"
    fault: str | None = None

    def __init__(self) -> None:
        self._state = np.zeros(8, np.int64)
        self._room = np.empty(0, EVENT_DTYPE)

    @property
    def left_out(self) -> Mapping[str, int]:
        """Events without a time or a row."""
        return {UNTIMED: int(self._state[_UNTIMED])}

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode whole words."""
        words = data[: len(data) // 2 * 2].view("<u2")
        # Used again and again: fresh memory of this size costs more than decoding into it.
        if len(self._room) <= 12 * len(words):
            self._room = np.empty(12 * len(words) + 1, EVENT_DTYPE)
        n = int(_evt3(words, self._room, self._state))
        return copied(self._room[:n]), 2 * len(words)
