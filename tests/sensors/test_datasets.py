"""Data sets: layouts told apart, stretches cut, and every way a folder can be wrong."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sensors import DecodeError, SensorError, open_dataset


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
