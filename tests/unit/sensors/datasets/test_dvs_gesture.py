"""DVS128 Gesture in both its layouts: parts, subjects, names of classes and milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import (
    GESTURES,
    Label,
    SensorError,
    find_recordings,
    name_labels,
    open_dataset,
    plan_set,
    simulate_arrays,
    simulate_recording,
    write_events,
)
from tests.reference.formats import aedat3


def array(path: Path, times_ms: range, x: int = 100) -> None:
    """Write a table of x, y, p and t in milliseconds, all as floats, as Tonic's copy has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.array([(x, 5, n % 2, t) for n, t in enumerate(times_ms)], np.float64)
    np.save(path, rows)


def tonic(folder: Path) -> Path:
    for part, recording in (
        ("ibmGestureTrain", "user02_natural"),
        ("ibmGestureTrain", "user01_fluorescent_led"),
        ("ibmGestureTest", "user24_lab"),
    ):
        for number in (0, 7, 10):
            array(folder / part / recording / f"{number}.npy", range(3, 6000, 10))
    return folder


def test_tonics_copy_has_milliseconds_and_numbers_from_0(tmp_path: Path) -> None:
    data = open_dataset(tonic(tmp_path))
    assert data.kind == "DVS128 Gesture by Tonic"
    assert (data.classes, data.size) == (GESTURES, (128, 128))
    assert [s.label for s in data.samples[::3]] == ["hand_clapping", "arm_roll", "other_gestures"]
    assert data.subjects() == ("user01", "user02", "user24")
    events = data.load(data.samples[0])
    assert events["t"].tolist() == list(range(0, 5_997_000, 10_000))
    assert events[1].tolist() == (10_000, 100, 5, 1)
    assert data.shown_us() == 2_000_000


def test_tonics_copy_has_the_published_parts(tmp_path: Path) -> None:
    tonic(tmp_path / "DVSGesture")
    for top in (tmp_path, tmp_path / "DVSGesture"):
        assert open_dataset(top, part="train").subjects() == ("user01", "user02")
        assert open_dataset(top, part="test").subjects() == ("user24",)
    alone = tmp_path / "DVSGesture" / "ibmGestureTest"
    assert len(open_dataset(alone)) == 3
    with pytest.raises(SensorError, match="none of the users of the part 'train'"):
        open_dataset(alone, part="train")
    for path in (tmp_path / "DVSGesture" / "ibmGestureTrain").rglob("*.npy"):
        path.unlink()
    with pytest.raises(SensorError, match="has no part 'train', but test only"):
        open_dataset(tmp_path, part="train")


def test_arrays_that_are_no_gestures_are_named(tmp_path: Path) -> None:
    tonic(tmp_path)
    array(tmp_path / "ibmGestureTest" / "user24_lab" / "11.npy", range(9))
    with pytest.raises(SensorError, match=r"11\.npy is none of the classes .* 0\.npy to 10\.npy"):
        open_dataset(tmp_path)


def test_microseconds_in_tonics_layout_are_asked_for(tmp_path: Path) -> None:
    array(tmp_path / "ibmGestureTrain" / "user01_led" / "4.npy", range(0, 6_000_000, 1000))
    data = open_dataset(tmp_path)
    with pytest.raises(SensorError, match=r"4\.npy would last 5,999 s with times in ms"):
        data.load(data.samples[0])
    data = open_dataset(tmp_path, unit="us")
    assert data.load(data.samples[0])["t"][-1] == 5_999_000


def test_a_replay_finds_tonics_arrays_with_their_names(tmp_path: Path) -> None:
    found = find_recordings(tonic(tmp_path), part="test")
    assert [(e.path.name, e.label) for e in found] == [
        ("0.npy", "hand_clapping"), ("7.npy", "arm_roll"), ("10.npy", "other_gestures"),
    ]  # fmt: skip
    assert found[0].open("raise").read()["t"][-1] == 5_993_000


