"""Label files, and names of classes from files and folders."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import pytest

from spikewire.sensors import (
    Excerpt,
    Label,
    Sample,
    SensorError,
    find_recordings,
    open_dataset,
    read_labels,
    wrap_dataset,
    write_labels,
)


def test_label_files(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("class,startTime_usec,endTime_usec\n2,300,500\n1,100,350\n")
    # The first runs into the second and is ended there.
    assert read_labels(path) == [Label("1", 100, 300), Label("2", 300, 500)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,5\n2,3\n", "line 1: expected"),
        ("1,50,40\n", "line 1: the label ends"),
        ("a,b,c\n1,x,3\n", "line 2: expected"),
        ("1,2," + "3" * 99 + "\n", "line 1: the label lies after"),
        ("1,2," + "3" * 3000 + "\n", "line 1: the label lies after"),
        (",2,3\n", "line 1: the class's name is empty"),
        ("x" * 1000 + ",2,3\n", "line 1: the class's name has 1,000 characters; 64 are"),
        ("x" * 200_000 + ",2,3\n", "line 1 has more than 4,096 characters"),
        ('"' + ("x" * 4000 + "\n") * 101, "is no label file: field larger than field limit"),
        ("a\x1b[31m,2,3\n", "line 1: the class's name holds characters that cannot be printed"),
        ('"a\nb",2,3\n', "line 1: the class's name holds characters that cannot be printed"),
        ("a\0b,2,3\n", "label"),
    ],
)
def test_wrong_label_files_are_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(SensorError, match=says):
        read_labels(path)


def test_a_file_without_lines_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"1," * 10_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(SensorError, match="line 1 has more than"):
            read_labels(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_names_are_written_as_text(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    labels = [("=1+1", 0, 1), ('a, "b"', 1, 2), ("-wave", 2, 3), ("'@a", 3, 4), ("-7", 4, 5)]
    write_labels(path, labels)
    assert not any(line[0] in "=+@\t\r" for line in path.read_text().splitlines())
    assert read_labels(path) == [Label(*one) for one in labels]


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "\x1b[2J", "x" * 10_000, " "])
def test_a_bad_name_is_refused_wherever_it_is_from(name: str, tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="A label's name"):
        Label(name, 0, 1)
    with pytest.raises(SensorError, match="the class's name"):
        Excerpt(tmp_path / "a.bin", label=name)
    with pytest.raises(SensorError, match="the class's name"):
        Sample(tmp_path / "a.bin", name)
    with pytest.raises(SensorError, match="The name of a class of the data set"):
        wrap_dataset([], classes=[name], size=(9, 9))


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "x" * 100])
def test_a_folder_with_a_bad_name_is_no_class(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "a.bin").write_bytes(bytes(5))
    with pytest.raises(SensorError, match="the name of a class's folder"):
        open_dataset(tmp_path)
    with pytest.raises(SensorError, match="the class's name"):
        find_recordings(tmp_path)


@pytest.mark.data
def test_the_real_label_file(data_dir: Path) -> None:
    labels = read_labels(data_dir / "dvs_gesture" / "user01_natural_labels.csv")
    assert [label.name for label in labels].count("8") == 2
    assert all(a.stop_us <= b.start_us for a, b in itertools.pairwise(labels))
