"""Decoders of AEDAT 1.0, 2.0, 3.0 and 3.1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numba
import numpy as np

from spikewire._jit import inline, kernel
from spikewire.sensors.events import EVENT_ARRAY, INT64_ARRAY, Events, new_events
from spikewire.sensors.formats.decoder import BYTE_ARRAY, Bytes

Convention = Literal["jaer", "document"]
"""Meaning of addresses: as jAER, libcaer and v2e write them, or as the format's document says."""


@dataclass(frozen=True, slots=True)
class Chip:
    """Address format of a chip in AEDAT 1.0 and 2.0.

    Attributes
    ----------
    size
        (width, height); None where it is told by the addresses.
    not_dvs
        Bits that are set where a record is no DVS event: a frame's sample, motion, a trigger.
    x, x_bits, y, y_bits, p
        Lowest bits and widths of column, row and polarity.
    mirrored
        Columns count from the right.
    inverted
        The polarity bit is 1 where the light got weaker.
    """

    size: tuple[int, int] | None
    not_dvs: int
    x: int
    x_bits: int
    y: int
    y_bits: int
    p: int
    mirrored: bool
    inverted: bool

    def under(self, convention: Convention) -> Chip:
        """Return the chip as the convention reads it."""
        if convention == "jaer":
            return self
        return replace(self, mirrored=self.inverted, inverted=False)


DVS128 = Chip((128, 128), 0x80008000, 1, 7, 8, 7, 0, mirrored=True, inverted=True)
"""Both bits 15 and 31 mark a trigger."""


def davis(size: tuple[int, int] | None) -> Chip:
    """Return a chip of the DAVIS family: bit 31 frame sample or motion, bit 10 trigger."""
    return Chip(size, 0x80000400, 12, 10, 22, 9, 11, mirrored=True, inverted=False)


DAVIS_SIZES = ((240, 180), (346, 260), (640, 480))
"""Sizes of the DAVIS chips that have been sold, to choose from where a file names none."""


CHIPS: Mapping[str, tuple[int, int]] = {
    "dvs128": (128, 128),
    "davis128": (128, 128),
    "davis208": (208, 192),
    "davis240": (240, 180),
    "sbret10": (240, 180),
    "sbret20": (240, 180),
    "davis346": (346, 260),
    "davis640": (640, 480),
    "dvs132": (132, 104),
    "dvxplorer_lite": (320, 240),
    "dvxplorer_mini": (640, 480),
    "dvxplorer": (640, 480),
}
"""Sizes by what a header's chip or source line contains, in small letters; first match."""


@inline
def _big32(data, at):  # type: ignore[no-untyped-def]
    return (
        (np.int64(data[at]) << 24)
        | (np.int64(data[at + 1]) << 16)
        | (np.int64(data[at + 2]) << 8)
        | np.int64(data[at + 3])
    )


@inline
def _little32(data, at):  # type: ignore[no-untyped-def]
    return (
        np.int64(data[at])
        | (np.int64(data[at + 1]) << 8)
        | (np.int64(data[at + 2]) << 16)
        | (np.int64(data[at + 3]) << 24)
    )


