"""A decoder of text: one event per line, columns in any order, times in any unit."""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np

from spikewire._jit import inline, kernel
from spikewire.sensors.events import EVENT_ARRAY, EVENT_DTYPE, INT64_ARRAY, Events, copied
from spikewire.sensors.formats.csv_layout import LONGEST_LINE, UNITS, Layout
from spikewire.sensors.formats.decoder import BYTE_ARRAY, Bytes

# What a line came to; _CUT is one whose end is not here yet.
_GOOD, _FEW, _LETTER, _LONG, _CUT = range(5)
_FAULTS = {
    _FEW: "a line of too few columns",
    _LETTER: "a line that is not all numbers",
    _LONG: "a number of more than 18 digits",
}
_OTHERS = 64  # lines of another form, before the tight loop is tried again
_T, _P, _OTHER = 0, 3, 4  # roles of columns; 1 and 2 are x and y


@inline
def _separates(byte):  # type: ignore[no-untyped-def]
    """Tell whether a byte is one of comma, space, semicolon and tab."""
    return byte == 44 or byte == 32 or byte == 59 or byte == 9


@inline
def _scaled(value, scale):  # type: ignore[no-untyped-def]
    """Multiply by ten to the power of ``scale``; digits below one are cut off."""
    for _ in range(scale):
        value *= 10
    for _ in range(-scale):
        value //= 10
    return value


@inline
def _usual_lines(data, at, events, n, roles, values, scale):  # type: ignore[no-untyped-def]
    """Parse whole numbers with one separator between them, in a tight loop.

    Returns where the first other line begins, and the number of events so far.
    """
    wanted = roles.shape[0]
    # Room that this loop cannot leave: four numbers of 18 digits and their separators.
    safe = data.shape[0] - 128 if wanted <= 4 else np.int64(0)
    column = np.int64(0)
    start = at
    while at < safe:
        value = np.int64(0)
        first = at
        digit = np.uint8(data[at] - np.uint8(48))
        while digit <= 9:
            value = 10 * value + digit
            at += 1
            digit = np.uint8(data[at] - np.uint8(48))
            if at - first > 18:
                break
        values[roles[column]] = value
        byte = data[at]
        column += 1
        if at == first or at - first > 18:
            break
        if column == wanted:
            if byte != 10:
                break
            at += 1
            events[n].t = _scaled(values[0], scale)
            events[n].x = min(values[1], np.int64(65535))
            events[n].y = min(values[2], np.int64(65535))
            events[n].p = min(values[3], np.int64(255))
            n += 1
            start = at
            column = np.int64(0)
        elif _separates(byte):
            at += 1
        else:
            break
    return start, n


@inline
def _number(data, at, role, scale):  # type: ignore[no-untyped-def]
    """Parse one number; returns its value, where it ends, and what it came to."""
    end = data.shape[0]
    negative = data[at] == 45
    if negative or data[at] == 43:
        at += 1
    value = digits = np.int64(0)
    decimals = np.int64(-1)
    most = scale if role == _T and scale > 0 else np.int64(0)
    while at < end:
        digit = np.int64(data[at]) - 48
        if digit >= 0 and digit <= 9:
            if decimals < 0 or decimals < most:
                value = 10 * value + digit
            if decimals >= 0:
                decimals += 1
            digits += 1
        elif data[at] == 46 and decimals < 0:
            decimals = np.int64(0)
        else:
            break
        at += 1
    if at < end:
        byte = data[at]
        if digits == 0 or not (_separates(byte) or byte == 13 or byte == 10):
            # "true" and "false" of a polarity, by their first letter.
            low = byte | 32
            if digits > 0 or role != _P or (low != 116 and low != 102):
                return value, at, np.int64(_LETTER)
            value = np.int64(low == 116)
            while at < end and (data[at] | 32) >= 97 and (data[at] | 32) <= 122:
                at += 1
    if digits > 18 + max(np.int64(0), decimals):
        return value, at, np.int64(_LONG)
    if role == _T:
        value = _scaled(value, scale - min(max(np.int64(0), decimals), most))
    return -value if negative else value, at, np.int64(_GOOD)


