"""Tables of Parquet with columns of events, read by row groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.sensors.errors import DecodeError, SensorError, quoted
from spikewire.sensors.events import Events
from spikewire.sensors.formats.container import Wish, list_of
from spikewire.sensors.formats.csv_layout import columns_by_values, named_unit
from spikewire.sensors.formats.hdf5.layout import column_name, stated_size
from spikewire.sensors.formats.numpy_arrays import STEP, check_times, to_events

MAGIC = b"PAR1"

_FEW = 4096
MOST_BYTES = 1 << 28
"""Largest row group that is read: its columns are held as they are stored."""


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Open a file as ``pyarrow.parquet.ParquetFile``.

    Raises
    ------
    SensorError
        If pyarrow is not installed, or the file cannot be read. Its errors within the block become
        one, too.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SensorError(
            f"{path} is a table of Parquet, which needs the package of an extra: "
            "pip install 'spikewire[parquet]'."
        ) from None
    try:
        # Unbuffered: a buffer would take as much memory as a page says that it is long.
        with (
            open(path, "rb") as source,
            pyarrow.parquet.ParquetFile(
                source, pre_buffer=False, page_checksum_verification=True
            ) as file,
        ):
            yield file
    except (SensorError, GeneratorExit):
        raise
    except Exception as error:
        lines = str(error).splitlines()
        said = ascii(lines[0])[1:-1][:200].rstrip(".") if lines else type(error).__name__
        raise DecodeError(path, f"Parquet cannot be read ({said}).") from None


class Parquet:
    """Events of a table of Parquet.

    Attributes
    ----------
    size
        (width, height) where the table's metadata says so.
    note
        The columns that are read, and the unit of times.
    first_us
        Time of the first event; None if there is none.

    Parameters
    ----------
    path
        The file.
    wish
        The order of its columns, and the unit of its times.

    Raises
    ------
    SensorError
        If it holds no events, or cannot be read.
    """

    progress = 0.0

    def __init__(self, path: Path, wish: Wish) -> None:
        self._path = path
        if wish.member is not None:
            raise SensorError(
                f"{path} holds one table: name it without {'::' + wish.member[:80]!r}."
            )
        with open_parquet(path) as file:
            schema = file.schema_arrow
            self._names = _columns(path, file, schema, wish)
            temporal = getattr(schema.field(self._names["t"]).type, "unit", None)
            self._unit = temporal or wish.unit or named_unit(self._names["t"])
            stated = {
                key.decode("ascii", "replace").lower(): value.decode("ascii", "replace")
                for key, value in (schema.metadata or {}).items()
                if len(value) < 80
            }
            self.size = stated_size(stated)
            few = next(self._columns(file, range(file.num_row_groups), "t", _FEW), None)
            self.first_us: int | None = None
            if few is not None:
                if self._unit is None:
                    check_times(path, few["t"])
                self._unit = self._unit or ("s" if few["t"].dtype.kind == "f" else "us")
                self.first_us = self._time(few["t"])
        named = ",".join(quoted(self._names[name], 40)[1:-1] for name in "txyp")
        self.note = f"columns {named}" + (f"; times in {self._unit}" if self._unit else "")

    def _time(self, t: npt.NDArray[Any]) -> int:
        columns = dict.fromkeys("xyp", np.zeros(1, np.uint8))
        return int(to_events({"t": t[:1], **columns}, self._unit)["t"][0])

    def _columns(
        self, file: Any, groups: Sequence[int], names: str, step: int = STEP
    ) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Yield columns of some row groups, piece by piece."""
        chosen = [self._names[name] for name in names]
        for group in groups:
            self._check_size(file, group)
            for batch in file.iter_batches(step, [group], chosen, use_threads=False):
                if not batch.num_rows:
                    continue
                parts = {name: batch.column(self._names[name]) for name in names}
                empty = [self._names[name] for name, part in parts.items() if part.null_count]
                if empty:
                    raise DecodeError(
                        self._path, f"its column {quoted(empty[0], 80)} lacks values (null)."
                    )
                yield {name: _numbers(part) for name, part in parts.items()}

    def _check_size(self, file: Any, group: int) -> None:
        # pyarrow ends the process where a single column's damaged metadata are asked for.
        stated = int(file.metadata.row_group(group).total_byte_size)
        size = min(stated, self._path.stat().st_size)
        if size > MOST_BYTES:
            raise SensorError(
                f"{self._path} is stored in row groups of {size:,} bytes, and {MOST_BYTES:,} "
                "are read: write it again in smaller ones, such as of a million rows."
            )

    def events(self, start_us: int, left_out: Counter[str]) -> Iterator[Events]:
        """Yield unchecked events in chunks, from a time after the first event on."""
        with open_parquet(self._path) as file:
            first = self._group(file, start_us) if start_us > 0 else 0
            groups = range(first, file.num_row_groups)
            count = sum(file.metadata.row_group(group).num_rows for group in groups)
            got = 0
            for parts in self._columns(file, groups, "txyp"):
                got += len(parts["t"])
                self.progress = got / max(count, 1)
                yield to_events(parts, self._unit)
            if got < count:
                raise DecodeError(self._path, f"{count - got:,} of {count:,} events are missing.")

    def _group(self, file: Any, start_us: int) -> int:
        """Return the row group in which a time after the first event lies."""
        wanted = (self.first_us or 0) + start_us
        low, high = 0, file.num_row_groups
        # The first events tell it whether or not the table has statistics, and right ones.
        while high - low > 1:
            middle = (low + high) // 2
            first = next(self._columns(file, range(middle, high), "t", 1), None)
            if first is not None and self._time(first["t"]) < wanted:
                low = middle
            else:
                high = middle
        return low


