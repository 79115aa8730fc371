"""An own reader of NPY and NPZ: structured arrays, tables, or one array per field; in chunks."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from spikewire.sensors.errors import DecodeError, SensorError, quoted
from spikewire.sensors.events import EVENT_DTYPE, Events
from spikewire.sensors.formats.archive import archive_ended, archive_members
from spikewire.sensors.formats.csv_layout import columns_by_values, field_name

NPY = b"\x93NUMPY"
STEP = 1 << 16
"""Events read at once."""

_TO_US = {"s": 1_000_000, "ms": 1_000, "us": 1}

Rows = npt.NDArray[Any]


class _Reads(Protocol):
    def read(self, count: int, /) -> bytes:
        """Read up to so many bytes."""


class Array:
    """A stored array of which rows are read in order.

    Attributes
    ----------
    dtype, shape
        As stored.
    """

    def __init__(self, file: _Reads) -> None:
        self._file = file
        try:
            head = file.read(8)
            if head[:6] != NPY or len(head) < 8:
                raise ValueError("its header is cut short")
            wide = head[6] > 1
            size = struct.unpack("<I" if wide else "<H", file.read(4 if wide else 2))[0]
            if size > 1 << 16:
                raise ValueError(f"its header claims {size:,} bytes")
            text = file.read(size)
            if len(text) < size:
                raise ValueError("its header is cut short")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # "created on Python 2"
                fields = np.lib.format.read_array_header_2_0(
                    io.BytesIO(struct.pack("<I", size) + text)
                )
        except Exception as error:
            # NumPy reads the header with Python's own parser, and lets any of its errors through.
            lines = str(error).splitlines() if isinstance(error, ValueError) else []
            raise SensorError(
                ascii("".join(lines[:1]))[1:-1][:200].rstrip(".") or "its header is damaged"
            ) from None
        self.start = 8 + (4 if wide else 2) + size
        self.shape, fortran, self.dtype = fields
        if self.dtype.hasobject or not 0 < self.dtype.itemsize <= 4096:
            raise SensorError(f"it holds {quoted(str(self.dtype))}, no numbers")
        if fortran and len(self.shape) > 1:
            raise SensorError("it is stored column by column; save np.ascontiguousarray(array)")
        if not 1 <= len(self.shape) <= 2 or any(n < 0 for n in self.shape):
            raise SensorError(
                f"it has the shape {quoted(str(self.shape))}; lists and tables are read"
            )
        self.width = self.shape[1] if len(self.shape) == 2 else 1
        self._row = self.dtype.itemsize * self.width
        if not 0 < self._row <= 1 << 16:
            raise SensorError(
                f"it has the shape {quoted(str(self.shape))}; lists and tables are read"
            )
        self.read_rows = 0
        self._rest = b""

    def rows(self, count: int) -> Rows:
        """Read up to so many rows; fewer if the file ends."""
        count = min(count, self.shape[0] - self.read_rows)
        want = count * self._row
        data = self._rest
        while len(data) < want:
            try:
                more = self._file.read(want - len(data))
            except zlib.error:
                more = b""
            if not more:
                break
            data += more
        whole = len(data) // self._row
        self._rest = data[whole * self._row :]
        self.read_rows += whole
        rows = np.frombuffer(data, self.dtype, whole * self.width)
        return rows.reshape(whole, self.width) if len(self.shape) == 2 else rows

    def skip(self, file: BinaryIO, count: int) -> None:
        """Go on behind so many rows of a file that holds this array alone."""
        file.seek(self.start + count * self._row)
        self.read_rows, self._rest = count, b""

    @property
    def missing(self) -> int:
        """Rows that the header announces and that are not there."""
        return int(self.shape[0] - self.read_rows)


def read_numpy(
    path: Path, file: BinaryIO, *, columns: Sequence[str] | None, unit: str | None
) -> Iterator[Events]:
    """Yield the events of an NPY or NPZ file, unchecked.

    A structured array's fields are taken by name, in any order and of any type of number; so are
    the arrays of an archive that has one per field. The columns of a table are given, or told by
    their values. Times are microseconds if they are whole numbers, else seconds.

    Parameters
    ----------
    path
        What to call it in messages.
    file
        It, from its beginning; must be seekable.
    columns, unit
        What the caller knows.

    Raises
    ------
    SensorError
        If it holds no events.
    DecodeError
        After the events before the damage, if it is cut short.
    """
    head = file.read(6)
    file.seek(0)
    whole = ended = True
    try:
        if head == NPY:
            arrays = {"": Array(file)}
        else:
            arrays = {}
            members, whole = archive_members(file, path)
            ended = archive_ended(file)
            whole = whole or ended
            for name, member in members.items():
                if column_part(name) or not arrays:
                    arrays[name] = Array(member)
    except SensorError as error:
        raise DecodeError(path, f"{error}.", 0) from None
    parts = {
        column_part(name): array
        for name, array in arrays.items()
        if column_part(name) not in ("", "*")
    }
    table = next((array for name, array in arrays.items() if column_part(name) == "*"), None)
    if {"t", "x", "y", "p"} <= parts.keys() or {"t", "xy", "p"} <= parts.keys():
        yield from read_parts(path, parts, unit, path.stat().st_size)
    elif table is not None and (whole or table.dtype.names):
        yield from _from_one(path, table, columns, unit)
    elif len(arrays) == 1 and (whole or next(iter(arrays.values())).dtype.names):
        yield from _from_one(path, next(iter(arrays.values())), columns, unit)
    elif not whole:
        raise DecodeError(path, "the archive is cut short.", path.stat().st_size)
    elif not arrays:
        raise SensorError(f"{path} is an archive without NumPy arrays.")
    elif parts:
        lacks = ", ".join(sorted({"t", "x", "y", "p"} - parts.keys()))
        raise SensorError(f"{path} holds the arrays {quoted(', '.join(arrays))}; {lacks} missing.")
    else:
        array = next(iter(arrays.values()))
        yield from _from_one(path, array, columns, unit)
    if not ended:
        raise DecodeError(path, "the archive is cut short.", path.stat().st_size)


def column_part(name: str) -> str:
    """Return what an array of an archive holds: one column, ``xy`` for two, ``*`` for a table.

    The recordings of EVIMO have ``events_t``, ``events_xy`` and ``events_p``.
    """
    bare = re.sub(r"^(dataset_)?events?[_./]", "", name.lower())
    if bare in ("events", "event", "td"):
        return "*"
    return "xy" if bare in ("xy", "x_y") else field_name(bare)


def _from_one(
    path: Path, array: Array, columns: Sequence[str] | None, unit: str | None
) -> Iterator[Events]:
    if array.dtype.names is not None and array.width == 1:
        fields_of(path, np.empty(0, array.dtype))
        while len(rows := array.rows(STEP)):
            rows = rows.reshape(-1)
            yield to_events(fields_of(path, rows), unit)
    else:
        _check_numbers(path, {"t": array.dtype})
        places: dict[str, int] | None = None
        while len(rows := array.rows(STEP)):
            if rows.ndim != 2:
                raise SensorError(f"{path} holds one column of numbers; events have t, x, y and p.")
            if places is None:
                chosen = columns or columns_by_values(
                    [[str(v) for v in row] for row in rows[:4096]]
                )
                if chosen is None:
                    raise SensorError(
                        f"{path} is a table whose values do not tell which columns are t, x, y "
                        "and p: name them, such as x,y,p,t."
                    )
                places = {name: n for n, name in enumerate(chosen) if name}
                if max(places.values()) >= rows.shape[1]:
                    raise SensorError(f"{path} has {rows.shape[1]} columns only.")
                if unit is None:
                    check_times(path, rows[:, places["t"]])
            yield to_events({name: rows[:, n] for name, n in places.items()}, unit)
    if array.missing:
        raise DecodeError(
            path,
            f"{array.missing:,} of {array.shape[0]:,} events are missing.",
            path.stat().st_size,
        )


def fields_of(path: Path, rows: Rows) -> dict[str, Rows]:
    """Return the columns t, x, y and p of a structured array, by its fields' names.

    Raises
    ------
    SensorError
        If one is missing, or is no number.
    """
    names = rows.dtype.names or ()
    fields = {field_name(name.lower()): name for name in names if field_name(name.lower())}
    missing = [name for name in ("t", "x", "y", "p") if name not in fields]
    if missing:
        held = quoted(", ".join(names)) if names else "no fields"
        raise SensorError(f"{path} holds the fields {held}; {', '.join(missing)} missing.")
    _check_numbers(path, {name: rows.dtype[field] for name, field in fields.items()})
    return {name: rows[field] for name, field in fields.items()}


def read_parts(
    path: Path, parts: dict[str, Array], unit: str | None, end: int | None
) -> Iterator[Events]:
    """Yield the events of an array for each column, or for each but x and y.

    Parameters
    ----------
    path
        The name in messages.
    parts
        The arrays, by ``t``, ``x``, ``y``, ``p`` and ``xy``.
    unit
        Unit of their times, if the caller knows.
    end
        The byte to be named where events are missing.

    Raises
    ------
    SensorError
        If they are no such columns.
    DecodeError
        After the events before the damage, if events are missing.
    """
    _check_numbers(path, {name: array.dtype for name, array in parts.items()})
    lengths = {array.shape[0] for array in parts.values()}
    widths = {name: 2 if name == "xy" else 1 for name in parts}
    if len(lengths) > 1 or any(array.width != widths[name] for name, array in parts.items()):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in parts.items())
        raise SensorError(f"{path} holds arrays of different lengths: {quoted(shapes, 100)}.")
    while True:
        columns = {name: array.rows(STEP) for name, array in parts.items()}
        count = min(len(column) for column in columns.values())
        if "xy" in columns:
            places = columns.pop("xy")
            columns |= {"x": places[:, 0], "y": places[:, 1]}
        if count:
            flat = {name: column[:count].reshape(-1) for name, column in columns.items()}
            yield to_events(flat, unit)
        if count < STEP:
            break
    missing = max(array.missing for array in parts.values())
    if missing:
        length = lengths.pop()
        raise DecodeError(path, f"{missing:,} of {length:,} events are missing.", end)


def check_times(path: Path, t: Rows) -> None:
    """Refuse whole times among floating-point numbers: nobody can tell their unit.

    Raises
    ------
    SensorError
        If all are whole.
    """
    if t.dtype.kind != "f" or not np.isfinite(t).all() or (np.rint(t) != t).any():
        return
    if t.min() == t.max():
        return
    raise SensorError(
        f"{path} is a table whose times are whole numbers from {t.min():.0f} on, which may be "
        "milliseconds (as in Tonic's copy of DVS128 Gesture) or microseconds: tell the unit, such "
        "as --unit ms."
    )


def _check_numbers(path: Path, dtypes: dict[str, np.dtype[Any]]) -> None:
    for name, dtype in dtypes.items():
        if dtype.kind not in "biuf" or dtype.subdtype is not None:
            raise SensorError(f"{path} holds {name} as {quoted(str(dtype))}, which is no number.")


def to_events(columns: dict[str, Rows], unit: str | None) -> Events:
    """Convert columns of numbers into events; what our fields cannot hold, the check counts."""
    events = np.empty(len(columns["t"]), EVENT_DTYPE)
    t = columns["t"]
    if t.dtype.kind == "f":
        factor = 1e-3 if unit == "ns" else float(_TO_US[unit or "s"])
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = np.rint(t.astype(np.float64) * factor)
            usable = np.abs(scaled) < 2.0**62
            events["t"] = np.where(usable, scaled, -(2.0**62))
    else:
        whole = t.astype(np.int64)
        events["t"] = whole // 1000 if unit == "ns" else whole * _TO_US[unit or "us"]
    for name in ("x", "y"):
        events[name] = _small(columns[name], 65535)
    p = columns["p"]
    events["p"] = p if p.dtype.kind == "b" else _small(np.where(p == -1, 0, p), 255)
    return events


def _small(values: Rows, most: int) -> Rows:
    """Return whole numbers from 0 to ``most``; everything else becomes ``most``."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= (1 if most == 255 else 2):
        return values
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            return np.where((values >= 0) & (values < most), values, most).astype(np.int64)
    return np.where((values >= 0) & (values < most), values, most)
