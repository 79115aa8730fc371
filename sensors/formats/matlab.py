"""MATLAB's .mat files of version 5: where their arrays of numbers lie, and their events.

Source: MathWorks' description of MAT-files, level 5. A header of 128 bytes is followed by elements
of type, size and data, padded to 8 bytes; an array is an element of elements, and may be compressed
as a whole. Files of version 7.3 are HDF5.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spikewire.sensors.errors import DecodeError, SensorError, quoted
from spikewire.sensors.events import Events
from spikewire.sensors.formats.container import Wish, choice_note, list_of
from spikewire.sensors.formats.csv_layout import columns_by_values, field_name
from spikewire.sensors.formats.matlab_arrays import Stored, array_file, stored_arrays
from spikewire.sensors.formats.matlab_counting import Counting, described
from spikewire.sensors.formats.numpy_arrays import STEP, to_events

Column = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Source:
    """Four columns of numbers, or a table that holds them row by row."""

    name: str
    columns: Mapping[str, Stored]
    table: Stored | None = None

    @property
    def count(self) -> int:
        """Number of its events."""
        for column in self.columns.values():
            return column.count
        return 0 if self.table is None else self.table.shape[1]


class MatlabFile:
    """The events of a .mat file: a structure or variables t, x, y and p, or a table.

    Attributes
    ----------
    size
        None: such files do not say it.
    note
        The structure that is read, and the conventions found in its values.
    first_us
        None: a reading begins at the first event.
    """

    size: tuple[int, int] | None = None
    first_us: int | None = None
    progress = 0.0

    def __init__(self, path: Path, wish: Wish) -> None:
        self._path, self._wish = path, wish
        self._damage: DecodeError | None = None
        with open(path, "rb") as file:
            try:
                arrays, damage = stored_arrays(file)
            except struct.error:
                arrays, damage = [], "it is cut short"
        found = _sources(arrays, wish.columns)
        if damage is not None:
            self._damage = DecodeError(path, f"{damage}.", path.stat().st_size)
        self._source = self._chosen(found, arrays)
        notes: list[str] = []
        self._unit, self._first = wish.unit, Counting().first()
        if self._source is not None:
            self._unit, self._first, notes = self._conventions(self._source)
        names = [each.name for each in found]
        self.note = "; ".join([*filter(None, [choice_note(names)]), *notes])

    def _chosen(self, found: Sequence[_Source], arrays: Sequence[Stored]) -> _Source | None:
        wanted = self._wish.member
        if wanted is not None:
            chosen = next((one for one in found if one.name.strip("/") == wanted.strip("/")), None)
            if chosen is None:
                raise SensorError(
                    f"{self._path} has no events {quoted(wanted)}; it has "
                    f"{list_of([one.name for one in found]) or 'none'}."
                )
            return chosen
        if found:
            return found[0]
        if self._damage is None:
            held = list_of([each.name for each in arrays]) or "no arrays of numbers"
            raise SensorError(
                f"{self._path} is a MATLAB file without events: it holds {held}, among which no "
                "structure has x, y, p and ts."
            )
        return None

    def events(self, start_us: int, left_out: Counter[str]) -> Iterator[Events]:
        """Yield unchecked events in chunks."""
        if self._source is not None:
            done = 0
            for columns in _chunks(self._path, self._source, self._wish.columns):
                done += len(columns["t"])
                self.progress = done / max(self._source.count, 1)
                for name, first in self._first.items():
                    if first:
                        columns[name] = columns[name] - first
                yield to_events(columns, self._unit)
        if self._damage is not None:
            raise self._damage

    def _conventions(self, source: _Source) -> tuple[str | None, dict[str, int], list[str]]:
        """Tell the unit of times, the numbers of the first places, and both in words.

        MATLAB's numbers are floating-point by default: whole ones are microseconds all the same.
        """
        unit = self._wish.unit
        counting = Counting()
        whole = fractions = False
        try:
            for columns in _chunks(self._path, source, self._wish.columns):
                counting.add(columns)
                t = columns["t"]
                whole = True
                if t.dtype.kind == "f" and not fractions:
                    with np.errstate(invalid="ignore"):
                        fractions = bool((np.rint(t) != t).any())
        except (DecodeError, SensorError):
            pass
        notes: list[str] = []
        if unit is None and whole:
            unit = "s" if fractions else "us"
            notes.append(f"times in {unit}")
        first = counting.first()
        return unit, first, [*notes, *filter(None, [described(first)])]


def _sources(arrays: Sequence[Stored], columns: Sequence[str] | None) -> list[_Source]:
    """List the structures that have all four columns, then the tables of four columns."""
    by_parent: dict[str, dict[str, Stored]] = {}
    for each in arrays:
        parent, _, name = each.name.rpartition("/")
        role = field_name(name.lower())
        if role and each.is_list:
            by_parent.setdefault(parent, {}).setdefault(role, each)
    sources = [
        _Source(parent or "/", found)
        for parent, found in by_parent.items()
        if len(found) == 4 and len({one.count for one in found.values()}) == 1
    ]
    width = len(columns) if columns is not None else 4
    for each in arrays:
        if len(each.shape) == 2 and each.shape[1] == width and each.shape[0] != width:
            # Column by column: each is a list of its own.
            rows = each.shape[0]
            parts = {
                str(n): replace(each, shape=(rows, 1), at=each.at + n * rows * each.dtype.itemsize)
                for n in range(width)
            }
            sources.append(_Source(each.name, parts, each))
        elif len(each.shape) == 2 and each.shape[0] == width and each.shape[1] > width:
            sources.append(_Source(each.name, {}, each))
    return sources


def _chunks(
    path: Path, source: _Source, columns: Sequence[str] | None
) -> Iterator[dict[str, Column]]:
    """Yield the four columns piece by piece.

    Raises
    ------
    DecodeError
        After the whole rows before it, if the file is cut short.
    SensorError
        If the columns of a table cannot be told.
    """
    with open(path, "rb") as file:
        rowwise = source.table is not None and not source.columns
        stored = {"": source.table} if rowwise else dict(source.columns)
        readers = {name: _Rows(file, one) for name, one in stored.items() if one is not None}
        names = columns
        while True:
            parts = {name: reader.read(STEP) for name, reader in readers.items()}
            count = min(len(part) for part in parts.values())
            if count:
                pieces = {name: part[:count] for name, part in parts.items()}
                if source.table is not None:
                    table = pieces[""] if rowwise else np.stack(list(pieces.values()), 1)
                    if names is None:
                        rows = [[str(value) for value in row] for row in table[:4096].tolist()]
                        names = columns_by_values(rows)
                    if names is None:
                        raise SensorError(
                            f"{path} is a table whose values do not tell which columns are t, x, "
                            "y and p: name them, such as x,y,p,t."
                        )
                    pieces = {name: table[:, n] for n, name in enumerate(names) if name}
                yield pieces
            if count < STEP:
                break
        missing = max(reader.missing for reader in readers.values())
        if missing:
            raise DecodeError(path, f"{missing:,} events are missing.", path.stat().st_size)


class _Rows:
    """An array's rows in order; of a list, its numbers."""

    def __init__(self, file: BinaryIO, stored: Stored) -> None:
        self._file = array_file(file, stored)
        self._dtype = stored.dtype
        self._width = 1 if stored.is_list else stored.shape[0]
        self.missing = stored.count // self._width

    def read(self, count: int) -> Column:
        row = self._dtype.itemsize * self._width
        data = self._file.read(min(count, self.missing) * row)
        whole = len(data) // row
        self.missing -= whole
        values = np.frombuffer(data, self._dtype, whole * self._width)
        return values if self._width == 1 else values.reshape(whole, self._width)
