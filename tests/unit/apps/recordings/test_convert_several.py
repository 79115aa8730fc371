"""`spikewire convert` of several recordings and parts, and the bar that it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spikewire.apps.cli import file_bar as bars
from spikewire.apps.commands import run
from spikewire.sensors import find_recordings, open_dataset, open_recording, watch_scans
from tests.reference.formats import Event, dat, npy


def events(path: Path) -> list[tuple[int, ...]]:
    return [tuple(event) for event in open_recording(path).read().tolist()]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path, list[Event], list[Event]]:
    """Two recordings of one sensor, the second of which goes on where the first ends."""
    first = [(n * 1000, n % 30, 3, n % 2) for n in range(100)]
    second = [(100_000 + n * 1000, n % 30, 5, n % 2) for n in range(50)]
    paths = tmp_path / "a.dat", tmp_path / "b.dat"
    for path, held in zip(paths, (first, second), strict=True):
        path.write_bytes(dat(held))
    return *paths, first, second


def test_recordings_are_joined_in_the_order_given(
    two: tuple[Path, Path, list[Event], list[Event]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    a, b, first, second = two
    target = tmp_path / "out.aedat4"
    assert run(["convert", str(a), str(b), str(target), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["events"], summary["size"]) == (150, [640, 480])
    assert events(target) == first + second
    # Time does not run backwards; parts can be written one after the other all the same.
    assert run(["convert", str(b), str(a), str(target), "--force"]) == 1
    assert "begins at 0 us, and the part before ends at 149,000 us" in capsys.readouterr().err
    assert events(target) == first + second
    assert run(["convert", str(b), str(a), str(target), "--force", "--rebase"]) == 0
    moved = [t for t, *_ in events(target)]
    assert moved[:50] == [n * 1000 for n in range(50)]
    assert moved[50:] == [49_001 + n * 1000 for n in range(100)]


def test_several_cuts_are_joined_or_are_files_of_a_folder(
    two: tuple[Path, Path, list[Event], list[Event]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    a, b, first, second = two
    target, folder = tmp_path / "out.csv", tmp_path / "parts"
    folder.mkdir()
    cuts = ["--cut", "..10ms", "--cut", "20ms..30ms"]
    assert run(["convert", str(a), str(target), *cuts]) == 0
    assert events(target) == first[:10] + first[20:30]
    assert run(["convert", str(a), str(b), str(folder), "--to", ".npy", *cuts]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 5
    assert events(folder / "a_1.npy") == first[:10]
    assert events(folder / "b_2.npy") == second[20:30]
    assert run(["convert", str(a), str(b), str(folder)]) == 0
    assert events(folder / "b.aedat4") == second
    assert len(list(folder.iterdir())) == 6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--cut", "2s..1s"], "ends before it begins"),
        (["--cut", "2s"], "write START..STOP"),
        (["--cut", "1s..", "--start", "1s"], "leave --start and --stop out"),
    ],
)
def test_wrong_cuts_are_wrong_usage(
    options: list[str],
    says: str,
    two: tuple[Path, Path, list[Event], list[Event]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["convert", str(two[0]), str(tmp_path / "out.csv"), *options]) == 2
    assert says in capsys.readouterr().err


def test_sensors_of_different_sizes_and_equal_names_are_refused(
    two: tuple[Path, Path, list[Event], list[Event]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    a, b, *_ = two
    small = tmp_path / "small.dat"
    small.write_bytes(b.read_bytes().replace(b"640", b"320"))
    assert run(["convert", str(a), str(small), str(tmp_path / "out.csv")]) == 1
    assert "is of a sensor of 320x480" in capsys.readouterr().err
    folder = tmp_path / "parts"
    folder.mkdir()
    (tmp_path / "a.csv").write_text("t,x,y,p\n1,1,1,1\n")
    assert run(["convert", str(a), str(tmp_path / "a.csv"), str(folder)]) == 2
    assert "rename one of them" in capsys.readouterr().err
    assert run(["convert", str(a), str(folder), "--to", ".mp4"]) == 2
    assert list(folder.iterdir()) == []


def test_a_bar_appears_when_the_work_takes_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, float]] = []

    class Bar:
        def start(self) -> None:
            drawn.append(("start", 0))

        def add_task(self, text: str, total: float) -> int:
            drawn.append((text, total))
            return 0

        def update(self, task: int, completed: float) -> None:
            drawn.append(("update", completed))

        def stop(self) -> None:
            drawn.append(("stop", 0))

    monkeypatch.setattr(bars, "progress_bar", Bar)
    with bars.file_bar("reading") as moved:
        moved(0.5)
    assert drawn == []
    monkeypatch.setattr(bars, "MOMENT_S", 0)
    monkeypatch.setattr(bars, "REDRAW_S", 0)
    with bars.file_bar("reading", 3) as moved:
        moved(1)
        moved(2.5)
    assert drawn == [("start", 0), ("reading", 3), ("update", 1), ("update", 2.5), ("stop", 0)]


def test_a_recording_tells_how_far_it_was_read(
    two: tuple[Path, Path, list[Event], list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spikewire.sensors.recordings.reading.CHUNK", 80)
    recording = open_recording(two[0])
    shares = [recording.progress for _ in recording.chunks()]
    assert shares == sorted(shares)  # type: ignore[type-var]
    assert 0 < shares[0] < 0.3 < 0.9 < shares[-1] <= 1  # type: ignore[operator]
    assert recording.progress == 1.0


def test_a_scan_tells_how_many_recordings_it_has_opened(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "one.npy").write_bytes(npy([(1, 2, 3, 1)]))
    seen: list[tuple[int, int]] = []
    with watch_scans(lambda opened, of: seen.append((opened, of))):
        find_recordings(tmp_path)
        open_dataset(tmp_path)
    find_recordings(tmp_path)
    assert seen == [(0, 2), (1, 2)] * 2
