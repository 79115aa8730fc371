"""Encoders of large recordings in every format, to time decoders."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from spikewire.sensors import Events

Columns = tuple[npt.NDArray[np.int64], ...]


def columns(events: Events) -> Columns:
    """Return t, x, y, p as int64."""
    return tuple(events[name].astype(np.int64) for name in ("t", "x", "y", "p"))


def _nmnist(events: Events, path: Path) -> None:
    t, x, y, p = columns(events)
    rows = np.stack([x, y, t >> 16 & 127 | p << 7, t >> 8 & 255, t & 255], 1)
    path.write_bytes(rows.astype(np.uint8).tobytes())


def _dat(events: Events, path: Path, version: int) -> None:
    t, x, y, p = columns(events)
    word = x | y << 9 | p << 17 if version == 1 else x | y << 14 | p << 28
    head = f"% Version {version}\n% Width 128\n% Height 128\n".encode() + b"\x0c\x08"
    path.write_bytes(head + np.stack([t, word], 1).astype("<u4").tobytes())


def _with_time(
    t: npt.NDArray[np.int64], words: npt.NDArray[Any], bits: int, mark: Callable[[Any], Any]
) -> npt.NDArray[Any]:
    """Insert a time word before each event with new upper bits of time."""
    high = t >> bits
    new = np.flatnonzero(np.diff(high, prepend=-1))
    return np.insert(words, new, mark(high[new].astype(np.uint64)))


def _evt2(events: Events, path: Path) -> None:
    t, x, y, p = columns(events)
    words = (p << 28 | (t & 63) << 22 | x << 11 | y).astype(np.uint64)
    words = _with_time(t, words, 6, lambda high: 8 << 28 | high & 0xFFFFFFF)
    path.write_bytes(b"% evt 2.0\n% geometry 128x128\n% end\n" + words.astype("<u4").tobytes())


def _evt21(events: Events, path: Path) -> None:
    t, x, y, p = (column.astype(np.uint64) for column in columns(events))
    base = x & np.uint64(0x7E0)
    words = p << 60 | (t & 63) << 54 | base << 43 | y << 32 | np.uint64(1) << (x - base)
    high = t.astype(np.int64)
    words = _with_time(high, words, 6, lambda h: np.uint64(8 << 60) | (h & 0xFFFFFFF) << 32)
    head = b"% evt 2.1\n% endianness little\n% geometry 128x128\n% end\n"
    path.write_bytes(head + words.astype("<u8").tobytes())


def _aedat2(events: Events, path: Path, version: int) -> None:
    t, x, y, p = columns(events)
    address = (127 - y) << 8 | (127 - x) << 1 | 1 - p
    if version == 1:
        rows = np.zeros(len(t), [("address", ">u2"), ("t", ">u4")])
        head = b"# made to be timed\r\n"
    else:
        rows = np.zeros(len(t), [("address", ">u4"), ("t", ">u4")])
        head = b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n"
    rows["address"], rows["t"] = address, t
    path.write_bytes(head + rows.tobytes())


def _npz(events: Events, path: Path) -> None:
    t, x, y, p = (events[name] for name in ("t", "x", "y", "p"))
    np.savez(path, t=t, x=x, y=y, p=p)


def _zipped(events: Events, path: Path) -> None:
    np.savez_compressed(path, events=events)


def _written(events: Events, path: Path) -> None:
    from spikewire.sensors import write_events

    write_events([events[n : n + 20_000] for n in range(0, len(events), 20_000)], path, (128, 128))


_EVENT_ARRAY = """std_msgs/Header header
uint32 height
uint32 width
dvs_msgs/Event[] events
{rule}
MSG: dvs_msgs/Event
uint16 x
uint16 y
time ts
bool polarity
"""
_EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("s", "<u4"), ("ns", "<u4"), ("p", "u1")])


def _messages(events: Events) -> Iterator[tuple[int, Events, npt.NDArray[Any]]]:
    """Yield the number, events and event rows of messages of 20,000 events."""
    for n in range(0, len(events), 20_000):
        part = events[n : n + 20_000]
        rows = np.zeros(len(part), _EVENT)
        rows["x"], rows["y"], rows["p"] = part["x"], part["y"], part["p"]
        rows["s"], rows["ns"] = part["t"] // 1_000_000, part["t"] % 1_000_000 * 1000
        yield n, part, rows


def _bag(events: Events, path: Path) -> None:
    """Write ``dvs_msgs/EventArray`` into a bag of ROS 1."""
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    kind = "dvs_msgs/msg/EventArray"
    store = get_typestore(Stores.ROS1_NOETIC)
    text = _EVENT_ARRAY.format(rule="=" * 80)
    store.register(get_types_from_msg(text, kind))
    with Writer(path) as writer:
        connection = writer.add_connection("/dvs/events", kind, typestore=store)
        for n, part, rows in _messages(events):
            head = struct.pack("<IIIIIII", n, 0, 0, 0, 128, 128, len(part))
            writer.write(connection, int(part["t"][-1]) * 1000, head + rows.tobytes())


RECORDINGS: dict[str, tuple[str, Callable[[Any, Path], None]]] = {
    "AEDAT 1.0": (".aedat", partial(_aedat2, version=1)),
    "AEDAT 2.0": (".aedat", partial(_aedat2, version=2)),
    "AEDAT 3.1": (".aedat", _written),
    "AEDAT 4.0": (".aedat4", _written),
    "CSV": (".csv", _written),
    "DAT version 1": (".dat", partial(_dat, version=1)),
    "DAT version 2": (".dat", partial(_dat, version=2)),
    "Event Stream 2": (".es", _written),
    "EVT 2.0": (".raw", _evt2),
    "EVT 2.1": (".raw", _evt21),
    "EVT 3.0": (".raw", _written),
    "HDF5": (".h5", _written),
    "N-MNIST": (".bin", _nmnist),
    "NumPy": (".npy", _written),
    "NumPy archive": (".npz", _npz),
    "NumPy archive, deflated": (".npz", _zipped),
    "ROS 1 bag": (".bag", _bag),
}
"""By format: how a file's name ends, and what writes it."""
