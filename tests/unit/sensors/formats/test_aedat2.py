"""AEDAT 1.0 and 2.0 as the programs that wrote them mean it, and as the document says."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.commands import run
from spikewire.sensors import SensorError, open_recording, open_source, simulate
from tests.reference.formats import EVENTS, aedat1, aedat2, aedat2_davis

Columns = tuple[np.ndarray, ...]  # type: ignore[type-arg]


def flipped(events: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [(t, x, y, 1 - p) for t, x, y, p in events]


@pytest.mark.parametrize("write", [aedat1, aedat2])
def test_the_polarity_of_the_dvs128_is_inverted_unless_the_document_is_followed(
    write: Callable[[list[tuple[int, int, int, int]]], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(write(EVENTS))
    assert open_recording(path).read().tolist() == EVENTS
    assert open_recording(path, convention="document").read().tolist() == flipped(EVENTS)


def test_davis_columns_count_from_the_right_unless_the_document_is_followed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat2_davis(EVENTS))
    assert open_recording(path).read().tolist() == EVENTS
    mirrored = [(t, 239 - x, y, p) for t, x, y, p in EVENTS]
    assert open_recording(path, convention="document").read().tolist() == mirrored
    with pytest.raises(SensorError, match="allowed are jaer, document"):
        open_recording(path, convention="cer")  # type: ignore[arg-type]
    assert open_source(f"file:{path}?convention=document").size == (240, 180)
    with pytest.raises(SensorError, match="allowed are jaer, document"):
        open_source(f"file:{path}?convention=matlab")


def davis_file(events: list[tuple[int, int, int, int]], size: tuple[int, int]) -> bytes:
    """No chip is named, as by v2e."""
    rows = [
        struct.pack(">II", (size[1] - 1 - y) << 22 | (size[0] - 1 - x) << 12 | p << 11, t)
        for t, x, y, p in events
    ]
    return b"#!AER-DAT2.0\r\n# Timestamps tick is 1 us\r\n" + b"".join(rows)


@pytest.mark.parametrize("size", [(240, 180), (346, 260), (640, 480)])
def test_an_unnamed_davis_is_told_by_its_addresses(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "v2e.aedat"
    events = [(n, n * (size[0] - 1) // 9, n * (size[1] - 1) // 9, n % 2) for n in range(10)]
    path.write_bytes(davis_file(events, size))
    recording = open_recording(path)
    assert (recording.size, recording.size_from) == (size, "events")
    assert "DAVIS family" in recording.note
    assert recording.read().tolist() == events
    # Where only a part of the sensor saw something the caller knows better.
    path.write_bytes(davis_file(events[4:7], size))
    assert open_recording(path, size=size).read().tolist() == events[4:7]


def test_both_marks_of_a_trigger_are_left_out_on_the_dvs128(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    more = struct.pack(">IIII", 0x8000, 90_001, 0x80000000, 90_002)
    path.write_bytes(aedat2(EVENTS) + more)
    recording = open_recording(path)
    assert recording.read().tolist() == EVENTS
    assert recording.left_out == {"trigger": 2}


def as_dvs128(t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> bytes:  # type: ignore[type-arg]
    rows = np.stack([(127 - y) << 8 | (127 - x) << 1 | 1 - p, t], 1)
    return b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n" + rows.astype(">u4").tobytes()


def as_davis346(t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> bytes:  # type: ignore[type-arg]
    rows = np.stack([(259 - y) << 22 | (345 - x) << 12 | p << 11, t], 1)
    return b"#!AER-DAT2.0\r\n# AEChip: Davis346red\r\n" + rows.astype(">u4").tobytes()


def test_a_person_that_jaer_recorded_is_converted_read_back_and_recognised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mirrored, or with its polarity turned, the same gesture is another one or none."""
    events = simulate("right_hand_wave", seconds=1, seed=1)
    columns: Columns = tuple(events[name].astype(np.int64) for name in ("t", "x", "y", "p"))
    crop = ["--filter", "crop:0,0,128x128"]
    for write, how in ((as_dvs128, []), (as_davis346, crop)):
        source, target = tmp_path / "person.aedat", tmp_path / "person.aedat4"
        source.write_bytes(write(*columns))
        assert run(["convert", str(source), str(target), "--force", *how]) == 0
        assert (open_recording(target).read() == events).all()
    options = ["--model", "gestures", "--label", "right_hand_wave", "--json"]
    right = {}
    for convention, left in (("jaer", 0), ("document", 218)):
        capsys.readouterr()
        how = ["--convention", convention, "--filter", f"crop:{left},0,128x128"]
        assert run(["replay", str(source), *how, *options]) == 0
        right[convention] = json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"]
    assert right["jaer"] > 0.6 > 0.4 > right["document"]


@pytest.mark.data
def test_the_inputs_of_the_reports(data_dir: Path) -> None:
    davis = open_recording(data_dir / "reports" / "c07_v2e_davis346.aedat").read()
    assert (davis["x"].min(), davis["x"].max(), len(davis)) == (5, 54, 1_500)
    dvs = open_recording(data_dir / "reports" / "c07b_jaer_dvs128.aedat").read()
    assert (int(dvs["p"].sum()), len(dvs)) == (1_500, 1_500)
