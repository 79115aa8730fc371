"""Texts with sizes and comments, archives, MATLAB files, and other tables of events."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import SensorError, describe_recording, open_recording
from tests.reference.formats import EVENTS
from tests.reference.tables import element, mat, mat_head, matrix, zipped_text
from tests.support.reading import read

ROWS = "".join(f"{t / 1e6:.6f} {x} {y} {p}\n" for t, x, y, p in EVENTS)


@pytest.mark.parametrize(
    ("head", "size"),
    [
        ("240 180\n", (240, 180)),
        ("# events of a camera\n240 180\n", (240, 180)),
        ("%geometry:1280,720\n", (1280, 720)),
        ("% geometry 640x480\n# t x y p\n", (640, 480)),
        ("# sensor: 346 x 260\nt x y p\n", (346, 260)),
    ],
)
def test_a_text_gives_its_size_before_its_events(
    head: str, size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "events.txt"
    path.write_text(head + ROWS)
    recording = open_recording(path)
    assert (recording.size, recording.size_from) == (size, "file")
    assert read(path) == EVENTS


@pytest.mark.parametrize("first", ["0 0", "240", "240 180 3", "99999 3", "-2 4"])
def test_other_first_lines_are_no_size(first: str, tmp_path: Path) -> None:
    path = tmp_path / "events.txt"
    path.write_text(f"{first}\n{ROWS}")
    with suppress(SensorError):  # such a line is no event, either
        assert open_recording(path).size_from == "events"


def archive(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name.replace("__", "."), text)
    return path


def test_a_member_that_begins_behind_the_end_is_cut_short(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", a__txt=ROWS)
    whole = bytearray(path.read_bytes())
    whole[28:30] = b"\xff\xff"  # the length of what follows the name
    path.write_bytes(whole)
    with pytest.raises(SensorError, match="the archive is cut short"):
        read(path)


def test_one_of_several_zipped_texts_is_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "two.zip", left__txt=ROWS, right__txt="240 180\n" + ROWS, a__png="x")
    with pytest.raises(SensorError, match=r"2 texts of events \(left.txt, right.txt\): name one"):
        open_recording(path)
    named = open_recording(f"{path}::right.txt")
    assert named.size == (240, 180)
    assert named.read().tolist() == EVENTS
    with pytest.raises(SensorError, match=r"has no 'up.txt'; it has left.txt, right.txt"):
        open_recording(f"{path}::up.txt")


def test_an_archive_without_events_is_told_by_what_it_holds(tmp_path: Path) -> None:
    path = archive(tmp_path / "none.zip", readme__txt="Hello\n", a__aedat4="#!AER-DAT4.0\r\n")
    with pytest.raises(SensorError, match=r"without a text of events; it holds readme.txt"):
        open_recording(path)


def test_a_damaged_archive_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    whole = bytearray(zipped_text([(n * 10, n % 34, n % 30, n & 1) for n in range(9000)]))
    whole[9000] ^= 0xFF
    whole[9001] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(SensorError, match=r"events.txt"):
        read(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_counts_from_one(compressed: bool, tmp_path: Path) -> None:
    """Written by MATLAB's own rule: rows, columns and polarities from 1."""
    path = tmp_path / "a.mat"
    path.write_bytes(mat(EVENTS, first=1))
    recording = open_recording(path)
    assert recording.read().tolist() == EVENTS
    assert "counted from 1" in recording.note


