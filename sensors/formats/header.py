"""The header of a recording, and the names of the formats that are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spikewire.sensors.formats.decoder import Decoder

HEAD = 1 << 18
"""Bytes from the beginning by which a format is told; no header seen was a tenth as long."""

NAMES = {
    "aedat1": "AEDAT 1.0",
    "aedat2": "AEDAT 2.0",
    "aedat3": "AEDAT 3.1",
    "aedat4": "AEDAT 4.0",
    "csv": "CSV",
    "dat1": "DAT version 1",
    "dat2": "DAT version 2",
    "es": "Event Stream 2",
    "evt2": "Prophesee RAW, EVT 2.0",
    "evt21": "Prophesee RAW, EVT 2.1",
    "evt3": "Prophesee RAW, EVT 3.0",
    "hdf5": "HDF5",
    "mat": "MATLAB",
    "nmnist": "N-MNIST",
    "npy": "NumPy",
    "npy_folder": "NumPy folder",
    "npz": "NumPy archive",
    "mcap": "ROS 2 bag, MCAP",
    "parquet": "Parquet",
    "prophesee": "Prophesee",
    "rosbag1": "ROS 1 bag",
    "rosbag2": "ROS 2 bag",
    "zip": "CSV in a ZIP archive",
}
"""Formats that are read, by their short names."""


@dataclass(frozen=True, slots=True)
class EventsStream:
    """One of several streams of events in a file.

    Attributes
    ----------
    number
        Its number in the file.
    size
        (width, height) if the file says so.
    name
        Name of its camera or output, or an empty string.
    """

    number: int
    size: tuple[int, int] | None
    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a recording.

    Attributes
    ----------
    format
        Short name, a key of ``NAMES``.
    size
        (width, height) if the header says so.
    start
        The byte at which events begin.
    decoder
        Makes a decoder of what follows from the sensor's size, (0, 0) where that is still to be
        found; None for AEDAT 4.0, NumPy and HDF5, which are read by packets and rows.
    damage
        Fault of the header, at ``start``, or None.
    note
        Facts detected from the content rather than stated, or an empty string.
    compression, table, streams
        AEDAT 4.0: how packets are compressed, where its data table lies (-1: there is none), and
        its streams of events: the first is read.
    origin_us
        Time to be added to every event.
    """

    format: str
    size: tuple[int, int] | None
    start: int
    decoder: Callable[[tuple[int, int]], Decoder] | None = None
    damage: str | None = None
    note: str = ""
    compression: int = 0
    table: int = -1
    streams: tuple[EventsStream, ...] = ()
    origin_us: int = 0
