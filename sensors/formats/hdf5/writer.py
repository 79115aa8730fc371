"""Writing HDF5 in DSEC's layout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spikewire.sensors.errors import SensorError
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
    try:
        with h5py.File(file, "w") as target:
            _write(target, chunks, size)
    except RuntimeError as error:
        # HDF5 gives errors of Python's file back as errors of its own.
        cause = error.__context__ or error.__cause__
        raise (cause if isinstance(cause, OSError) else SensorError(f"{path}: {error}")) from None


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
    return target.create_dataset(
        name, (0,), kind, maxshape=(None,), chunks=(_CHUNK,), compression="lzf", shuffle=True
    )


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