MANY = [(10 * n, n % 34, (n // 3) % 34, n & 1) for n in range(400)]


@pytest.mark.parametrize(
    ("add", "count", "told"),
    [
        ((1, 1, 0), 400, True),  # places from 1, polarities 0 and 1
        ((1, 1, 1), 3, True),  # polarities tell it
        ((1, 1, 0), 60, False),  # too few to have met the first row and column
        ((2, 1, 0), 400, False),
        ((0, 1, 0), 400, False),
    ],
)
def test_places_of_matlab_that_count_from_one(
    add: tuple[int, int, int], count: int, told: bool, tmp_path: Path
) -> None:
    moved = [(t, x + add[0], y + add[1], p + add[2]) for t, x, y, p in MANY[:count]]
    path = tmp_path / "a.mat"
    path.write_bytes(mat(moved))
    recording = open_recording(path)
    assert recording.read().tolist() == (MANY[:count] if told else moved)
    assert ("counted from 1" in recording.note) is told


def test_a_last_place_that_is_a_sensors_size_counts_from_one(tmp_path: Path) -> None:
    rows = [(n, 5 + n % 236, 6 + n % 175, n & 1) for n in range(50_000)]
    path = tmp_path / "a.mat"
    path.write_bytes(mat(rows))
    recording = open_recording(path)
    assert recording.size == (240, 180)
    assert recording.read()[0].tolist() == (0, 4, 5, 0)


def table(columns: np.ndarray, name: str = "events") -> bytes:  # type: ignore[type-arg]
    return mat_head() + matrix(name, columns.astype("<f8"), 9, 6)


def test_tables_of_matlab_are_told_by_their_values(tmp_path: Path) -> None:
    columns = np.array(EVENTS)[:, [1, 2, 3, 0]]
    path = tmp_path / "a.mat"
    for turned in (columns, columns.T):
        path.write_bytes(table(turned))
        assert read(path) == EVENTS
    path.write_bytes(table(np.array(EVENTS)))
    named = open_recording(path, columns="t,x,y,p", unit="ms").read()
    assert named["t"].tolist() == [1000 * event[0] for event in EVENTS]


def test_several_structures_of_matlab(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    named = {"x": 1, "y": 2, "pol": 3, "ts": 0}
    columns = np.array(EVENTS)
    variables = b"".join(
        matrix(name, columns[:, n].astype("<i4"), 5, 12) for name, n in named.items()
    )
    path.write_bytes(mat(EVENTS) + variables)
    assert read(path) == EVENTS
    assert "TD is read" in open_recording(path).note
    assert open_recording(f"{path}::/").read().tolist() == EVENTS
    with pytest.raises(SensorError, match="has no events 'TE'; it has TD, /"):
        open_recording(f"{path}::TE")
    path.write_bytes(mat_head() + matrix("pixels", np.zeros((3, 3)), 9, 6))
    with pytest.raises(SensorError, match="without events: it holds pixels"):
        open_recording(path)
    path.write_bytes(mat_head() + element(14, b"\1" * 40))
    assert describe_recording(path).damage is not None


def test_whole_times_among_fractions_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([[3.0, 5.0, 1.0, 2.0], [2.0, 5.0, 0.0, 7.0], [3.0, 4.0, 1.0, 9.0]]))
    with pytest.raises(SensorError, match=r"milliseconds .* or microseconds: tell the unit"):
        read(path)
    assert open_recording(path, unit="ms").read()["t"].tolist() == [2000, 7000, 9000]


def test_a_table_among_other_arrays(tmp_path: Path) -> None:
    out = io.BytesIO()
    events = np.array([[0.1, 3, 4, 1], [0.2, 5, 6, 0]])
    np.savez(out, K=np.eye(3), events=events)
    (tmp_path / "a.npz").write_bytes(out.getvalue())
    assert read(tmp_path / "a.npz") == [(100_000, 3, 4, 1), (200_000, 5, 6, 0)]


@pytest.mark.parametrize(
    ("name", "size", "count", "how"),
    [
        ("c16b_evimo_layout.npz", (128, 128), 2000, {}),
        ("c27b_e2vid_events.txt", (240, 180), 2000, {}),
        ("c28_metavision.csv", (1280, 720), 400, {}),
        ("c31_unsorted.txt", (240, 180), 3000, {"sort": True}),
        ("c32_tonic_dvsg_ms.npy", (128, 128), 3000, {"unit": "ms"}),
        ("c33_e2vid.zip", (240, 180), 2000, {}),
        ("c33b_uzh.zip", None, 2000, {}),
        ("m05_td.mat", (128, 128), 2000, {}),
    ],
)
def test_reported_tables(
    name: str, size: tuple[int, int] | None, count: int, how: dict[str, object], data_dir: Path
) -> None:
    recording = open_recording(data_dir / "reports" / name, **how)  # type: ignore[arg-type]
    assert len(recording.read()) == count
    assert size in (None, recording.size)