def published(folder: Path, *names: str, labels: str = "1,0,500000\n9,500000,900000\n") -> Path:
    events = [(t, t // 1000 % 128, 5, 1) for t in range(0, 1_000_000, 20_000)]
    for name in names:
        (folder / f"{name}.aedat").write_bytes(aedat3(events, per_packet=50))
        (folder / f"{name}_labels.csv").write_text("class,startTime_usec,endTime_usec\n" + labels)
    return folder


def test_without_lists_the_users_numbers_give_the_published_parts(tmp_path: Path) -> None:
    published(tmp_path, "user23_led", "user24_led", "user24_natural")
    data = open_dataset(tmp_path)
    assert (data.kind, len(data)) == ("DVS128 Gesture", 6)
    assert {s.label for s in data.samples} == {"hand_clapping", "air_drums"}
    assert open_dataset(tmp_path, part="train").subjects() == ("user23",)
    assert open_dataset(tmp_path, part="test").subjects() == ("user24",)
    assert len(find_recordings(tmp_path, part="test")) == 2
    assert find_recordings(tmp_path)[0].labels[1].name == "air_drums"


def test_names_and_other_numbers_of_ones_own_stay(tmp_path: Path) -> None:
    published(tmp_path, "user01_led", labels="1,0,500000\n12,500000,900000\n")
    data = open_dataset(tmp_path)
    assert (data.kind, data.classes) == ("recordings", ("1", "12"))


def test_numbers_mean_gestures_where_these_are_known(tmp_path: Path) -> None:
    published(tmp_path, "mine")
    assert open_dataset(tmp_path).classes == ("1", "9")
    known = open_dataset(tmp_path, classes=GESTURES)
    assert [s.label for s in known.samples] == ["hand_clapping", "air_drums"]
    assert open_dataset(tmp_path, classes=("9", "1", "air_drums")).samples[0].label == "9"
    labels = [Label("1", 0, 5), Label("12", 5, 9), Label("left", 9, 12)]
    assert [each.name for each in name_labels(labels, GESTURES)] == ["hand_clapping", "12", "left"]
    assert name_labels(labels, ("left",)) == labels


def test_other_tables_tell_their_columns_unit_and_size(tmp_path: Path) -> None:
    for name in ("a", "b"):
        array(tmp_path / name / "0.npy", range(3, 300, 3), x=30)
    data = open_dataset(tmp_path, unit="ms", columns=("x", "y", "p", "t"), size=(64, 48))
    assert data.size == (64, 48)
    assert data.only(["b"]).load(data.samples[1])["t"][-1] == 294_000


def test_both_layouts_of_a_simulated_recording_are_the_same_gestures(tmp_path: Path) -> None:
    [take, _] = plan_set(2, lights=("led",), seconds=0.1, seed=3)
    simulate_recording(take, tmp_path)
    count = simulate_arrays(take, tmp_path / "ibmGestureTrain")
    arrays = open_dataset(tmp_path / "ibmGestureTrain")
    (tmp_path / "aedat").mkdir()
    for path in tmp_path.glob("user01_led*"):
        path.rename(tmp_path / "aedat" / path.name)
    streams = open_dataset(tmp_path / "aedat")
    assert [s.label for s in arrays.samples] == [s.label for s in streams.samples]
    assert count == sum(len(streams.load(sample)) for sample in streams.samples)
    for one, other in zip(arrays.samples, streams.samples, strict=True):
        ours, theirs = arrays.load(one), streams.load(other)
        assert (ours["x"] == theirs["x"]).all()
        assert (ours["p"] == theirs["p"]).all()
        begin = theirs["t"][0] // 1000
        assert (ours["t"] == (theirs["t"] // 1000 - begin) * 1000).all()


@pytest.mark.data
def test_the_reported_copy_of_tonic(data_dir: Path) -> None:
    data = open_dataset(data_dir / "reports" / "s05_tonic")
    assert data.subjects() == ("user01", "user02")
    assert {s.label for s in data.samples} == set(GESTURES[:3])
    assert all(5_900_000 < data.load(s)["t"][-1] < 6_000_000 for s in data.samples)


def test_a_recording_without_labels_beside_published_ones_is_refused(tmp_path: Path) -> None:
    events = open_dataset(published(tmp_path, "user24_led")).load(open_dataset(tmp_path).samples[0])
    write_events(events, tmp_path / "copy.aedat4", (128, 128))
    with pytest.raises(SensorError, match=r"copy\.aedat4 has no labels"):
        open_dataset(tmp_path)
