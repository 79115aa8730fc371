"""Data sets: layouts told apart, stretches cut, and every way a folder can be wrong."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import GESTURES, DecodeError, SensorError, open_dataset, wrap_dataset
from tests.reference.formats import aedat3


def write(path: Path, times: range, x: int = 3) -> Path:
    """Write a recording in N-MNIST's bytes: x, y, polarity over 23 bits of microseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(bytes([x, 5]) + struct.pack(">I", t)[1:] for t in times))
    return path


def nmnist(folder: Path, each: int = 2, end: str = "") -> Path:
    for digit in range(10):
        for number in range(each):
            write(folder / f"{digit}{end}" / f"{number:05}.bin", range(7, 5000, 100 + digit))
    return folder


@pytest.mark.parametrize("end", ["", "\r"])
@pytest.mark.parametrize("inside", ["Train", "."])
def test_nmnist_layouts(tmp_path: Path, inside: str, end: str) -> None:
    nmnist(tmp_path / inside, end=end)
    data = open_dataset(tmp_path)
    assert data.kind == "N-MNIST"
    assert data.classes == tuple("0123456789")
    assert data.size == (34, 34)
    assert [s.label for s in data.samples] == [str(n // 2) for n in range(20)]
    assert [s.path.name for s in data.samples[:2]] == ["00000.bin", "00001.bin"]
    events = data.load(data.samples[3])
    assert events["t"].tolist() == list(range(7, 5000, 101))
    assert data.shown_us() == 300_000


def test_the_test_part_is_opened_by_its_own_name(tmp_path: Path) -> None:
    nmnist(tmp_path / "Train", each=2)
    nmnist(tmp_path / "Test", each=1)
    assert len(open_dataset(tmp_path)) == 20
    assert len(open_dataset(tmp_path / "Test")) == 10


def test_a_folder_per_class(tmp_path: Path) -> None:
    for name, count in (("wave", 3), ("10", 1), ("9", 2)):
        for number in range(count):
            write(tmp_path / name / f"{number}.bin", range(400, 9_400, 10))
    data = open_dataset(tmp_path)
    assert data.kind == "recordings"
    assert data.classes == ("9", "10", "wave")
    assert [s.label for s in data.samples] == ["9", "9", "10", "wave", "wave", "wave"]
    events = data.load(data.samples[0])
    assert (events["t"][0], events["t"][-1]) == (0, 8_990)
    assert data.shown_us() == 9_000


def test_label_files_cut_stretches(tmp_path: Path) -> None:
    write(tmp_path / "user07_led.bin", range(0, 10_000, 10))
    (tmp_path / "user07_led_labels.csv").write_text(
        "class,startTime_usec,endTime_usec\nrest,1000,2000\nwave,5000,9000\n"
    )
    write(tmp_path / "b.bin", range(0, 3000, 10))
    (tmp_path / "b.csv").write_text("wave,0,500\n")
    data = open_dataset(tmp_path)
    assert data.classes == ("rest", "wave")
    assert [(s.label, s.path.stem, s.subject) for s in data.samples] == [
        ("rest", "user07_led", "user07"),
        ("wave", "b", None),
        ("wave", "user07_led", "user07"),
    ]
    events = data.load(data.samples[2])
    assert events["t"].tolist() == list(range(0, 4000, 10))
    assert data.shown_us() == 4_000


def test_a_part_with_some_classes(tmp_path: Path) -> None:
    data = open_dataset(nmnist(tmp_path)).only(["3", "1"])
    assert data.classes == ("3", "1")
    assert [s.label for s in data.samples] == ["3", "3", "1", "1"]
    with pytest.raises(SensorError, match="has no class 'x'; it has 3, 1"):
        data.only(["x"])


def test_given_classes_keep_their_order(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.bin", range(5))
    write(tmp_path / "b" / "1.bin", range(5))
    assert open_dataset(tmp_path, classes=("b", "c", "a")).classes == ("b", "c", "a")
    with pytest.raises(SensorError, match="labelled 'b', which is none of the classes a, c"):
        open_dataset(tmp_path, classes=("a", "c"))


def test_wrong_folders_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")
    file = write(tmp_path / "a.bin", range(3))
    with pytest.raises(SensorError, match="is a file"):
        open_dataset(file)
    with pytest.raises(SensorError, match=r"has no labels: there is neither a_labels\.csv"):
        open_dataset(tmp_path)
    file.unlink()
    with pytest.raises(SensorError, match="is empty"):
        open_dataset(tmp_path)
    (tmp_path / "c_labels.csv").write_text("a,0,1\n")
    with pytest.raises(SensorError, match=r"c_labels\.csv labels no recording"):
        open_dataset(tmp_path)


def test_a_digit_without_recordings(tmp_path: Path) -> None:
    nmnist(tmp_path, each=1)
    (tmp_path / "7" / "00000.bin").unlink()
    with pytest.raises(SensorError, match="no recordings of 7"):
        open_dataset(tmp_path)


def test_a_damaged_recording_is_named(tmp_path: Path) -> None:
    path = write(nmnist(tmp_path) / "4" / "00001.bin", range(20))
    path.write_bytes(path.read_bytes()[:-2])
    data = open_dataset(tmp_path)
    with pytest.raises(DecodeError, match=r"00001\.bin is damaged at byte 95"):
        data.load(data.samples[9])


def test_a_stretch_without_events_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.bin", range(100))
    (tmp_path / "a.csv").write_text("wave,200,300\n")
    data = open_dataset(tmp_path)
    with pytest.raises(SensorError, match="no events from 200 to 300 us"):
        data.load(data.samples[0])


def test_sensors_of_two_sizes_are_refused(tmp_path: Path) -> None:
    for name, width in (("a", 64), ("b", 128)):
        (tmp_path / "x").mkdir(exist_ok=True)
        head = b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", width, 64)
        (tmp_path / "x" / f"{name}.es").write_bytes(head + bytes([2, 1, 0, 1, 0]))
    with pytest.raises(SensorError, match=r"b\.es is of a 128x64 sensor"):
        open_dataset(tmp_path)


@pytest.mark.data
def test_real_nmnist(data_dir: Path) -> None:
    data = open_dataset(data_dir / "nmnist")
    assert len(data) == 1000
    events = [len(data.load(sample)) for sample in data.samples[::100]]
    assert min(events) > 1000
    assert open_dataset(data_dir / "nmnist" / "Train").samples == data.samples


def gesture_set(folder: Path, users: int = 3) -> Path:
    """Write DVS128 Gesture's own layout; every user shows class 1, 9 and 10, a second each."""
    events = [(t, t // 1000 % 128, 5, 1) for t in range(0, 4_000_000, 20_000)]
    for user in range(1, users + 1):
        name = f"user{user:02}_led"
        (folder / f"{name}.aedat").write_bytes(aedat3(events, per_packet=50))
        rows = ["1,100000,1000000", "9,1500000,2600000", "10,2500000,3500000"]
        (folder / f"{name}_labels.csv").write_text(
            "class,startTime_usec,endTime_usec\n" + "\n".join(rows) + "\n"
        )
    names = [f"user{user:02}_led.aedat\n" for user in range(1, users + 1)]
    (folder / "trials_to_train.txt").write_text("".join(names[:-1]))
    (folder / "trials_to_test.txt").write_text(names[-1] + "\n")
    return folder


def test_dvs_gesture_as_published(tmp_path: Path) -> None:
    data = open_dataset(gesture_set(tmp_path))
    assert data.kind == "DVS128 Gesture"
    assert data.size == (128, 128)
    assert data.classes == GESTURES
    assert len(data) == 9
    assert data.subjects() == ("user01", "user02", "user03")
    test = open_dataset(tmp_path, part="test")
    assert [(s.label, s.subject) for s in test.samples] == [
        ("hand_clapping", "user03"), ("air_drums", "user03"), ("air_guitar", "user03"),
    ]  # fmt: skip
    assert len(open_dataset(tmp_path, part="train")) == 6
    # Class 9 is labelled into class 10, as user22_led's is: it ends where that begins.
    drums = test.load(test.samples[1])
    assert drums["t"].tolist() == list(range(0, 1_000_000, 20_000))


def test_dvs_gesture_with_a_recording_missing(tmp_path: Path) -> None:
    (gesture_set(tmp_path) / "user02_led.aedat").unlink()
    with pytest.raises(SensorError, match=r"names user02_led\.aedat, which is not there"):
        open_dataset(tmp_path)


def test_splits_by_subject_are_fixed_and_share_nobody(tmp_path: Path) -> None:
    data = open_dataset(gesture_set(tmp_path, users=9))
    first, second = data.by_subject(0.2)
    assert len(second.subjects()) == 2
    assert not set(first.subjects()) & set(second.subjects())
    assert len(first) + len(second) == len(data)
    assert open_dataset(tmp_path).by_subject(0.2)[1].samples == second.samples
    others = {data.by_subject(0.2, seed=seed)[1].subjects() for seed in range(8)}
    assert len(others) > 3
    with pytest.raises(SensorError, match="does not show user77"):
        data.part(["user77"])
    with pytest.raises(SensorError, match="cannot be split by subject"):
        data.part(["user01"]).by_subject()


def test_folders_of_arrays_as_other_libraries_unpack_them(tmp_path: Path) -> None:
    for part, count in (("Train", 3), ("Test", 1)):
        for name in ("4", "5"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                array = np.zeros(50, [("x", "<i2"), ("y", "<i2"), ("p", "?"), ("t", "<i8")])
                array["t"], array["x"] = np.arange(50) * 100, 7
                np.save(folder / f"{number}.npy", array)
    assert len(open_dataset(tmp_path, part="train")) == 6
    test = open_dataset(tmp_path, part="test")
    assert test.classes == ("4", "5")
    assert test.load(test.samples[0]).tolist()[1] == (100, 7, 0, 0)
    with pytest.raises(SensorError, match="has no part 'test'"):
        open_dataset(tmp_path / "Train", part="test")


@pytest.mark.data
@pytest.mark.slow
def test_real_clips_as_a_data_set_of_aedat_are_the_clips(data_dir: Path, tmp_path: Path) -> None:
    clips = sorted((data_dir / "dvs_gesture").glob("class_*.bin"))
    assert len(clips) == 5
    events: list[tuple[int, int, int, int]] = []
    rows = []
    begin = 2**31 - 3_000_000  # so that the overflow count changes within a clip
    truth = {}
    for clip in clips:
        raw = np.frombuffer(clip.read_bytes(), np.uint8).reshape(-1, 5).astype(np.int64)
        t = (raw[:, 2] & 0x7F) << 16 | raw[:, 3] << 8 | raw[:, 4]
        rows.append(f"{int(clip.stem[-2:])},{begin},{begin + int(t[-1]) + 1}")
        columns = (t + begin, raw[:, 0], raw[:, 1], raw[:, 2] >> 7)
        events += list(zip(*(column.tolist() for column in columns), strict=True))
        name = GESTURES[int(clip.stem[-2:]) - 1]
        truth[name] = np.stack([t, raw[:, 0], raw[:, 1], raw[:, 2] >> 7], 1)
        begin += int(t[-1]) + 500_000
    (tmp_path / "user01_natural.aedat").write_bytes(aedat3(events, per_packet=3000))
    (tmp_path / "user01_natural_labels.csv").write_text(
        "class,startTime_usec,endTime_usec\n" + "\n".join(rows) + "\n"
    )
    (tmp_path / "trials_to_train.txt").write_text("user01_natural.aedat\n")
    (tmp_path / "trials_to_test.txt").write_text("")
    data = open_dataset(tmp_path, part="train")
    assert len(data) == 5
    for sample in data.samples:
        got = data.load(sample)
        assert (np.stack([got[n].astype(np.int64) for n in "txyp"], 1) == truth[sample.label]).all()


class Shaped:
    """A data set as Tonic shapes them."""

    sensor_size = (34, 34, 2)
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])

    def __init__(self, classes: list[str] | None = None) -> None:
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:  # type: ignore[type-arg]
        events = np.zeros(4, self.dtype)
        events["t"] = 500 + 100 * np.arange(4)
        events["x"] = index
        return events, index % 3


def test_any_sequence_of_events_and_targets_is_a_data_set() -> None:
    data = wrap_dataset(Shaped())
    assert data.classes == ("0", "1", "2")
    assert data.size == (34, 34)
    assert [s.label for s in data.samples] == ["0", "0", "1", "1", "2", "2"]
    assert data.load(data.samples[3]).tolist() == [(100 * n, 4, 0, 0) for n in range(4)]
    named = wrap_dataset(Shaped(["a", "b", "c"]), unit="ms")
    assert named.only(["c"]).samples[0].label == "c"
    assert named.load(named.samples[0])["t"].tolist() == [0, 100_000, 200_000, 300_000]
    assert wrap_dataset(Shaped(), classes=["x", "y", "z"]).classes == ("x", "y", "z")


def test_sequences_that_are_no_data_sets() -> None:
    with pytest.raises(SensorError, match="has the target '2', which is none of a, b"):
        wrap_dataset(Shaped(["a", "b"]))
    with pytest.raises(SensorError, match="does not say its sensor's size"):
        wrap_dataset([(np.zeros(1), 0)])
    with pytest.raises(SensorError, match="is empty"):
        wrap_dataset([], size=(4, 4))
    data = wrap_dataset([(np.zeros(1), 0)], size=(4, 4))
    with pytest.raises(SensorError, match="no fields; t, x, y, p missing"):
        data.load(data.samples[0])