@inline
def _any_line(data, at, roles, values, scale):  # type: ignore[no-untyped-def]
    """Parse one line of any form; returns where it ends, its columns, and what it came to."""
    end, wanted = data.shape[0], roles.shape[0]
    column = np.int64(0)
    while at < end:
        byte = data[at]
        if _separates(byte) or byte == 13:
            at += 1
        elif byte == 10:
            few = 0 < column < wanted
            return at + 1, column, np.int64(_FEW if few else _GOOD)
        else:
            role = roles[column] if column < wanted else np.int64(_OTHER)
            value, at, outcome = _number(data, at, role, scale)
            if outcome != _GOOD:
                return at, column, outcome
            values[role] = value
            column += 1
    return at, column, np.int64(_CUT)


@kernel(numba.int64(BYTE_ARRAY, EVENT_ARRAY, INT64_ARRAY, INT64_ARRAY, numba.int64))
def _csv(data, events, roles, state, scale):  # type: ignore[no-untyped-def]
    """Parse whole lines; ``roles[c]`` is 0 t, 1 x, 2 y, 3 p, 4 none; state is consumed, fault.

    ``scale`` is the power of ten from the text's unit to microseconds: of decimals no more are
    read, and missing ones are zeros; digits below a microsecond are cut off.
    """
    at = start = n = np.int64(0)
    values = np.zeros(5, np.int64)
    outcome = np.int64(_GOOD)
    other = 0
    while True:
        if other % _OTHERS == 0:
            start, n = _usual_lines(data, start, events, n, roles, values, scale)
        other += 1
        at, column, outcome = _any_line(data, start, roles, values, scale)
        if outcome != _GOOD:
            break
        start = at
        if column == 0:
            continue
        events[n].t = values[0]
        # What no uint16 holds becomes its largest value, which the check counts.
        events[n].x = values[1] if values[1] >= 0 and values[1] < 65535 else 65535
        events[n].y = values[2] if values[2] >= 0 and values[2] < 65535 else 65535
        p = values[3] if values[3] != -1 else np.int64(0)
        events[n].p = p if p >= 0 and p < 255 else 255
        n += 1
    state[0] = start
    state[1] = 0 if outcome == _CUT else outcome
    return n


class Csv:
    """Decode lines of numbers apart by commas, semicolons or white space.

    Parameters
    ----------
    layout
        The columns and the unit of time.
    """

    unit = "a line, which has no end"
    left_out: Mapping[str, int] = {}

    def __init__(self, layout: Layout) -> None:
        order = {"t": 0, "x": 1, "y": 2, "p": 3, "": 4}
        last = max(n for n, name in enumerate(layout.columns) if name)
        self._roles = np.array([order[name] for name in layout.columns[: last + 1]], np.int64)
        self._scale = UNITS[layout.unit]
        self._state = np.zeros(2, np.int64)
        self._long = False

    @property
    def fault(self) -> str | None:
        """Fault of the next line, or None."""
        if self._long:
            return f"a line of more than {LONGEST_LINE} characters"
        code = int(self._state[1])
        return _FAULTS[code] if code else None

    def finish(self, rest: bytes) -> bytes:
        """End the last line of a text that lacks its end.

        Where a polarity is last, no digit can be missing. A number in its place may have been cut:
        such a line stays without an end.
        """
        return rest + b"\n" if self._roles[-1] == 3 else rest

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode all whole lines."""
        events = np.empty(len(data) // 8 + 1, EVENT_DTYPE)
        n = int(_csv(data, events, self._roles, self._state, self._scale))
        used = int(self._state[0])
        self._long = n == 0 and used == 0 and len(data) > LONGEST_LINE
        return copied(events[:n]), used
