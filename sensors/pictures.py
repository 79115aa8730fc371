"""Events counted per cell of a picture, and packed into the bytes of its changed cells."""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
import numpy.typing as npt

from spikewire._jit import kernel
from spikewire.sensors.events import INT64_ARRAY, MOST_TIME_US

# Kinds of cells in a packed picture; 0 stands before two counts.
_ONLY_OFF, _ONE_OF_EACH = 7, 15
_FAR = 15
_MOST_BYTES_PER_CELL = 7

_BYTES = numba.uint8[::1]
_WORDS = numba.uint64[::1]
_X = numba.types.Array(numba.uint16, 1, "C", readonly=True)
_P = numba.types.Array(numba.uint8, 1, "C", readonly=True)
_PLACES = numba.int32[::1]
_TIMES = numba.types.Array(numba.int64, 1, "C", readonly=True)


@kernel(numba.int64(_X, _X, _P, _PLACES, _PLACES, _BYTES), soon=True)
def _count(x, y, p, columns, rows, counts):  # type: ignore[no-untyped-def]
    on = np.int64(0)
    for i in range(x.shape[0]):
        at = rows[y[i]] + columns[x[i]] + np.int64(p[i])
        so_far = counts[at]
        counts[at] = so_far + np.uint8(so_far != np.uint8(255))
        on += np.int64(p[i])
    return on


@kernel(numba.int64(_WORDS, _BYTES, _BYTES, numba.int64), soon=True)
def _pack(words, counts, out, limit):  # type: ignore[no-untyped-def]
    """Pack the changed cells; -1 if they take more than ``limit`` bytes."""
    n = np.int64(0)
    last = np.int64(-1)
    most = limit - np.int64(4 * 7)
    for word in range(words.shape[0]):
        if words[word] == np.uint64(0):
            continue
        if n > most:
            return np.int64(-1)
        for cell in range(4 * word, 4 * word + 4):
            off, on = np.int64(counts[2 * cell]), np.int64(counts[2 * cell + 1])
            if on + off == 0:
                continue
            gap = cell - last - 1
            last = np.int64(cell)
            kind = np.int64(0)
            if off == 0 and on < 8:
                kind = on
            elif on == 0 and off < 8:
                kind = off + 7
            elif on == 1 and off == 1:
                kind = np.int64(15)
            out[n] = np.uint8((min(gap, np.int64(15)) << 4) | kind)
            n += 1
            if gap >= 15:
                gap -= 15
                while gap >= 128:
                    out[n] = np.uint8((gap & 127) | 128)
                    n += 1
                    gap >>= 7
                out[n] = np.uint8(gap)
                n += 1
            if kind == 0:
                out[n], out[n + 1] = np.uint8(on), np.uint8(off)
                n += 2
    return n


@kernel(numba.void(_BYTES, INT64_ARRAY, _BYTES), soon=True)
def _halve(counts, shapes, out):  # type: ignore[no-untyped-def]
    """Join blocks of two by two cells; ``shapes`` are columns and rows, then those of ``out``."""
    columns, rows, fewer = shapes[0], shapes[1], shapes[2]
    for row in range(rows):
        for column in range(columns):
            for p in range(2):
                more = np.int64(counts[2 * (row * columns + column) + p])
                if more:
                    at = 2 * ((row >> 1) * fewer + (column >> 1)) + p
                    out[at] = np.uint8(min(np.int64(255), np.int64(out[at]) + more))


