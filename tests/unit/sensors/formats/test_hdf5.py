"""HDF5 in the layouts of the programs that write it."""

from __future__ import annotations

import re
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spikewire.sensors import (
    EVENT_DTYPE,
    DecodeError,
    SensorError,
    describe_recording,
    open_recording,
    write_events,
)
from spikewire.sensors.formats.hdf5 import layout, reader
from tests.reference.containers import CONTAINERS, hdf5_dsec, hdf5_mat73, hdf5_mvsec
from tests.reference.formats import EVENTS
from tests.support.reading import read

HDF5 = [name for name in CONTAINERS if name.startswith("hdf5")]


def put(path: Path, fill: Callable[[Any], None]) -> Path:
    with h5py.File(path, "w") as file:
        fill(file)
    return path


def many(count: int) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(5)
    events = np.zeros(count, EVENT_DTYPE)
    events["t"] = np.cumsum(rng.integers(0, 40, count)) + 123_456
    events["x"], events["y"] = rng.integers(0, 640, count), rng.integers(0, 480, count)
    events["p"] = rng.integers(0, 2, count)
    return events


@pytest.mark.parametrize("name", HDF5)
def test_each_layout_is_read_whatever_the_chunks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffix, write = CONTAINERS[name]
    path = tmp_path / f"one{suffix}"
    path.write_bytes(write(EVENTS))
    assert read(path) == EVENTS
    for step in (1, 2, 3, 7):
        monkeypatch.setattr(reader, "STEP", step)
        assert read(path) == EVENTS


def test_whole_times_of_matlab_are_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(hdf5_mat73(EVENTS, "<f8"))
    assert read(path) == EVENTS


def test_sizes_units_and_streams_are_told(tmp_path: Path) -> None:
    for name in HDF5:
        (tmp_path / name).write_bytes(CONTAINERS[name][1](EVENTS))
    facts = {name: describe_recording(tmp_path / name) for name in HDF5}
    assert {name: one.size for name, one in facts.items()} == {
        "hdf5_dsec": (34, 34), "hdf5_mat73": (34, 34), "hdf5_mvsec": (34, 34),
        "hdf5_prophesee": (1280, 720), "hdf5_rpg": (240, 180), "hdf5_v2e": (34, 34),
    }  # fmt: skip
    assert facts["hdf5_prophesee"].size_from == "file"
    assert "columns x,y,t,p" in facts["hdf5_mvsec"].note
    assert "FILE::/PATH reads another: davis/right/events" in facts["hdf5_mvsec"].note
    assert "columns t,x,y,p" in facts["hdf5_v2e"].note
    assert "times in s" in facts["hdf5_rpg"].note


def test_events_inside_a_file_are_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "two.hdf5"
    path.write_bytes(hdf5_mvsec(EVENTS))
    with h5py.File(path, "a") as file:
        del file["davis/right/events"]
        file["davis/right/events"] = np.array([[3, 4, 0.5, 1], [5, 6, 0.75, -1]])
    assert read(path) == EVENTS
    for member in ("/davis/right/events", "davis/right"):
        assert read(Path(f"{path}::{member}")) == [(500_000, 3, 4, 1), (750_000, 5, 6, 0)]
    with pytest.raises(SensorError, match=r"holds no 'lidar'; it holds davis/left/events"):
        open_recording(f"{path}::lidar")
    with pytest.raises(SensorError, match="is no group or table with columns"):
        open_recording(f"{path}::davis/left/imu")
    text = tmp_path / "a.csv"
    text.write_text("t,x,y,p\n1,2,3,1\n")
    with pytest.raises(SensorError, match=r"one stream of events: name it without '::/x'"):
        open_recording(f"{text}::/x")


def test_the_offset_of_dsec_is_added_and_its_index_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5_dsec([(t + 10**10, x, y, p) for t, x, y, p in EVENTS], 10**10))
    assert read(path) == [(t + 10**10, x, y, p) for t, x, y, p in EVENTS]
    recording = open_recording(path)
    assert recording.first_us == 10**10
    asked: list[tuple[int, int]] = []
    found = reader._stretch

    def stretch(*args: Any) -> tuple[int, int]:
        asked.append(found(*args))
        return asked[-1]

    monkeypatch.setattr(reader, "_stretch", stretch)
    got = [e for chunk in recording.chunks(start_us=90_000) for e in chunk.tolist()]
    assert (got, asked) == ([(90_000 + 10**10, 12, 13, 1)], [(4, 5)])


@pytest.mark.parametrize("index", ["right", "wrong", "none"])
def test_reading_begins_at_any_time(index: str, tmp_path: Path) -> None:
    truth, path = many(5000), tmp_path / "a.h5"
    write_events(truth, path, (640, 480))
    with h5py.File(path, "a") as file:
        if index == "none":
            del file["ms_to_idx"]
        elif index == "wrong":
            file["ms_to_idx"][:] = np.roll(file["ms_to_idx"][:], 17)
    recording = open_recording(path)
    for start in (0, 1, 999, 50_000, int(np.ptp(truth["t"])), 10**9):
        parts = list(recording.chunks(start_us=start))
        got = np.concatenate([truth[:0], *parts])
        assert got.tolist() == truth[truth["t"] >= truth["t"][0] + start].tolist()


