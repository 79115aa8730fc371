"""Writing recordings of every format from a stream of events."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import get_args

import numpy as np

from spikewire._whole_file import whole_file
from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Events
from spikewire.sensors.recordings import encoders
from spikewire.sensors.recordings.npz_writer import npz
from spikewire.sensors.recordings.times import TimeBase, Times, WritableFormat

_HDF5 = WritableFormat(
    "HDF5, DSEC's layout", encoders.hdf5, empty_bytes=encoders.hdf5_empty, from_first=True
)

WRITERS: dict[str, WritableFormat] = {
    ".aedat4": WritableFormat("AEDAT 4.0", encoders.aedat4),
    ".aedat": WritableFormat(
        "AEDAT 3.1", encoders.aedat3, 32768, 0, (1 << 62) - 1, "from 0", origin=True
    ),
    ".bin": WritableFormat(
        "N-MNIST", encoders.nmnist, 256, 0, (1 << 23) - 1, "from 0 to 8.4 s"
    ),
    ".csv": WritableFormat(
        "CSV", encoders.csv, first_us=1 - 10**18, last_us=10**18 - 1, shown="of up to 18 digits"
    ),
    ".dat": WritableFormat(
        "DAT version 2", encoders.dat2, 16384, 0, (1 << 32) - 1, "from 0 to 71.6 minutes",
        origin=True,
    ),
    ".es": WritableFormat(
        "Event Stream 2", encoders.es, 65535, 0, shown="from 0", empty_bytes=encoders.es_empty
    ),
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".npy": WritableFormat("NumPy", encoders.npy),
    ".npz": WritableFormat("NumPy archive", npz),
    ".raw": WritableFormat(
        "Prophesee RAW, EVT 3.0", encoders.evt3, 2048, 0, shown="from 0",
        empty_bytes=encoders.evt3_empty, origin=True,
    ),
}  # fmt: skip
"""By how the file's name ends."""

WRITABLE_FORMATS = {suffix: format.name for suffix, format in WRITERS.items()}
"""Formats by the suffix of a file's name."""


@dataclass(frozen=True, slots=True)
class WrittenRecording:
    """Summary of a written recording.

    Attributes
    ----------
    events
        Number of events.
    origin_us
        Time taken off every event.
    origin_kept
        Whether the file holds the origin, so that :func:`sensors.open_recording` adds it again.
    """

    events: int
    origin_us: int
    origin_kept: bool


def write_events(
    events: Events | Iterable[Events],
    path: str | Path,
    size: tuple[int, int],
    *,
    times: Times = "keep",
) -> int:
    """Write a recording of the format that its name ends in; memory does not grow with it.

    Parameters
    ----------
    events
        Checked ``EVENT_DTYPE`` array in time order, or an iterable of such arrays.
    path
        The file: ``.aedat4``, ``.aedat`` (3.1), ``.bin`` (N-MNIST), ``.csv``, ``.dat`` (version 2),
        ``.es``, ``.h5`` or ``.hdf5`` (DSEC's layout), ``.npy``, ``.npz`` or ``.raw`` (EVT 3.0). It
        appears when all is written.
    size
        (width, height) of the sensor.
    times
        ``"keep"`` the times, or refuse those that the format cannot hold; ``"rebase"`` them to 0 at
        the first event; ``"auto"`` rebases where they cannot be kept.

    Returns
    -------
    int
        Number of events.

    Raises
    ------
    SensorError
        If the format is not written, cannot hold these events, or the disk cannot. No file is left.

    Examples
    --------
    >>> from spikewire.sensors import open_recording, simulate, write_events
    >>> events = simulate("air_drums", seconds=0.1)
    >>> write_events(events, "drums.aedat4", (128, 128)) == len(events)
    True
    >>> bool((open_recording("drums.aedat4").read() == events).all())
    True
    """
    return write_recording(events, path, size, times=times).events


def write_recording(
    events: Events | Iterable[Events],
    path: str | Path,
    size: tuple[int, int],
    *,
    times: Times = "auto",
) -> WrittenRecording:
    """Write a recording like :func:`write_events`, and tell the origin of its times.

    Parameters
    ----------
    events, path, size, times
        As for :func:`write_events`.

    Raises
    ------
    SensorError
        If the format is not written, cannot hold these events, or the disk cannot. No file is left.
    """
    path = Path(path)
    format = WRITERS.get(path.suffix.lower())
    if format is None:
        raise SensorError(f"{path} is of no format that is written: {', '.join(WRITERS)}.")
    if times not in get_args(Times):
        raise SensorError(f"times is {times!r}; allowed are {', '.join(get_args(Times))}.")
    if max(size) > format.side:
        most = f"{format.side}x{format.side}"
        raise SensorError(f"{path}: {format.name} holds sensors of up to {most}, not {size}.")
    chunks = iter([events] if isinstance(events, np.ndarray) else events)
    # A first piece, so that an unreadable source makes no file, and that the origin is known.
    first = next((chunk for chunk in chunks if len(chunk)), None)
    try:
        with whole_file(path) as file:
            base = TimeBase(path, format, size, times, file.tell)
            rebased = base.rebased(chain([] if first is None else [first], chunks))
            head = next(rebased, None)
            kept = base.origin_us if format.origin and times == "auto" else 0
            every = chain([] if head is None else [head], rebased)
            format.encode(every, file, encoders.Heading(path, size, kept))
            file.seek(0, os.SEEK_END)
            base.check_empty(file.tell())
    except OSError as error:
        raise SensorError(f"{path} cannot be written: {error.strerror}.") from None
    return WrittenRecording(base.events, base.origin_us, kept != 0)
