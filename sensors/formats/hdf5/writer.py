"""Writing HDF5 in DSEC's layout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spikewire.sensors.events import Events
from spikewire.sensors.formats.hdf5.file import load_h5py

_CHUNK = 1 << 16
_PIECE_MS = 1 << 20
"""Entries of the index that are made at once."""

_COLUMNS = {"p": "u1", "t": "<u4", "x": "<u2", "y": "<u2"}


def write_dsec(chunks: Iterable[Events], file: BinaryIO, path: Path, size: tuple[int, int]) -> None:
    """Write events as DSEC lays them out, to an open file.

    Columns ``events/x``, ``y``, ``p`` and ``t``, times after ``t_offset``, and ``ms_to_idx``: the
    number of the first event of each millisecond. Times beyond 71.6 minutes are written as 64 bits,
    which DSEC's own recordings never need.

    Parameters
    ----------
    chunks
        Checked events in time order.
    file
        The open file.
    path, size
        Its name in messages, and (width, height) of the sensor.

    Raises
    ------
    SensorError
        If h5py is not installed.
    OSError
        If the disk is full.
    """
    h5py = load_h5py(path)
    sink = _Sink(file)
    try:
        with h5py.File(sink, "w") as target:
            _write(target, sink.watched(chunks), size)
    except Exception:
        if sink.error is not None:
            raise sink.error from None
        raise
    if sink.error is not None:
        raise sink.error


class _Sink:
    """An open file for HDF5, which must see no error: it crashes at one of its file's.

    Attributes
    ----------
    error
        The first error of the disk; what is written after it is lost.
    """

    def __init__(self, file: BinaryIO) -> None:
        file.flush()
        self._number = file.fileno()
        self._at = self._size = 0
        self.error: OSError | None = None

    def watched(self, chunks: Iterable[Events]) -> Iterator[Events]:
        """Yield the chunks, as long as the disk takes them."""
        for events in chunks:
            yield events
            if self.error is not None:
                raise self.error

    def seek(self, at: int, whence: int = 0) -> int:
        """Move to a place."""
        self._at = at + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def write(self, data: bytes) -> int:
        """Write, or remember why not."""
        rest = memoryview(data).cast("B")
        count = len(rest)
        try:
            while rest and self.error is None:
                written = os.pwrite(self._number, rest, self._at + count - len(rest))
                rest = rest[written:]
        except OSError as error:
            self.error = error
        self._at += count
        self._size = max(self._size, self._at)
        return count

    def read(self, count: int = -1) -> bytes:
        """Read back."""
        data = b"" if self.error else os.pread(self._number, max(count, 0), self._at)
        self._at += len(data)
        return data

    def readinto(self, room: bytearray) -> int:
        """Read back into a buffer."""
        data = self.read(len(room))
        room[: len(data)] = data
        return len(data)

    def truncate(self, size: int) -> int:
        """Set the file's length."""
        self._size = size
        try:
            if self.error is None:
                os.ftruncate(self._number, size)
        except OSError as error:
            self.error = error
        return size

    def flush(self) -> None:
        """Nothing is held back."""


def _write(target: Any, chunks: Iterable[Events], size: tuple[int, int]) -> None:
    target.attrs["width"], target.attrs["height"] = size
    for name, kind in _COLUMNS.items():
        _column(target, f"events/{name}", kind)
    index = _column(target, "ms_to_idx", "<u8")
    count, offset, next_ms = 0, 0, 0
    for events in chunks:
        if not count:
            offset = int(events["t"][0])
        t = np.ascontiguousarray(events["t"]) - offset
        if int(t[-1]) >= 1 << 32 and target["events/t"].dtype.itemsize == 4:
            _widen(target)
        for name in _COLUMNS:
            _append(target[f"events/{name}"], t if name == "t" else events[name])
        last_ms = int(t[-1]) // 1000
        while next_ms <= last_ms:
            stop = min(last_ms + 1, next_ms + _PIECE_MS)
            edges = np.arange(next_ms, stop, dtype=np.int64) * 1000
            _append(index, np.searchsorted(t, edges) + count)
            next_ms = stop
        count += len(events)
    if count:
        _append(index, np.array([count]))
    target.create_dataset("t_offset", data=np.int64(offset))


def _column(target: Any, name: str, kind: str) -> Any:
    # The one filter that every program's HDF5 has; level 1 is as fast as LZF, and smaller.
    return target.create_dataset(
        name, (0,), kind, maxshape=(None,), chunks=(_CHUNK,), compression="gzip",
        compression_opts=1, shuffle=True,
    )  # fmt: skip


def _append(dataset: Any, values: npt.NDArray[Any]) -> None:
    start = dataset.shape[0]
    dataset.resize((start + len(values),))
    dataset[start:] = values


def _widen(target: Any) -> None:
    """Give the times 64 bits."""
    narrow = target["events/t"]
    wide = _column(target, "events/wide", "<i8")
    for start in range(0, narrow.shape[0], _CHUNK):
        _append(wide, narrow[start : start + _CHUNK])
    del target["events/t"]
    target.move("events/wide", "events/t")