def test_what_is_written_is_what_dsec_writes(tmp_path: Path) -> None:
    truth, path = many(70_000), tmp_path / "a.h5"
    truth["t"] += 10**15
    write_events([truth[:1], truth[1:40_000], truth[40_000:]], path, (640, 480))
    with h5py.File(path) as file:
        columns = {name: file[f"events/{name}"] for name in "txyp"}
        kinds = {name: column.dtype.str for name, column in columns.items()}
        assert kinds == {"t": "<u4", "x": "<u2", "y": "<u2", "p": "|u1"}
        assert int(file["t_offset"][()]) == truth["t"][0]
        t = columns["t"][:].astype(np.int64)
        assert (t + int(file["t_offset"][()]) == truth["t"]).all()
        index = file["ms_to_idx"][:]
    assert (index == np.searchsorted(t, np.arange(len(index)) * 1000)).all()
    assert index[-1] == len(t)
    assert open_recording(path).size == (640, 480)


def test_long_recordings_are_written_with_wide_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spikewire.sensors.recordings.times.EMPTY_BYTES", 10**7)
    events = many(3)
    events["t"] = [0, 5, 4_300_000_000]
    path = tmp_path / "a.h5"
    write_events([events[:2], events[2:]], path, (640, 480))
    assert (open_recording(path).read() == events).all()
    with h5py.File(path) as file:
        assert file["events/t"].dtype == np.int64