@kernel(numba.int64(BYTE_ARRAY, EVENT_ARRAY, INT64_ARRAY, INT64_ARRAY))
def _aedat2(data, events, state, layout):  # type: ignore[no-untyped-def]
    address_bytes, not_dvs, x_at, x_mask = layout[0], layout[1], layout[2], layout[3]
    y_at, y_mask, p_at, mirror, top = layout[4], layout[5], layout[6], layout[7], layout[8]
    inverted = layout[9]
    before, high = state[0], state[1]
    step = address_bytes + 4
    n = 0
    for i in range(data.shape[0] // step):
        at = i * step
        if address_bytes == 4:
            address = _big32(data, at)
        else:
            address = (np.int64(data[at]) << 8) | np.int64(data[at + 1])
        t = _big32(data, at + address_bytes)
        if address & not_dvs:
            state[2 + (address >> 31)] += 1
            continue
        if t + (np.int64(1) << 31) < before:
            high += np.int64(1) << 32
        before = t
        x = (address >> x_at) & x_mask
        events[n].t = t + high
        events[n].x = mirror - x if mirror > 0 else x
        # A row above the sensor wraps to one far below it, which the check counts.
        y = (address >> y_at) & y_mask
        events[n].y = top - y if top > 0 else y
        events[n].p = ((address >> p_at) & 1) ^ inverted
        n += 1
    state[0], state[1] = before, high
    return n


class Aedat2:
    """Decode AEDAT 1.0 and 2.0: big-endian records of an address and 32-bit microseconds.

    Source: iniVation's documentation of AEDAT 1.0 and 2.0. Addresses have 16 bits in version 1.0,
    32 in 2.0; what they mean is the chip's. The origin is moved to the upper left, unless the size
    is (0, 0): then places are those of the addresses. Times that wrap at 2**32 are unwrapped.
    Records that are no DVS events are left out.

    The document and the programs that write the format disagree (:data:`Convention`). jAER's
    extractors, libcaer and v2e count the columns of DAVIS chips from the right, and take the
    DVS128's polarity bit for OFF.
    """

    fault: str | None = None

    def __init__(self, chip: Chip, address_bytes: int, size: tuple[int, int]) -> None:
        self.unit = f"an event's {address_bytes + 4} bytes"
        self._step = address_bytes + 4
        self._state = np.zeros(4, np.int64)
        width, height = size
        self._triggers = (2, 3) if chip.p == 0 else (2,)
        self._layout = np.array(
            [
                address_bytes, chip.not_dvs, chip.x, (1 << chip.x_bits) - 1, chip.y,
                (1 << chip.y_bits) - 1, chip.p, width - 1 if chip.mirrored else 0, height - 1,
                chip.inverted,
            ],
            np.int64,
        )  # fmt: skip

    @property
    def left_out(self) -> Mapping[str, int]:
        """Records of triggers, and of frames and motion (bit 31 of a DAVIS' address)."""
        triggers = sum(int(self._state[at]) for at in self._triggers)
        others = int(self._state[2:4].sum()) - triggers
        return {"trigger": triggers, "frame_or_motion": others}

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode all whole records."""
        count = len(data) // self._step
        events = new_events(count)
        n = int(_aedat2(data, events, self._state, self._layout))
        return events[:n], count * self._step


def aedat1_address_bytes(data: Bytes) -> int:
    """Tell whether records without a version line have addresses of 2 bytes or of 4.

    AEDAT 1.0 has 2, but programs have written 4 without saying so. Times run forwards in the right
    reading, and jump about in the wrong one.
    """
    return 4 if aedat1_jumps(data, 4) < aedat1_jumps(data, 2) else 2


def aedat1_jumps(data: Bytes, width: int) -> float:
    """Return the share of records whose time jumps, if addresses have ``width`` bytes."""
    step = width + 4
    count = min(len(data) // step, 4096)
    rows = data[: count * step].reshape(count, step)[:, width:]
    times = np.ascontiguousarray(rows).view(">u4")[:, 0].astype(np.int64)
    jumps = (np.diff(times) < 0) | (np.diff(times) > 1 << 30)
    return float(jumps.mean()) if len(jumps) else 1.0


# Places in the state of an AEDAT 3 stream.
_LEFT, _KIND, _OVERFLOW, _STEP, _INVALID, _USED, _FAULT = range(7)
_POLARITY, _OTHER = 1, 2
_TYPES = 64  # event types known today end at 14; a number past this is no packet header


@inline
def _write_event(data, at, word, event, overflow, top):  # type: ignore[no-untyped-def]
    event.t = overflow | (_little32(data, at + 4) & 0x7FFFFFFF)
    event.x = (word >> 17) & 0x7FFF
    y = (word >> 2) & 0x7FFF
    event.y = top - y if top > 0 else y
    event.p = (word >> 1) & 1


@inline
def _is_header(kind, size, number):  # type: ignore[no-untyped-def]
    """Tell whether a packet's type, event size and number of events can be."""
    # Negative numbers are seen as large ones. Frames are the largest events.
    known = kind < _TYPES and size <= 1 << 26 and number < 1 << 31 and size * number <= 1 << 40
    return known and (kind != 1 or size >= 8)


@kernel(numba.int64(BYTE_ARRAY, EVENT_ARRAY, INT64_ARRAY, numba.int64))
def _aedat3(data, events, state, top):  # type: ignore[no-untyped-def]
    left, kind, overflow = state[_LEFT], state[_KIND], state[_OVERFLOW]
    step, invalid = state[_STEP], state[_INVALID]
    end = np.int64(data.shape[0])
    at = n = np.int64(0)
    while True:
        if left > 0 and kind == _POLARITY:
            take = min(left, (end - at) // step)
            for _ in range(take):
                word = _little32(data, at)
                if word & 1:
                    _write_event(data, at, word, events[n], overflow, top)
                    n += 1
                else:
                    invalid += 1
                at += step
        else:
            take = min(left, end - at)
            at += take
        left -= take
        if left > 0 or at + 28 > end:
            break
        kind_of = np.int64(data[at]) | (np.int64(data[at + 1]) << 8)
        size, number = _little32(data, at + 4), _little32(data, at + 20)
        if not _is_header(kind_of, size, number):
            state[_FAULT] = 1
            break
        if kind_of == 1:
            kind, left, step = np.int64(_POLARITY), number, size
            overflow = (_little32(data, at + 12) & 0x7FFFFFFF) << 31
        else:
            kind, left = np.int64(_OTHER), size * number
        at += 28
    state[_LEFT], state[_KIND], state[_OVERFLOW] = left, kind, overflow
    state[_STEP], state[_INVALID], state[_USED] = step, invalid, at
    return n


class Aedat3:
    """Decode the polarity events of AEDAT 3.0 and 3.1: little-endian packets of one type each.

    Source: iniVation's documentation of AEDAT 3.1. A header of 28 bytes: type (int16, 1 is
    polarity), source (int16), and in int32 event size, offset of the time, its overflow count,
    capacity, number and valid number. A polarity event is a word (bit 0 valid, bit 1 polarity,
    15 bits of y from bit 2, 15 of x from bit 17) and 31 bits of microseconds. Events marked invalid
    are left out. The origin is upper left; lower left in version 3.0 (``height`` is then given).
    """

    def __init__(self, height: int = 0) -> None:
        self._state = np.zeros(7, np.int64)
        self._top = height - 1

    @property
    def unit(self) -> str:
        """Name of the record that a cut would lie in."""
        state = self._state
        if state[_LEFT] and state[_KIND] == _POLARITY:
            return f"an event's {state[_STEP]} bytes, and {state[_LEFT]:,} events were to come"
        return "a packet header's 28 bytes"

    @property
    def short(self) -> int:
        """Number of bytes or events of a packet that are missing if the recording ends here."""
        return int(self._state[_LEFT])

    @property
    def fault(self) -> str | None:
        """Fault behind the last packet, or None."""
        return "this is no packet header" if self._state[_FAULT] else None

    @property
    def left_out(self) -> Mapping[str, int]:
        """Events marked invalid."""
        return {"invalid": int(self._state[_INVALID])}

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode all whole events."""
        events = new_events(len(data) // 8 + 1)
        n = int(_aedat3(data, events, self._state, self._top))
        return events[:n], int(self._state[_USED])
