"""Folders of recordings: all of them, labelled as data sets are, whatever is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikewire.sensors import GESTURES, SensorError, find_recordings, open_dataset
from tests.support.bars import bar


def found(folder: Path, **how: str) -> list[tuple[str, str | None, int]]:
    return [
        (str(one.path.relative_to(folder)), one.label, len(one.labels))
        for one in find_recordings(folder, **how)  # type: ignore[arg-type]
    ]


def test_folders_name_classes_and_files_beside_name_stretches(tmp_path: Path) -> None:
    bar(tmp_path / "plain.bin")
    bar(tmp_path / "told.bin")
    (tmp_path / "told_labels.csv").write_text("class,startTime_usec,endTime_usec\na,0,9\nb,9,20\n")
    bar(tmp_path / "short.bin")
    (tmp_path / "short.csv").write_text("a,0,9\n")
    for name in ("10", "9", "wave"):
        bar(tmp_path / name / "1.bin")
    (tmp_path / "wave" / ".hidden.bin").write_bytes(b"")
    bar(tmp_path / "wave" / "more" / "2.bin")
    assert found(tmp_path) == [
        ("plain.bin", None, 0), ("short.bin", None, 1), ("told.bin", None, 2), ("9/1.bin", "9", 0),
        ("10/1.bin", "10", 0), ("wave/1.bin", "wave", 0), ("wave/more/2.bin", "more", 0),
    ]  # fmt: skip


def test_the_same_events_as_text_are_no_labels(tmp_path: Path) -> None:
    bar(tmp_path / "a.bin")
    (tmp_path / "a.csv").write_text("t,x,y,p\n1,2,3,1\n2,3,4,0\n")
    assert found(tmp_path) == [("a.bin", None, 0)]
    (tmp_path / "a.csv").write_text("class,from,to\na,9,1\n")
    with pytest.raises(SensorError, match=r"a\.csv"):
        find_recordings(tmp_path)


def test_parts_are_no_classes(tmp_path: Path) -> None:
    bar(tmp_path / "Train" / "a" / "1.bin")
    bar(tmp_path / "Test" / "a" / "2.bin")
    assert found(tmp_path) == [("Test/a/2.bin", "a", 0), ("Train/a/1.bin", "a", 0)]
    assert found(tmp_path, part="train") == [("Train/a/1.bin", "a", 0)]
    with pytest.raises(SensorError, match="has no part 'test'"):
        find_recordings(tmp_path / "Train", part="test")


def test_digits_are_seen_by_their_own_sensor(digits_like: Path) -> None:
    one, *_ = find_recordings(digits_like)
    assert one.size == open_dataset(digits_like).size == (34, 34)
    assert [e.label for e in find_recordings(digits_like)] == [str(n) for n in range(10)]


@pytest.fixture
def digits_like(tmp_path: Path) -> Path:
    for digit in range(10):
        bar(tmp_path / f"{digit}\r" / "1.bin", milliseconds=2)
    return tmp_path


def test_gestures_as_published(tmp_path: Path) -> None:
    for user in ("user01_led", "user02_led"):
        bar(tmp_path / f"{user}.aedat")
        (tmp_path / f"{user}_labels.csv").write_text("class,a,b\n1,0,9\n11,9,20\n")
    (tmp_path / "trials_to_train.txt").write_text("user01_led.aedat\nuser02_led.aedat\n")
    (tmp_path / "trials_to_test.txt").write_text("user03_led.aedat\n")
    first, second = find_recordings(tmp_path, part="train")
    assert [label.name for label in first.labels] == [GESTURES[0], GESTURES[10]]
    assert second.path.name == "user02_led.aedat"
    with pytest.raises(SensorError, match="user03_led_labels"):
        find_recordings(tmp_path)


def test_what_is_damaged_is_listed_all_the_same(tmp_path: Path) -> None:
    bar(tmp_path / "a" / "1.bin")
    (tmp_path / "a" / "2.aedat4").write_text("no recording")
    (tmp_path / "a" / "3.bin").write_bytes(b"")
    assert [name for name, _, _ in found(tmp_path)] == ["a/1.bin", "a/2.aedat4", "a/3.bin"]


def test_unstated_sizes_are_shared(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("t,x,y,p\n1,20,3,1\n")
    (tmp_path / "b.txt").write_text("t,x,y,p\n1,2,30,1\n")
    assert [one.size for one in find_recordings(tmp_path)] == [(21, 31), (21, 31)]


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    bar(tmp_path / "a" / "1.bin")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    assert found(tmp_path) == [("a/1.bin", "a", 0)]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="holds no recordings"):
        find_recordings(tmp_path)
    with pytest.raises(SensorError, match="does not exist"):
        find_recordings(tmp_path / "gone")