def test_columns_of_matlab_and_whole_numbers_as_fractions(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        for n, name in enumerate(("ts", "x", "y", "p")):
            file[f"TD/{name}"] = np.array([[event[n] for event in EVENTS]], float)

    path = put(tmp_path / "a.mat", fill)
    assert read(path) == EVENTS
    whole = open_recording(path)
    assert whole.note == "TD, times in us"
    assert [e[0] for e in open_recording(path, unit="ms").read().tolist()][1] == 5000


def test_matlab_7_3_counts_from_one(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for n, name in enumerate(("ts", "x", "y", "p")):
            file[f"TD/{name}"] = np.array([[event[n] + bool(n) for event in EVENTS]], float)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Sun Nov 29 2026")
    assert read(path) == EVENTS
    assert "places and polarities counted from 1" in open_recording(path).note


def test_compressed_by_a_plugin(tmp_path: Path) -> None:
    import hdf5plugin

    def fill(file: Any) -> None:
        for n, name in enumerate(("t", "x", "y", "p")):
            values = [event[n] for event in EVENTS]
            file.create_dataset(f"events/{name}", data=values, **hdf5plugin.Blosc())

    assert read(put(tmp_path / "a.h5", fill)) == EVENTS


def test_a_codec_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ecf.hdf5"

    def fill(file: Any) -> None:
        kind = np.dtype([("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
        file.create_dataset("CD/events", (16,), kind, chunks=(16,), compression="gzip")
        file["CD/events"][:] = np.ones(16, kind)

    whole = bytearray(put(path, fill).read_bytes())
    # The filter's number in the pipeline message: 1 is deflate, with one value.
    at = whole.index(struct.pack("<HHHH", 1, 8, 1, 1))
    for number, says in ((0x8ECF, "Prophesee's ECF.*HDF5_PLUGIN_PATH"), (31_999, "filter 31999")):
        whole[at : at + 2] = struct.pack("<H", number)
        path.write_bytes(whole)
        with pytest.raises(SensorError, match=says):
            open_recording(path)


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        (lambda file: file.create_group("empty"), "HDF5 without events: it holds no datasets"),
        (lambda file: file.create_dataset("image", (4, 4), "f4"), "it holds image, and no group"),
        (lambda file: file.create_dataset("events", (3, 5), "f4"), "it holds events, and no group"),
    ],
)
def test_files_without_events_are_told(
    fill: Callable[[Any], None], says: str, tmp_path: Path
) -> None:
    with pytest.raises(SensorError, match=says):
        open_recording(put(tmp_path / "a.h5", fill))


def test_images_by_the_thousand_hide_no_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_MANY", 4)
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5_mvsec(EVENTS))
    with h5py.File(path, "a") as file:
        for n in range(9):
            file[f"davis/left/image{n}"] = np.zeros((2, 2))
    assert read(path) == EVENTS


def test_a_table_of_more_columns_is_told_by_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    rows = np.array([[9, *event] for event in EVENTS], np.int64)
    put(path, lambda file: file.create_dataset("data", data=rows))
    got = open_recording(path, columns="-,t,x,y,p").read()
    assert got.tolist() == EVENTS


def test_a_cut_or_unfinished_file_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    whole = hdf5_dsec(EVENTS)
    for cut in (*range(1, 80, 3), *range(80, len(whole), 997)):
        path.write_bytes(whole[:cut])
        with pytest.raises(SensorError):
            read(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(DecodeError, match=rf"cut short: {len(whole) - 1:,} of {len(whole):,} byt"):
        open_recording(path)

    def fill(file: Any) -> None:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (10,), "<u4", chunks=(4,))
            file[f"events/{name}"][:4] = 1

    with pytest.raises(DecodeError, match="6 of 10 events are missing"):
        read(put(path, fill))


def test_large_chunks_and_other_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MOST_CHUNK_BYTES", 8)
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5_dsec(EVENTS))
    with pytest.raises(SensorError, match="stored in chunks of 12 bytes, and 8 are read"):
        open_recording(path)

    def fill(file: Any) -> None:
        for name in "txyp":
            source = h5py.VirtualSource(path, f"events/{name}", shape=(5,))
            virtual = h5py.VirtualLayout(shape=(5,), dtype="<u4")
            virtual[:] = source
            file.create_virtual_dataset(f"events/{name}", virtual)

    with pytest.raises(SensorError, match="names other files that hold its events"):
        open_recording(put(tmp_path / "b.h5", fill))


def test_a_damaged_length_of_a_text_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(file: Any) -> None:
        hdf5_columns(file)
        file.attrs["geometry"] = "640x480"
        file.attrs["width"] = np.zeros(1000)
        file["events/t"].attrs["unit"] = "ms"

    def hdf5_columns(file: Any) -> None:
        for name, value in zip("txyp", EVENTS[-1], strict=True):
            file[f"events/{name}"] = np.array([value])

    path = put(tmp_path / "a.h5", fill)
    t, x, y, p = EVENTS[-1]
    assert open_recording(path).size == (640, 480)
    assert read(path) == [(t * 1000, x, y, p)]
    whole = path.read_bytes()
    asked: list[str] = []
    known = h5py.AttributeManager.__getitem__

    def watched(place: Any, name: str) -> Any:
        asked.append(name)
        return known(place, name)

    monkeypatch.setattr(h5py.AttributeManager, "__getitem__", watched)
    assert open_recording(path).size == (640, 480)
    assert asked == ["unit", "geometry"] or asked == ["geometry", "unit"]
    length = re.search(rb"geometry.*?\x10\0\0\0.*?\x08\0.*?(\x07\0\0\0)", whole, re.DOTALL)
    assert length is not None
    heap = whole.index(b"GCOL")
    for at, bad in (
        (length.start(1), b"\x66\xc3\x0a\xcd"),  # HDF5 would take 3.4 GB for the text
        (heap + 16, bytes(64)),  # and never return
        (heap + 8, b"\x01"),
        (heap, b"gcol"),
        (length.start(1) + 4, b"\xff" * 6),
    ):
        path.write_bytes(whole[:at] + bad + whole[at + len(bad) :])
        asked.clear()
        assert open_recording(path).size == (x + 1, y + 1)
        assert "geometry" not in asked


def test_a_driver_is_refused_before_its_block_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for write, base in ((hdf5_dsec, 0), (hdf5_mat73, 512)):
        whole = bytearray(write(EVENTS))
        path.write_bytes(whole)
        assert read(path) == EVENTS
        whole[base + 48 : base + 56] = bytes(8)
        path.write_bytes(whole)
        with pytest.raises(DecodeError, match="names a driver of HDF5"):
            open_recording(path)


def test_rows_without_a_place_are_not_looked_for(tmp_path: Path) -> None:
    def fill(file: Any) -> None:
        rows = file.create_dataset("events", (60_000, 4), "<u4", chunks=(1, 4))
        rows[:5] = EVENTS

    path = put(tmp_path / "a.h5", fill)
    began = time.process_time()
    with pytest.raises(DecodeError, match="59,995 of 60,000 events are missing"):
        read(path)
    assert time.process_time() - began < 0.5


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5_dsec(EVENTS))
    monkeypatch.setitem(sys.modules, "h5py", None)
    for work in (lambda: open_recording(path), lambda: write_events(many(3), path, (640, 480))):
        with pytest.raises(SensorError, match=r"pip install 'spikewire\[hdf5\]'"):
            work()


@pytest.mark.data
def test_the_files_of_the_reports(data_dir: Path) -> None:
    for name, at in (("m01_dsec.h5", 57_922_807_588), ("m02_psee.hdf5", 0)):
        events = open_recording(data_dir / "reports" / name).read()
        with h5py.File(data_dir / "reports" / name) as file:
            group = file["events"] if at else file["CD/events"]
            for column in "xyp":
                assert (events[column] == group[column][:]).all()
            assert (events["t"] == group["t"][:].astype(np.int64) + at).all()