def _columns(path: Path, file: Any, schema: Any, wish: Wish) -> dict[str, str]:
    """Find the columns of events: as the caller says, by their names, or by their values."""
    names = [str(name) for name in schema.names]
    found: dict[str, str] = {}
    if wish.columns is not None:
        if len(wish.columns) > len(names):
            raise SensorError(f"{path} has {len(names)} columns only.")
        found = {column: name for column, name in zip(wish.columns, names, strict=False) if column}
    else:
        for name in names:
            found.setdefault(column_name(name.lower()), name)
        found.pop("", None)
    if wish.columns is None and not found and len(names) == 4:
        found = _by_values(file, schema)
    missing = [name for name in "txyp" if name not in found]
    if missing:
        raise SensorError(
            f"{path} is a table of Parquet with the columns {list_of(names) or 'none'}; "
            f"{', '.join(missing)} missing. --columns names them in their order, such as x,y,p,t."
        )
    for name in "txyp":
        field = schema.field(found[name])
        if not _is_number(field.type) and not (name == "t" and _is_time(field.type)):
            raise SensorError(
                f"{path} holds {quoted(found[name], 80)} as {quoted(str(field.type), 80)}, which "
                "is no number."
            )
    return found


def _by_values(file: Any, schema: Any) -> dict[str, str]:
    if not all(_is_number(field.type) for field in schema):
        return {}
    batch = next(file.iter_batches(_FEW, use_threads=False), None)
    if batch is None or not batch.num_rows or any(part.null_count for part in batch.columns):
        return {}
    values = [[str(float(value)) for value in _numbers(part)] for part in batch.columns]
    chosen = columns_by_values([list(row) for row in zip(*values, strict=True)])
    return dict(zip(chosen or (), schema.names, strict=False))


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _is_time(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_timestamp(kind) or types.is_duration(kind))


def _numbers(part: Any) -> npt.NDArray[Any]:
    """Return a column as numbers; points and lengths of time in their own unit."""
    if _is_time(part.type):
        part = part.view("int64")
    numbers: npt.NDArray[Any] = part.to_numpy(zero_copy_only=False)
    return numbers
