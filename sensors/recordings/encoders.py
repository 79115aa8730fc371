"""Encoders: event arrays in time order as the bytes of a file, format by format."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from spikewire.sensors.events import EVENT_DTYPE, Events
from spikewire.sensors.formats.hdf5.writer import write_dsec
from spikewire.sensors.recordings.aedat4_writer import Aedat4Writer


@dataclass(frozen=True, slots=True)
class Heading:
    """Facts of a recording beside its events.

    Attributes
    ----------
    path
        The file in messages.
    size
        (width, height) of the sensor.
    origin
        Time taken off every event, for the header; 0 for none.
    """

    path: Path
    size: tuple[int, int]
    origin: int = 0


Encoder = Callable[[Iterable[Events], BinaryIO, Heading], None]
"""Writes checked events, whose times the format can hold, to an open file."""

Int64s = npt.NDArray[np.int64]


def aedat4(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write AEDAT 4.0, whose times have 64 bits."""
    with Aedat4Writer(about.path, about.size, file=file) as writer:
        for events in chunks:
            writer.write(events)


def aedat3(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write AEDAT 3.1: packets of polarity events, none across a change of the overflow count."""
    chip = {(128, 128): "DVS128", (240, 180): "DAVIS240C", (346, 260): "DAVIS346B"}
    lines = ["#!AER-DAT3.1", "#Format: RAW", f"#Source 1: {chip.get(about.size, 'spikewire')}"]
    lines += ["#Start-Time: 1970-01-01 00:00:00 (TZ+0000)"]
    lines += [f"#T0: {about.origin}"] if about.origin else []
    file.write("\r\n".join([*lines, "#!END-HEADER", ""]).encode())
    for events in chunks:
        over = events["t"] >> 31
        cuts = {0, len(events), *(np.flatnonzero(np.diff(over)) + 1).tolist()}
        cuts.update(range(0, len(events), 4096))
        for first, last in pairwise(sorted(cuts)):
            part = events[first:last]
            n = len(part)
            words = np.empty((n, 2), "<u4")
            x, y = part["x"].astype(np.uint32), part["y"].astype(np.uint32)
            words[:, 0] = x << 17 | y << 2 | part["p"].astype(np.uint32) << 1 | 1
            words[:, 1] = part["t"] & 0x7FFFFFFF
            head = struct.pack("<hhiiiiii", 1, 1, 8, 4, int(over[first]), n, n, n)
            file.write(head + words.tobytes())


def nmnist(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write N-MNIST's 5 bytes per event."""
    for events in chunks:
        t = events["t"]
        rows = np.empty((len(events), 5), np.uint8)
        rows[:, 0], rows[:, 1] = events["x"], events["y"]
        rows[:, 2] = (t >> 16 & 0x7F) | events["p"].astype(np.int64) << 7
        rows[:, 3], rows[:, 4] = t >> 8 & 0xFF, t & 0xFF
        file.write(rows.tobytes())


def csv(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write lines of t,x,y,p below a header."""
    file.write(b"t,x,y,p\n")
    for events in chunks:
        file.write("".join(f"{t},{x},{y},{p}\n" for t, x, y, p in events.tolist()).encode())


def npy(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write an array of fields t, x, y, p; the number of rows is entered once it is known."""

    def head(count: int) -> bytes:
        descr = np.lib.format.dtype_to_descr(EVENT_DTYPE)
        text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': ({count},), }}"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", 182) + text.ljust(181).encode() + b"\n"

    count = 0
    file.write(head(0))
    for events in chunks:
        file.write(np.ascontiguousarray(events).tobytes())
        count += len(events)
    file.seek(0)
    file.write(head(count))


def dat2(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write DAT version 2: 32 bits of time, then a word of x, y and polarity."""
    lines = ["% Version 2", f"% Width {about.size[0]}", f"% Height {about.size[1]}"]
    lines += [f"% T0 {about.origin}"] if about.origin else []
    file.write("\n".join([*lines, ""]).encode() + b"\x0c\x08")
    for events in chunks:
        words = np.empty((len(events), 2), "<u4")
        words[:, 0] = events["t"]
        x, y = events["x"].astype(np.uint32), events["y"].astype(np.uint32)
        words[:, 1] = x | y << 14 | events["p"].astype(np.uint32) << 28
        file.write(words.tobytes())


def hdf5(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write HDF5 in DSEC's layout, whose times count from the first event on."""
    write_dsec(chunks, file, about.path, about.size)


def hdf5_empty(start: Int64s, stop: Int64s) -> Int64s:
    """Count the entries of the index of milliseconds between events at these times, as bytes."""
    return (stop - start) // 1_000


def es(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write Event Stream 2: a byte per 127 microseconds without an event."""
    file.write(b"Event Stream" + struct.pack("<BBBBHH", 2, 0, 0, 1, *about.size))
    last = 0
    for events in chunks:
        t = np.ascontiguousarray(events["t"])
        steps = np.diff(t, prepend=last)
        ends = np.cumsum(steps // 127 + 5)
        out = np.full(int(ends[-1]), 0xFF, np.uint8)
        at = ends - 5
        x, y = events["x"], about.size[1] - 1 - events["y"].astype(np.int64)
        out[at] = (steps % 127) << 1 | events["p"]
        out[at + 1], out[at + 2] = x & 0xFF, x >> 8
        out[at + 3], out[at + 4] = y & 0xFF, y >> 8
        file.write(out.tobytes())
        last = int(t[-1])


def es_empty(start: Int64s, stop: Int64s) -> Int64s:
    """Count the bytes of Event Stream between events at these times."""
    return (stop - start) // 127


_QUARTER, _WRAP = 0x400, 0x1000
"""Steps of a TIME_HIGH word, in 4,096 microseconds: it wraps at the second."""


def evt3(chunks: Iterable[Events], file: BinaryIO, about: Heading) -> None:
    """Write EVT 3.0: words of 16 bits for a new time, a new row, and each event."""
    width, height = about.size
    # Metavision finds the plugin that reads a file by the names of its integrators.
    lines = ["% camera_integrator_name Prophesee", "% plugin_integrator_name Prophesee"]
    lines += ["% integrator_name Prophesee", "% plugin_name hal_plugin_prophesee"]
    lines += ["% evt 3.0", f"% format EVT3;height={height};width={width}"]
    lines += [f"% geometry {width}x{height}"]
    lines += [f"% t0 {about.origin}"] if about.origin else []
    lines += ["% end", ""]
    file.write("\n".join(lines).encode())
    high_before, low_before, y_before = -1, -1, -1
    for events in chunks:
        t, y = np.ascontiguousarray(events["t"]), events["y"].astype(np.int64)
        high, low = t >> 12, t & 0xFFF
        before = np.concatenate(([high_before], high[:-1]))
        new_high = high != before
        new_low = new_high | (np.diff(low, prepend=low_before) != 0)
        new_y = np.diff(y, prepend=y_before) != 0
        between = np.where(new_high, _words_between(np.maximum(before, 0), high), 0)
        count = between + new_high + new_low + new_y + 1
        ends = np.cumsum(count)
        out = np.empty(int(ends[-1]), "<u2")
        at = ends - 1
        out[at] = 0x2000 | events["p"].astype(np.uint16) << 11 | events["x"]
        at = at - new_y
        out[at[new_y]] = y[new_y]
        at = at - new_low
        out[at[new_low]] = 0x6000 | low[new_low]
        at = at - new_high
        out[at[new_high]] = 0x8000 | (high[new_high] & 0xFFF)
        for n in np.flatnonzero(between).tolist():
            words = _highs_between(max(int(before[n]), 0), int(high[n]))
            out[at[n] - len(words) : at[n]] = 0x8000 | (words & 0xFFF)
        file.write(out.tobytes())
        high_before, low_before, y_before = int(high[-1]), int(low[-1]), int(y[-1])


def evt3_empty(start: Int64s, stop: Int64s) -> Int64s:
    """Count the bytes of EVT 3.0 between events at these times."""
    return 2 * _words_between(start >> 12, stop >> 12)


def _words_between(start: Int64s, stop: Int64s) -> Int64s:
    """Count the words of :func:`_highs_between`."""
    quarters = (stop - 1) // _QUARTER - start // _QUARTER
    ends = stop // _WRAP - (start + 1) // _WRAP
    words: Int64s = np.maximum(quarters, 0) + np.maximum(ends, 0)
    return words


def _highs_between(start: int, stop: int) -> Int64s:
    # Readers see a wrap where the largest value is followed by a small one, and not all of them
    # at other jumps.
    quarters = np.arange(start // _QUARTER + 1, (stop - 1) // _QUARTER + 1) * _QUARTER
    ends = np.arange((start + 1) // _WRAP + 1, stop // _WRAP + 1) * _WRAP - 1
    return np.sort(np.concatenate((quarters, ends)))
