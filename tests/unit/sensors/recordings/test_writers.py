"""Written recordings: read back by this package and, where they can, by two others."""

from __future__ import annotations

import resource
import struct
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import EVENT_DTYPE, Aedat4Writer, SensorError, open_recording, write_events
from spikewire.sensors.recordings.writers import WRITERS
from spikewire.sensors.simulator.dataset import plan_set, simulate_recording, write_trials


def some(count: int, start: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(1)
    events = np.empty(count, EVENT_DTYPE)
    events["t"] = start + np.sort(rng.integers(0, 5_000_000, count))
    events["x"], events["y"] = rng.integers(0, 128, (2, count))
    events["p"] = rng.integers(0, 2, count)
    return events


def read(path: Path, reader: str = "spikewire") -> np.ndarray:  # type: ignore[type-arg]
    recording = open_recording(path, size=(128, 128), reader=reader)  # type: ignore[arg-type]
    return np.concatenate([np.zeros(0, EVENT_DTYPE), *recording.chunks()])


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_written_is_read_back(suffix: str, tmp_path: Path) -> None:
    truth = some(60_000)
    path = tmp_path / f"out{suffix}"
    pieces = [truth[:1], truth[1:1], truth[1:40_000], truth[40_000:]]
    assert write_events(pieces, path, (128, 128)) == 60_000
    assert (read(path) == truth).all()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("count", [0, 1, 5, 60_000])
@pytest.mark.parametrize("start", [0, 1_650_000_000_000_000])
def test_aedat4_is_read_by_two_other_readers(count: int, start: int, tmp_path: Path) -> None:
    path = tmp_path / "out.aedat4"
    truth = some(count, start)
    write_events([truth], path, (128, 128))
    assert (read(path) == truth).all()
    assert (read(path, "faery") == truth).all()
    if find_spec("aestream") is not None and count:
        assert (read(path, "aestream") == truth).all()
    assert open_recording(path).size == (128, 128)


def test_an_interrupted_recording_holds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "out.aedat4"
    truth = some(1000)
    writer = Aedat4Writer(path, (128, 128))
    writer.write(truth[:400])
    assert (read(path) == truth[:400]).all()
    writer.write(truth[400:])
    assert (read(path, "faery") == truth).all()
    with pytest.raises(SensorError, match="cannot run backwards"):
        writer.write(truth[:1])
    writer.close()
    writer.close()
    assert (read(path) == truth).all()


def write_all(writer: Aedat4Writer, events: np.ndarray, count: int) -> None:  # type: ignore[type-arg]
    for first in range(0, len(events), count):
        writer.write(events[first : first + count])


@pytest.mark.parametrize("freed", [False, True])
@pytest.mark.parametrize("most", [1_000, 3_000, 60_000, 100_001])
@pytest.mark.parametrize("count", [100, 5000])
def test_a_full_disk_costs_no_written_packet(
    count: int, most: int, freed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "out.aedat4"
    truth = some(30_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        writer = Aedat4Writer(path, (128, 128))
        with pytest.raises(SensorError, match="cannot be written: File too large"):
            write_all(writer, truth, count)
        if freed:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        with suppress(SensorError):  # the table is missing then
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found = read(path)
    assert len(found) == writer.events >= (most - 50_000) // 11
    assert (found == truth[: len(found)]).all()


def test_a_disk_without_room_for_the_header(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with pytest.raises(SensorError, match="cannot be written: File too large"):
            Aedat4Writer(tmp_path / "out.aedat4", (128, 128))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_aedat3_overflow_counts_are_written(tmp_path: Path) -> None:
    path = tmp_path / "out.aedat"
    truth = some(500, 2**31 - 2_000_000)
    write_events([truth], path, (128, 128))
    assert (read(path) == truth).all()
    raw = path.read_bytes()
    at = raw.index(b"END-HEADER\r\n") + 12
    assert struct.unpack_from("<hhiiii", raw, at) [:5] == (1, 1, 8, 4, 0)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "size", "start", "says"),
    [
        ("a.txt", (128, 128), 0, "of no format that is written"),
        ("a.bin", (346, 260), 0, "up to 256x256"),
        ("a.bin", (128, 128), 9_000_000, "from 0 to 8.4 s only, and event"),
        ("a.aedat", (128, 128), -9_000_000, "times from 0 only, and event"),
        ("no/where.csv", (128, 128), 0, "cannot be written: No such file"),
    ],
)
def test_what_a_format_cannot_hold_is_said_and_leaves_nothing(
    name: str, size: tuple[int, int], start: int, says: str, tmp_path: Path
) -> None:
    with pytest.raises(SensorError, match=says):
        write_events([some(100, start)], tmp_path / name, size)
    assert list(tmp_path.iterdir()) == []


def test_a_simulated_set_is_one_of_dvs_gesture(tmp_path: Path) -> None:
    from spikewire.sensors import GESTURES, open_dataset

    takes = plan_set(2, lights=("natural",), seconds=0.1, seed=3)
    for take in takes:
        assert simulate_recording(take, tmp_path) > 1000
    write_trials(tmp_path, takes, 1)
    data = open_dataset(tmp_path)
    assert data.kind == "DVS128 Gesture"
    assert {s.label for s in data.samples} == set(GESTURES)
    assert open_dataset(tmp_path, part="test").subjects() == ("user02",)
    whole = (tmp_path / takes[0].name).read_bytes()
    simulate_recording(takes[0], tmp_path)
    assert (tmp_path / takes[0].name).read_bytes() == whole
    with pytest.raises(SensorError, match="would be empty"):
        write_trials(tmp_path, takes, 2)
    for wrong in ({"subjects": 1}, {"seconds": 0}, {"lights": ("dark",)}, {"seed": -1}):
        with pytest.raises(SensorError, match="allowed are"):
            plan_set(**{"subjects": 3, **wrong})  # type: ignore[arg-type]
