"""Variants of formats: marks of overflow, types of Event Stream, packed AEDAT 3.1, stereo."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewire.sensors import SensorError, open_recording
from tests.reference.formats import EVENTS, nmnist
from tests.reference.tables import aedat3_packed, es_atis, es_colour
from tests.support.reading import read


def test_rows_240_mark_that_the_clock_of_an_atis_went_round(tmp_path: Path) -> None:
    path = tmp_path / "atis.bin"
    path.write_bytes(nmnist([(5, 1, 2, 1), (0, 0, 240, 0), (3, 200, 239, 0), (0, 0, 240, 1)]))
    recording = open_recording(path)
    assert recording.read().tolist() == [(5, 1, 2, 1), (8195, 200, 239, 0)]
    assert recording.left_out["time_overflow"] == 2
    assert recording.size == (256, 240)


def test_row_240_of_a_larger_sensor_is_an_event(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    events = [(5, 1, 240, 1), (9, 1, 255, 1)]
    path.write_bytes(nmnist(events))
    assert open_recording(path).size == (256, 256)
    assert read(path) == events
    path.write_bytes(nmnist(events[:1]))
    assert open_recording(path, size=(256, 256)).read().tolist() == events[:1]


def test_brightness_of_an_atis_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "atis.es"
    path.write_bytes(es_atis(EVENTS, measured=(0, 3)))
    recording = open_recording(path)
    assert recording.read().tolist() == EVENTS
    assert recording.left_out["brightness"] == 2


def test_events_of_colour_are_on(tmp_path: Path) -> None:
    path = tmp_path / "colour.es"
    path.write_bytes(es_colour(EVENTS))
    assert read(path) == [(t, x, y, 1) for t, x, y, _ in EVENTS]
    path.write_bytes(es_colour(EVENTS)[:-4])
    with pytest.raises(SensorError, match="4 of an event's 8 bytes"):
        read(path)
    path.write_bytes(b"Event Stream\x02\x00\x00\x03" + bytes(8))
    with pytest.raises(SensorError, match=r"the types 1 \(DVS\), 2 \(ATIS\), 4 \(colour\)"):
        read(path)


RUNS = [(7, n, 2 * n, n & 1) for n in range(9)] + [(9, 1, 1, 0), (9, 2, 1, 0), (12, 3, 3, 1)]


def test_runs_of_equal_times_are_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "packed.aedat"
    path.write_bytes(aedat3_packed(RUNS))
    assert read(path) == RUNS
    path.write_bytes(aedat3_packed(RUNS).replace(b"SerializedTS", b"SomethingNew"))
    with pytest.raises(SensorError, match="SerializedTS and PNGFrames are read"):
        read(path)


@pytest.mark.parametrize(("at", "value"), [(12, 0xFF), (12, 0), (20, 8)])
def test_a_damaged_run_is_named(at: int, value: int, tmp_path: Path) -> None:
    whole = bytearray(aedat3_packed(RUNS[:9]))
    body = len(whole) - 8 * 2 - 4 * 7
    whole[body + at - 28 if at == 20 else body + at] = value
    path = tmp_path / "packed.aedat"
    path.write_bytes(whole)
    with pytest.raises(SensorError, match="damaged at byte"):
        read(path)


def test_the_second_camera_of_a_stereo_recording(data_dir: Path) -> None:
    path = data_dir / "reports" / "c36_stereo.aedat4"
    first = open_recording(path)
    assert (first.size, len(first.read())) == ((640, 480), 3000)
    assert "0 (DVX_LEFT, 640x480) is read; others are 1 (DVX_RIGHT, 346x260)" in first.note
    second = open_recording(f"{path}::1")
    assert (second.size, len(second.read())) == ((346, 260), 1500)
    assert second.left_out["other_stream"] == 3000
    with pytest.raises(SensorError, match="no stream of events 2; allowed are 0 to 1"):
        open_recording(f"{path}::2")
