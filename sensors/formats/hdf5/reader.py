"""Reading events from HDF5, in chunks as they are stored, from any time on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.sensors.errors import DecodeError, SensorError, quoted
from spikewire.sensors.events import Events
from spikewire.sensors.formats.container import Wish, choice_note
from spikewire.sensors.formats.csv_layout import UNITS
from spikewire.sensors.formats.hdf5.attributes import attributes
from spikewire.sensors.formats.hdf5.file import hdf5_errors, missing_filter, open_hdf5
from spikewire.sensors.formats.hdf5.layout import Found, find_events, sensor_size
from spikewire.sensors.formats.matlab_counting import Counting, described
from spikewire.sensors.formats.numpy_arrays import STEP, to_events

MATLAB = b"MATLAB 7.3 MAT-file"
"""Beginning of MATLAB's files of version 7.3, before the HDF5."""

MOST_CHUNK_BYTES = 64 << 20
"""Largest chunk that is read: HDF5 unpacks whole chunks, one for each column at a time."""


class _Rows:
    """Rows of a dataset, read in order and in whole chunks.

    HDF5 unpacks a chunk anew for each piece of it that is asked for.

    Attributes
    ----------
    stored
        Number of rows that have a place in the file: HDF5 gives zeros for the others.
    """

    def __init__(self, path: Path, dataset: Any, *, column: bool) -> None:
        if dataset.is_virtual or dataset.external:
            raise SensorError(f"{path} names other files that hold its events: read those.")
        self._dataset = dataset
        shape, chunks = dataset.shape, dataset.chunks
        # A column of MATLAB has two axes, and one row.
        self._across = column and len(shape) == 2 and shape[0] == 1
        axis = int(self._across)
        row = dataset.dtype.itemsize * (shape[1] if len(shape) == 2 and not column else 1)
        if chunks:
            self._step = max(1, STEP // chunks[axis]) * chunks[axis]
            size = int(np.prod(chunks, dtype=np.int64)) * dataset.dtype.itemsize
            self.stored = min(shape[axis], dataset.id.get_num_chunks() * chunks[axis])
        else:
            self._step, size = STEP, 0
            self.stored = min(shape[axis], dataset.id.get_storage_size() // max(1, row))
        if size > MOST_CHUNK_BYTES:
            raise SensorError(
                f"{path} is stored in chunks of {size:,} bytes, and {MOST_CHUNK_BYTES:,} are read: "
                "write it again in smaller ones, as by h5repack -l CHUNK=65536."
            )
        self._column = column
        self._start = 0
        self._rows: npt.NDArray[Any] = np.empty(0)

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Return rows of a stretch; fewer if what is unpacked ends before."""
        if not self._start <= start < self._start + len(self._rows):
            self._start = start // self._step * self._step
            # Rows without a place cost a search each.
            end = min(self._start + self._step, self.stored) if start < self.stored else stop
            stretch = slice(self._start, end)
            part = np.asarray(self._dataset[0, stretch] if self._across else self._dataset[stretch])
            self._rows = part.reshape(-1) if self._column else part
        return self._rows[start - self._start : stop - self._start]


class _Columns:
    """The four columns of a file's events."""

    def __init__(self, path: Path, file: Any, found: Found, names: str = "txyp") -> None:
        self._found, self._names = found, names
        column = found.fields["t"] is None
        self._rows = {
            name: _Rows(path, file[name], column=column)
            for name in {found.columns[name] for name in names}
        }
        self.stored = min(rows.stored for rows in self._rows.values())

    def read(self, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """Return a stretch of each column; fewer rows if what is unpacked ends before."""
        parts = {name: rows.rows(start, stop) for name, rows in self._rows.items()}
        length = min(len(part) for part in parts.values())
        columns = {}
        for name in self._names:
            part, field = parts[self._found.columns[name]][:length], self._found.fields[name]
            if isinstance(field, int):
                part = part[:, field]
            columns[name] = part if field is None or isinstance(field, int) else part[field]
        return columns


class Hdf5:
    """Events of an HDF5 file.

    Parameters
    ----------
    path
        The file.
    wish
        The name of the events in it, the columns of a table, and the unit of its times.

    Raises
    ------
    SensorError
        If it holds no events, or they cannot be read.
    """

    progress = 0.0

    def __init__(self, path: Path, wish: Wish) -> None:
        self._path = path
        with open_hdf5(path) as file:
            found = find_events(path, file, wish)
            self._found = found[0]
            for name in sorted(set(self._found.columns.values())):
                fault = missing_filter(path, file[name])
                if fault is not None:
                    raise fault
            self.size = sensor_size(path, file, self._found)
            self._offset = _time_offset(file, self._found)
            self._unit = wish.unit or self._unit_of(file)
            self.first_us: int | None = None
            if self._found.count and len(first := self._times(file, 0, 1)):
                self.first_us = int(first[0])
            self._first = self._counting(file).first()
        stated = f"{quoted(self._found.path or '/', 80)[1:-1]}, times in {self._unit}"
        if isinstance(self._found.fields["t"], int):
            places = sorted(self._found.fields.items(), key=lambda item: str(item[1]))
            stated += f", columns {','.join(name for name, _ in places)}"
        if self._offset:
            stated += f" from t_offset {self._offset:,} us on"
        stated = "; ".join(filter(None, [stated, described(self._first)]))
        others = choice_note([one.path or "/" for one in found])
        self.note = "; ".join(filter(None, [stated, others]))

    def _unit_of(self, file: Any) -> str:
        """Tell the unit of the times: as stated, else seconds for fractions, or microseconds."""
        dataset = file[self._found.columns["t"]]
        known = attributes(self._path, dataset, ("unit", "units"))
        stated = known.get("unit", known.get("units", ""))
        stated = stated.decode("ascii", "replace") if isinstance(stated, bytes) else str(stated)
        words = {"microseconds": "us", "milliseconds": "ms", "nanoseconds": "ns", "seconds": "s"}
        stated = words.get(stated.lower(), stated.lower())
        if stated in UNITS:
            return stated
        few = _Columns(self._path, file, self._found, "t").read(0, STEP)["t"]
        if few.dtype.kind != "f":
            return "us"
        with np.errstate(invalid="ignore"):
            whole = len(few) > 1 and bool((few == np.floor(few)).all())
        return "us" if whole and float(few[0]) != float(few[-1]) else "s"

    def _counting(self, file: Any) -> Counting:
        """Read the places of a file of MATLAB 7.3: they may count from 1."""
        counting = Counting()
        with open(self._path, "rb") as raw:
            if raw.read(len(MATLAB)) != MATLAB:
                return counting
        columns = _Columns(self._path, file, self._found, "xyp")
        with suppress(DecodeError), hdf5_errors(self._path):
            for at in range(0, columns.stored, STEP):
                counting.add(columns.read(at, min(columns.stored, at + STEP)))
        return counting

    def _times(self, file: Any, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Return the times of some events."""
        t = _Columns(self._path, file, self._found, "t").read(start, stop)["t"]
        few = {name: np.zeros(len(t), np.uint8) for name in "xyp"}
        return to_events({"t": t, **few}, self._unit)["t"].astype(np.int64) + self._offset

    def events(self, start_us: int, left_out: Counter[str]) -> Iterator[Events]:
        """Yield unchecked events in chunks, from a time after the first event on."""
        with open_hdf5(self._path) as file:
            columns = _Columns(self._path, file, self._found)
            at = self._place(file, start_us) if start_us > 0 else 0
            count = self._found.count
            while at < count:
                try:
                    with hdf5_errors(self._path):
                        parts = columns.read(at, min(columns.stored, at + STEP))
                except DecodeError as error:
                    raise DecodeError(
                        self._path, f"event {at:,} of {count:,} cannot be read: {error.reason}"
                    ) from None
                if not len(parts["t"]):
                    raise DecodeError(
                        self._path, f"{count - at:,} of {count:,} events are missing."
                    )
                for name, first in self._first.items():
                    if first:
                        parts[name] = parts[name] - first
                events = to_events(parts, self._unit)
                if self._offset:
                    events["t"] += self._offset
                at += len(events)
                self.progress = at / count
                yield events

    def _place(self, file: Any, start_us: int) -> int:
        """Return the number of the first event at a time after the first one."""
        if self.first_us is None:
            return 0

        def early(number: int) -> bool:
            return int(self._times(file, number, number + 1)[0]) < wanted

        wanted = self.first_us + start_us
        low, high = _stretch(file, self._found, wanted - self._offset)
        # The index may be wrong: events at its edges have to agree.
        if low and not early(low - 1):
            low = 0
        if high < self._found.count and early(high):
            high = self._found.count
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if early(middle) else (low, middle)
        return low


def _time_offset(file: Any, found: Found) -> int:
    """Return DSEC's ``t_offset``: microseconds to be added to every time."""
    parent = found.path.rpartition("/")[0]
    for name in (f"{found.path}/t_offset", f"{parent}/t_offset", "t_offset"):
        known = file.get(name.lstrip("/"))
        if known is not None and hasattr(known, "shape") and known.size == 1:
            if known.dtype.kind in "iu":
                offset = int(np.asarray(known).reshape(-1)[0])
                return offset if abs(offset) <= 1 << 62 else 0
            return 0
    return 0


def _stretch(file: Any, found: Found, t_us: int) -> tuple[int, int]:
    """Return a stretch of events that an index of the file names for a time; all without one."""
    parent = found.path.rpartition("/")[0]
    names = ("ms_to_idx", "ms_map_idx")
    places = [f"{group}/{name}".lstrip("/") for group in ("", parent, found.path) for name in names]
    for place in places:
        index = file.get(place)
        if index is None or not hasattr(index, "shape") or len(index.shape) != 1:
            continue
        ms = t_us // 1000
        if index.chunks and index.chunks[0] * index.dtype.itemsize > MOST_CHUNK_BYTES:
            continue
        if index.dtype.kind in "iu" and 0 <= ms < index.shape[0]:
            low, high = (int(at) for at in (*index[ms : ms + 2], found.count)[:2])
            if 0 <= low <= high <= found.count:
                return low, high
    return 0, found.count