@cache
def _places(pixels: int, scale: int, step: int) -> npt.NDArray[np.int32]:
    """Place in the counts at which the cell of each column, or row, of pixels begins."""
    return (np.arange(pixels) // scale * step).astype(np.int32)


class PictureCounts:
    """Events per cell and polarity.

    Parameters
    ----------
    size
        (width, height) of the sensor.
    scale
        Pixels of a side that one cell stands for.

    Attributes
    ----------
    shape
        (columns, rows) of the picture.
    on, off
        Events of each polarity, in all.
    """

    def __init__(self, size: tuple[int, int], scale: int = 1) -> None:
        columns, rows = -(-size[0] // scale), -(-size[1] // scale)
        self.size, self.scale, self.shape = size, scale, (columns, rows)
        self.on = self.off = 0
        # OFF, then ON of each cell; four cells are looked at in one go.
        self._words = np.zeros(-(-columns * rows // 4), np.uint64)
        self._counts = self._words.view(np.uint8)
        self._columns = _places(size[0], scale, 2)
        self._rows = _places(size[1], scale, 2 * columns)

    def add(
        self, x: npt.NDArray[np.uint16], y: npt.NDArray[np.uint16], p: npt.NDArray[np.uint8]
    ) -> None:
        """Count events, which must lie on the sensor: x and y uint16[n], p uint8[n] in {0, 1}."""
        on = int(_count(x, y, p, self._columns, self._rows, self._counts))
        self.on += on
        self.off += len(x) - on

    def counts(self) -> npt.NDArray[np.uint8]:
        """Events per cell, at most 255: uint8[rows, columns, 2], OFF first."""
        columns, rows = self.shape
        return self._counts[: 2 * columns * rows].reshape(rows, columns, 2).copy()

    def pack(self, limit: int) -> bytes | None:
        """Pack the changed cells, row by row; None if that takes more than ``limit`` bytes.

        Each changed cell is a byte, whose upper four bits are the number of unchanged cells before
        it. 15 stands for 15 or more: what is more follows, seven bits in a byte, the lowest first,
        with the eighth bit set in all but the last. The lower four bits are the cell's kind: 1 to 7
        so many ON events, 8 to 14 seven more than the OFF events, 15 one of each; after 0 and the
        gap two bytes follow, ON and OFF.
        """
        columns, rows = self.shape
        room = min(limit, _MOST_BYTES_PER_CELL * columns * rows) + 4 * _MOST_BYTES_PER_CELL
        out = np.empty(room, np.uint8)
        n = int(_pack(self._words, self._counts, out, room))
        return None if n < 0 or n > limit else out[:n].tobytes()

    def halved(self) -> PictureCounts:
        """Return a picture of half as many columns and rows with the same events."""
        made = PictureCounts(self.size, 2 * self.scale)
        _halve(self._counts, np.array([*self.shape, made.shape[0]], np.int64), made._counts)
        made.on, made.off = self.on, self.off
        return made

    def clear(self) -> None:
        """Count from nothing again."""
        self._words.fill(0)
        self.on = self.off = 0


def unpack_picture(packed: bytes, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the counts of a packed picture: uint8[rows, columns, 2], OFF first.

    Raises
    ------
    ValueError
        If the bytes are no picture of that shape.
    """
    counts = np.zeros((shape[0] * shape[1], 2), np.uint8)
    bytes_left = iter(packed)
    cell = -1
    try:
        for head in bytes_left:
            gap, kind = head >> 4, head & 15
            if gap == _FAR:
                shift, more = 0, 128
                while more & 128:
                    more = next(bytes_left)
                    gap += (more & 127) << shift
                    shift += 7
            cell += gap + 1
            if kind == 0:
                on, off = next(bytes_left), next(bytes_left)
            elif kind == _ONE_OF_EACH:
                on = off = 1
            else:
                on, off = (kind, 0) if kind <= _ONLY_OFF else (0, kind - _ONLY_OFF)
            counts[cell] = off, on
    except (StopIteration, IndexError):
        raise ValueError(f"{len(packed)} bytes are no picture of {shape[0]}x{shape[1]}") from None
    return counts.reshape(shape[1], shape[0], 2)


MOST_INTERVAL = 32
"""Bins of times between two events of a pixel: bin n counts those from 2**n us, the first all
below 2 us, the last all above."""


@kernel(numba.void(_TIMES, _X, _X, INT64_ARRAY, INT64_ARRAY, numba.int64), soon=True)
def _intervals(t, x, y, last, bins, width):  # type: ignore[no-untyped-def]
    for i in range(t.shape[0]):
        at = np.int64(y[i]) * width + np.int64(x[i])
        passed = t[i] - last[at]
        last[at] = t[i]
        if passed < 0:
            continue  # the pixel's first event
        n = np.int64(0)
        while passed > 1 and n < 31:
            passed >>= 1
            n += 1
        bins[n] += 1


class IntervalCounts:
    """Times between two events of the same pixel, as a histogram of powers of two.

    Parameters
    ----------
    size
        (width, height) of the sensor.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._last = np.full(size[0] * size[1], MOST_TIME_US, np.int64)
        self._bins = np.zeros(MOST_INTERVAL, np.int64)

    def add(
        self, t: npt.NDArray[np.int64], x: npt.NDArray[np.uint16], y: npt.NDArray[np.uint16]
    ) -> None:
        """Take events of one segment in time order, which must lie on the sensor."""
        _intervals(t, x, y, self._last, self._bins, self.size[0])

    def take(self) -> list[int]:
        """Return the histogram since the last call: bin n counts times from 2**n microseconds."""
        found: list[int] = self._bins.tolist()
        self._bins[:] = 0
        return found
