"""Tables of Parquet, and folders with a file for each column."""

from __future__ import annotations

import io
import re
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from spikewire.sensors import (
    DecodeError,
    SensorError,
    describe_recording,
    find_recordings,
    open_recording,
)
from spikewire.sensors.formats import parquet as reader
from tests.reference.containers import parquet, parquet_durations
from tests.reference.formats import EVENTS
from tests.support.reading import read, read_damaged

LATER = [(n * 1000 + 7, n % 34, n // 34, n % 2) for n in range(400)]


def put(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out, **options)
    path.write_bytes(out.getvalue())
    return path


@pytest.mark.parametrize("write", [parquet, parquet_durations])
def test_tables_are_read_by_the_names_of_their_columns(write: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(write(EVENTS))
    assert read(path) == EVENTS
    facts = describe_recording(path)
    assert (facts.format, facts.events) == ("Parquet", len(EVENTS))
    if write is parquet:
        assert (facts.size, facts.size_from) == ((34, 34), "events")
        assert facts.note == "columns timestamp_us,x,y,polarity; times in us"
    else:
        assert (facts.size, facts.size_from) == ((240, 180), "file")
        assert facts.note == "columns t,x,y,polarity; times in ns"
    assert read(path.rename(tmp_path / "a.data")) == EVENTS
    path = tmp_path / "none.parquet"
    path.write_bytes(write([]))
    assert read(path) == []


def test_columns_and_units_are_told_or_said(tmp_path: Path) -> None:
    t, x, y, p = (list(column) for column in zip(*EVENTS, strict=True))
    path = tmp_path / "a.parquet"
    put(path, {"a": x, "b": y, "c": [2 * v - 1 for v in p], "d": [v / 1e6 for v in t]})
    assert read(path) == EVENTS
    put(path, {"a": [1] * 5, "x": y, "y": x, "d": p, "e": t})
    got = open_recording(path, columns="-,y,x,p,t", unit="ms").read()
    assert got.tolist() == [(1000 * t, x, y, p) for t, x, y, p in EVENTS]
    put(path, {"t": pyarrow.array(t, pyarrow.timestamp("ms")), "x": x, "y": y, "p": p})
    assert read(path) == [(1000 * t, x, y, p) for t, x, y, p in EVENTS]
    put(path, {"timestamp_ns": [1000 * v for v in t], "x": x, "y": y, "on": p})
    assert read(path) == EVENTS
    put(path, {"t": [float(v) for v in t], "x": x, "y": y, "p": p})
    with pytest.raises(SensorError, match="--unit ms"):
        open_recording(path)
    assert open_recording(path, unit="us").read().tolist() == EVENTS


def test_tables_without_events_are_told(tmp_path: Path) -> None:
    path = put(tmp_path / "a.parquet", {"t": [1], "x": [1], "name": ["a"]})
    with pytest.raises(SensorError, match=r"the columns t, x, name; y, p missing. --columns"):
        open_recording(path)
    with pytest.raises(SensorError, match="has 3 columns only"):
        open_recording(path, columns="t,x,y,p")
    put(path, {"t": [1], "x": [1], "y": ["a"], "p": [1]})
    with pytest.raises(SensorError, match="holds 'y' as 'string', which is no number"):
        open_recording(path)
    put(path, {"t": [1, 2], "x": [1, None], "y": [1, 1], "p": [1, 1]})
    with pytest.raises(DecodeError, match=r"its column 'x' lacks values \(null\)"):
        read(path)
    with pytest.raises(SensorError, match="holds one table: name it without '::/t'"):
        open_recording(f"{path}::/t")


def test_damage_ends_the_events_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    whole = parquet(LATER, per_group=100)
    path.write_bytes(whole[:-1])
    with pytest.raises(DecodeError, match="Parquet cannot be read"):
        open_recording(path)
    out = io.BytesIO()
    columns = dict(zip("txyp", zip(*LATER, strict=True), strict=True))
    pyarrow.parquet.write_table(
        pyarrow.table(columns), out, row_group_size=100, write_page_checksum=True
    )
    data = bytearray(out.getvalue())
    with pyarrow.parquet.ParquetFile(io.BytesIO(data)) as file:
        damaged = file.metadata.row_group(2).column(1)
    data[damaged.dictionary_page_offset + damaged.total_compressed_size - 3] ^= 255
    path.write_bytes(data)
    got, error = read_damaged(path, (34, 34))
    assert got.tolist() == LATER[:200]
    assert "Parquet cannot be read" in str(error)


@pytest.mark.parametrize("statistics", [True, False])
def test_reading_begins_in_the_row_group_of_a_time(
    statistics: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = dict(zip("txyp", zip(*LATER, strict=True), strict=True))
    path = put(tmp_path / "a.parquet", columns, row_group_size=50, write_statistics=statistics)
    recording = open_recording(path)
    assert recording.first_us == 7
    taken: list[int] = []
    known = reader.to_events

    def counted(parts: Any, unit: Any) -> Any:
        taken.append(len(parts["t"]))
        return known(parts, unit)

    monkeypatch.setattr(reader, "to_events", counted)
    for start in (0, 1, 49_000, 50_000, 50_001, 399_000, 10**9):
        taken.clear()
        got = [e for chunk in recording.chunks(start_us=start) for e in chunk.tolist()]
        assert got == [e for e in LATER if e[0] >= 7 + start]
        assert sum(taken) <= len(got) + 60


def test_large_row_groups_and_pages_take_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    whole = parquet_durations(LATER)
    path.write_bytes(whole)
    # The first page says that it is 2 GB long.
    at = re.search(rb"\x15\x06\x15[\x80-\xff]*[\0-\x7f]\x15()[\x80-\xff]*[\0-\x7f]()", whole)
    assert at is not None
    path.write_bytes(whole[: at.start(1)] + b"\xfe\xff\xff\xff\x0f" + whole[at.end(2) :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    got, error = read_damaged(path, (240, 180))
    assert not len(got)
    assert "Parquet cannot be read" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    path.write_bytes(whole)
    monkeypatch.setattr(reader, "MOST_BYTES", 100)
    with pytest.raises(SensorError, match=r"row groups of .* bytes, and 100 are read: write it"):
        read(path)


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet(EVENTS))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SensorError, match=r"pip install 'spikewire\[parquet\]'"):
        open_recording(path)


def folder(path: Path, events: Any, prefix: str = "dataset_events_") -> Path:
    rows = np.array(events, np.int64).reshape(-1, 4)
    path.mkdir(exist_ok=True)
    np.save(path / f"{prefix}t.npy", (rows[:, :1] / 1e6))
    np.save(path / f"{prefix}xy.npy", rows[:, 1:3].astype(np.uint16))
    np.save(path / f"{prefix}p.npy", rows[:, 3:].astype(np.uint8))
    np.savez(path / "dataset_info.npz", index=np.arange(3))
    return path


@pytest.mark.parametrize("prefix", ["dataset_events_", "events_", ""])
def test_a_folder_of_columns_is_a_recording(prefix: str, tmp_path: Path) -> None:
    path = folder(tmp_path / "scene", EVENTS, prefix)
    assert read(path) == EVENTS
    facts = describe_recording(path)
    assert (facts.format, facts.size, facts.size_from) == ("NumPy folder", (34, 34), "events")
    assert facts.note == f"{prefix}p.npy, {prefix}t.npy, {prefix}xy.npy"
    found = find_recordings(tmp_path)
    assert [(each.path, each.label) for each in found] == [(path, "scene")]
    folder(path, LATER, prefix)
    recording = open_recording(path)
    for start in (0, 1, 49_000, 399_000, 10**9):
        got = [e for chunk in recording.chunks(start_us=start) for e in chunk.tolist()]
        assert got == [e for e in LATER if e[0] >= 7 + start]


def test_folders_of_damaged_columns_are_told(tmp_path: Path) -> None:
    path = folder(tmp_path / "scene", EVENTS)
    xy = path / "dataset_events_xy.npy"
    whole = xy.read_bytes()
    for cut in range(129, len(whole)):
        xy.write_bytes(whole[:cut])
        got, error = read_damaged(path, (34, 34))
        assert got.tolist() == EVENTS[: (cut - 128) // 4]
        assert "events are missing" in str(error)
    xy.write_bytes(whole[:50])
    with pytest.raises(DecodeError, match=r"dataset_events_xy.npy is damaged.*header"):
        open_recording(path)
    np.save(xy, np.zeros((3, 2), np.uint8))
    with pytest.raises(SensorError, match="arrays of different lengths"):
        read(path)
    with pytest.raises(SensorError, match="name it without '::'"):
        open_recording(f"{path}::x")
    xy.unlink()
    with pytest.raises(SensorError, match="is a folder, not a recording"):
        open_recording(path)
