"""Data sets as other libraries and their authors lay them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import (
    EVENT_DTYPE,
    GESTURES,
    Events,
    SensorError,
    find_recordings,
    open_dataset,
    open_source,
    wrap_dataset,
    write_events,
)
from tests.reference.tables import mat


def events(count: int = 300, step_us: int = 100, side: int = 30) -> Events:
    made = np.zeros(count, EVENT_DTYPE)
    made["t"] = step_us * np.arange(count)
    made["x"] = made["y"] = np.arange(count) % side
    return made


def recording(path: Path, size: tuple[int, int] = (128, 128), **how: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_events(events(**how), path, size)
    return path


@pytest.mark.parametrize("top", [".", "events_np"])
def test_spikingjellys_gestures(top: str, tmp_path: Path) -> None:
    for part, user in (("train", "user01"), ("test", "user24")):
        for number in (0, 3, 10):
            recording(tmp_path / top / part / str(number) / f"{user}_led_{number}.npz")
    data = open_dataset(tmp_path)
    assert data.kind == "DVS128 Gesture by SpikingJelly"
    assert (data.classes, data.size) == (GESTURES, (128, 128))
    assert [sample.label for sample in data.samples[::2]] == [GESTURES[n] for n in (0, 3, 10)]
    assert data.subjects() == ("user01", "user24")
    assert len(data.load(data.samples[0])) == 300
    assert open_dataset(tmp_path, part="test").subjects() == ("user24",)
    played = find_recordings(tmp_path, part="train")
    assert [one.label for one in played] == [GESTURES[n] for n in (0, 3, 10)]
    assert {one.size for one in played} == {(128, 128)}


def test_digits_of_another_format_have_their_own_sensor(tmp_path: Path) -> None:
    for digit in range(10):
        recording(tmp_path / "train" / str(digit) / "a.aedat4")
    data = open_dataset(tmp_path, part="train")
    assert (data.kind, data.size) == ("recordings", (128, 128))
    assert data.classes == tuple("0123456789")
    assert open_dataset(tmp_path).classes == data.classes


def test_n_cars_as_published(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("cars", "background"):
            recording(tmp_path / f"n-cars_{part}" / name / "obj_000001_td.dat", (304, 240))
    data = open_dataset(tmp_path, part="train")
    assert (data.classes, data.size) == (("background", "cars"), (120, 100))
    assert len(open_dataset(tmp_path)) == 4
    assert [one.label for one in find_recordings(tmp_path, part="test")] == ["background", "cars"]


def test_asl_dvs_as_published(tmp_path: Path) -> None:
    letters = "abcdefghiklmnopqrstuvwxy"
    rows = [(10 * n, n % 30, n % 20, n & 1) for n in range(40)]
    for letter in letters:
        (tmp_path / letter).mkdir()
        (tmp_path / letter / f"{letter}_0001.mat").write_bytes(mat(rows))
    data = open_dataset(tmp_path)
    assert (data.classes, data.size) == (tuple(letters), (240, 180))
    assert data.load(data.samples[0]).tolist() == rows


@pytest.mark.parametrize("step_us", [100_000_000, 0.0])
def test_rates_that_no_camera_gives_are_refused(step_us: float, tmp_path: Path) -> None:
    made = events(count=60_000 if not step_us else 300, step_us=int(step_us))
    if not step_us:  # milliseconds that are taken for microseconds
        made["t"] = np.arange(60_000) // 60
    for name in "ab":
        (tmp_path / name).mkdir()
        write_events(made, tmp_path / name / "1.npy", (34, 34))
    data = open_dataset(tmp_path)
    with pytest.raises(SensorError, match="no camera gives: its times are in another unit"):
        data.load(data.samples[0])


def test_a_source_of_labelled_files_names_gestures(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.aedat4")
    (tmp_path / "a_labels.csv").write_text("class,start,stop\n1,0,9000\n12,9000,20000\n")
    source = open_source(f"file:{path}", labels=str(tmp_path / "a_labels.csv"))
    source.name_labels(GESTURES)  # type: ignore[attr-defined]
    named = source._excerpts[0].labels  # type: ignore[attr-defined]
    assert [label.name for label in named] == [GESTURES[0], "12"]


class DVSGesture:
    """A data set with the interface of Tonic's; reading events of all samples is a mistake."""

    classes = [f"Tonic's word {n}" for n in range(11)]  # noqa: RUF012 - as Tonic has it
    sensor_size = (128, 128, 2)
    target_transform = transforms = None

    def __init__(self) -> None:
        self.targets = [3, 0, 10]
        self.read = 0

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[Events, int]:
        self.read += 1
        return events(), self.targets[index]


def test_tonics_targets_are_known_without_reading_events() -> None:
    source = DVSGesture()
    data = wrap_dataset(source)
    assert source.read == 0
    assert data.classes == GESTURES
    assert [sample.label for sample in data.samples] == [GESTURES[n] for n in (0, 3, 10)]
    assert len(data.load(data.samples[0])) == 300
    assert source.read == 1


def test_a_data_set_of_tonic(tmp_path: Path) -> None:
    tonic = pytest.importorskip("tonic.datasets")
    folder = tmp_path / "DVSGesture" / "ibmGestureTest" / "user24_led"
    folder.mkdir(parents=True)
    rows = np.stack([np.arange(50) % 30, np.arange(50) % 20, np.arange(50) % 2, np.arange(50)], 1)
    np.save(folder / "4.npy", rows.astype(np.float64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tonic.DVSGesture, "_check_exists", lambda self: True)
        data = wrap_dataset(tonic.DVSGesture(save_to=str(tmp_path), train=False))
    assert data.samples[0].label == GESTURES[4]
    assert data.load(data.samples[0])["t"].tolist() == [1000 * n for n in range(50)]
