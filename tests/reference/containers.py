"""Recordings in files with a directory of their own, laid out as the programs that write them do.

HDF5 and Parquet are written by h5py and pyarrow, their libraries' own; ROS bags byte by byte. No
line is shared with the readers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet

from tests.reference.bags import BAGS
from tests.reference.formats import Event, Writer


def _columns(events: Sequence[Event]) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
    return tuple(np.array([event[n] for event in events], np.int64) for n in range(4))


def _hdf5(fill: Callable[[Any], None]) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        fill(file)
    return out.getvalue()


def hdf5_dsec(events: Sequence[Event], t_offset: int = 0, chunks: int = 3) -> bytes:
    """DSEC: columns in ``events``, times from ``t_offset``, the first event of each millisecond."""

    def fill(file: Any) -> None:
        t, x, y, p = _columns(events)
        t = t - t_offset
        for name, values, kind in (("t", t, "<u4"), ("x", x, "<u2"), ("y", y, "<u2"),
                                   ("p", p, "u1")):  # fmt: skip
            file.create_dataset(f"events/{name}", data=values.astype(kind),
                                chunks=(min(chunks, len(t)),) if len(t) else None,
                                compression="gzip" if len(t) else None)  # fmt: skip
        last = int(t[-1]) if len(t) else 0
        file["ms_to_idx"] = np.searchsorted(t, np.arange(0, last + 1000, 1000)).astype("<u8")
        file["t_offset"] = np.int64(t_offset)

    return _hdf5(fill)


def hdf5_mvsec(events: Sequence[Event]) -> bytes:
    """MVSEC: a table of x, y, seconds and -1 or 1 for each camera, among images."""

    def fill(file: Any) -> None:
        t, x, y, p = _columns(events)
        file["davis/left/events"] = np.stack([x, y, t / 1e6, 2 * p - 1], 1)
        file["davis/left/image_raw"] = np.zeros((2, 4, 4), np.uint8)
        file["davis/left/imu"] = np.zeros((3, 6))
        file["davis/right/events"] = np.stack([x, y, t / 1e6, 2 * p - 1], 1)

    return _hdf5(fill)


def hdf5_v2e(events: Sequence[Event]) -> bytes:
    """The emulator v2e: one table of unsigned whole numbers t, x, y, p that grows."""

    def fill(file: Any) -> None:
        t, x, y, p = _columns(events)
        file.create_dataset("events", data=np.stack([t, x, y, p], 1).astype("<u4"),
                            maxshape=(None, 4), chunks=(2, 4), compression="gzip")  # fmt: skip

    return _hdf5(fill)


def hdf5_rpg(events: Sequence[Event]) -> bytes:
    """E2VID's tools: columns xs, ys, ts (seconds) and ps, the sensor's rows and columns."""

    def fill(file: Any) -> None:
        t, x, y, p = _columns(events)
        file["events/xs"], file["events/ys"] = x.astype("<i2"), y.astype("<i2")
        file["events/ts"], file["events/ps"] = t / 1e6, p.astype(bool)
        file["images/image000000000"] = np.zeros((4, 4), np.uint8)
        file.attrs["sensor_resolution"] = (180, 240)

    return _hdf5(fill)


def hdf5_prophesee(events: Sequence[Event]) -> bytes:
    """Metavision's layout without its codec: a compound of x, y, p and t, and triggers."""

    def fill(file: Any) -> None:
        t, x, y, p = _columns(events)
        rows = np.zeros(len(t), [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
        rows["x"], rows["y"], rows["p"], rows["t"] = x, y, p, t
        file.create_dataset("CD/events", data=rows, chunks=(16,), maxshape=(None,))
        file["CD/indexes"] = np.zeros(1, [("id", "<u8"), ("ts", "<i8")])
        file["EXT_TRIGGER/events"] = np.zeros(1, [("p", "<i2"), ("t", "<i8"), ("id", "<i2")])
        file.attrs["geometry"] = "1280x720"

    return _hdf5(fill)


def hdf5_mat73(events: Sequence[Event], times: str = "<u4") -> bytes:
    """MATLAB 7.3: a block of 512 bytes, then a structure whose columns have two axes."""
    out = io.BytesIO()
    with h5py.File(out, "w", userblock_size=512) as file:
        for name, values in zip(("ts", "x", "y", "p"), _columns(events), strict=True):
            file[f"TD/{name}"] = values.astype(times if name == "ts" else "<u2").reshape(1, -1)
        file["TD"].attrs["MATLAB_class"] = np.bytes_("struct")
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    return head + out.getvalue()[128:]


def parquet(events: Sequence[Event], per_group: int = 3) -> bytes:
    """Parquet as pyarrow writes it: row groups of a few events, Snappy, columns by name."""
    t, x, y, p = _columns(events)
    table = pyarrow.table(
        {"x": x.astype("<u2"), "y": y.astype("<u2"), "polarity": p.astype(bool),
         "timestamp_us": t, "note": ["a"] * len(t)}
    )  # fmt: skip
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, row_group_size=per_group, compression="snappy")
    return out.getvalue()


def parquet_durations(events: Sequence[Event]) -> bytes:
    """Parquet as polars and evlib have it: times as durations, Zstandard, no statistics."""
    t, x, y, p = _columns(events)
    table = pyarrow.table(
        {"t": pyarrow.array(t * 1000, pyarrow.duration("ns")), "x": x.astype("<i2"),
         "y": y.astype("<i2"), "polarity": (2 * p - 1).astype("i1")}
    )  # fmt: skip
    out = io.BytesIO()
    pyarrow.parquet.write_table(
        table.replace_schema_metadata({"geometry": "240x180"}), out, compression="zstd",
        write_statistics=False, version="2.6", data_page_version="2.0", use_dictionary=False,
        write_page_checksum=True,
    )  # fmt: skip
    return out.getvalue()


CONTAINERS: dict[str, tuple[str, Writer]] = {
    **BAGS,
    "hdf5_dsec": (".h5", hdf5_dsec),
    "hdf5_mat73": (".mat", hdf5_mat73),
    "hdf5_mvsec": (".hdf5", hdf5_mvsec),
    "hdf5_prophesee": (".hdf5", hdf5_prophesee),
    "hdf5_rpg": (".h5", hdf5_rpg),
    "hdf5_v2e": (".h5", hdf5_v2e),
    "parquet": (".parquet", parquet),
    "parquet_durations": (".parquet", parquet_durations),
}
"""By name: how the file's name ends, and its writer."""
