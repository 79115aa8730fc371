"""Folders with a file of NumPy for each column of events, as EVIMO2's sequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from spikewire.sensors.errors import DecodeError, SensorError
from spikewire.sensors.events import Events
from spikewire.sensors.formats.container import Wish
from spikewire.sensors.formats.numpy_arrays import Array, column_part, read_parts, to_events

_WHOLE = ({"t", "x", "y", "p"}, {"t", "xy", "p"})


def columns_of(folder: Path) -> dict[str, Path]:
    """Return the files of a folder's columns: t, p, and x and y, or xy; none if one is missing.

    EVIMO2 calls them ``dataset_events_t.npy``, ``dataset_events_xy.npy`` and
    ``dataset_events_p.npy``.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.npy")):
        found.setdefault(column_part(path.stem), []).append(path)
    for wanted in _WHOLE:
        if all(len(found.get(name, ())) == 1 for name in wanted):
            return {name: found[name][0] for name in sorted(wanted)}
    return {}


class ArrayFolder:
    """Events of a folder of columns.

    Attributes
    ----------
    size
        None: such folders give it in pickled objects, which are not loaded.
    note
        The files that are read.
    first_us
        Time of the first event; None if there is none.

    Parameters
    ----------
    path
        The folder.
    wish
        The unit of its times.

    Raises
    ------
    SensorError
        If its files hold no such columns.
    """

    size: tuple[int, int] | None = None

    progress = 0.0

    def __init__(self, path: Path, wish: Wish) -> None:
        self._path, self._unit = path, wish.unit
        if wish.member is not None:
            raise SensorError(f"{path} holds one stream of events: name it without '::'.")
        self._files = columns_of(path)
        self.first_us: int | None = None
        with self._opened() as (arrays, files):
            if arrays["t"].shape[0]:
                self.first_us = self._time(arrays["t"], files["t"], 0)
        self.note = ", ".join(file.name for file in self._files.values())

    @contextmanager
    def _opened(self) -> Iterator[tuple[dict[str, Array], dict[str, BinaryIO]]]:
        files: dict[str, BinaryIO] = {}
        arrays: dict[str, Array] = {}
        try:
            for name, path in self._files.items():
                files[name] = open(path, "rb")  # noqa: SIM115 - closed below
                try:
                    arrays[name] = Array(files[name])
                except SensorError as error:
                    raise DecodeError(path, f"{error}.", 0) from None
            yield arrays, files
        except OSError as error:
            raise SensorError(f"{self._path} cannot be read: {error.strerror}.") from None
        finally:
            for file in files.values():
                file.close()

    def _time(self, array: Array, file: BinaryIO, number: int) -> int | None:
        """Return the time of one event, or None where it is missing."""
        size = array.dtype.itemsize
        if array.width != 1 or array.dtype.kind not in "biuf" or array.dtype.subdtype is not None:
            return None  # the reading tells it
        file.seek(array.start + number * size)
        data = file.read(size)
        if len(data) < size:
            return None
        columns = dict.fromkeys("xyp", np.zeros(1, np.uint8))
        t = np.frombuffer(data, array.dtype)
        return int(to_events({"t": t, **columns}, self._unit)["t"][0])

    def events(self, start_us: int, left_out: Counter[str]) -> Iterator[Events]:
        """Yield unchecked events in chunks, from a time after the first event on."""
        with self._opened() as (arrays, files):
            place = 0
            if start_us > 0 and self.first_us is not None:
                place = self._place(arrays["t"], files["t"], self.first_us + start_us)
            for name, array in arrays.items():
                array.skip(files[name], min(place, array.shape[0]))
            for events in read_parts(self._path, arrays, self._unit, None):
                place += len(events)
                self.progress = min(place / max(arrays["t"].shape[0], 1), 1.0)
                yield events

    def _place(self, array: Array, file: BinaryIO, wanted: int) -> int:
        low, high = 0, array.shape[0]
        while low < high:
            middle = (low + high) // 2
            time = self._time(array, file, middle)
            low, high = (middle + 1, high) if time is not None and time < wanted else (low, middle)
        return low
