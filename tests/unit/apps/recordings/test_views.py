"""`spikewire show`, `render` and `info --plot`: a recording to look at."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.commands import run
from spikewire.apps.recordings.pictures import Picture
from spikewire.apps.recordings.statistics import BINS, RecordingStatistics
from spikewire.sensors import EVENT_DTYPE, Events
from tests.support.bars import bar, cut


def events(rows: list[tuple[int, int, int, int]]) -> Events:
    return np.array(rows, EVENT_DTYPE)


def png(path: Path) -> tuple[int, int, np.ndarray]:  # type: ignore[type-arg]
    """Decode a PNG of 8-bit colours without filters."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    at = data.index(b"IDAT")
    size = int.from_bytes(data[at - 4 : at], "big")
    rows = np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + size]), np.uint8)
    return width, height, rows.reshape(height, 1 + 3 * width)[:, 1:].reshape(height, width, 3)


def test_a_picture_shows_places_and_polarities() -> None:
    picture = Picture((500, 300))
    assert picture.size == (500, 300)
    picture.add(events([(0, 10, 20, 1), (1, 499, 299, 0)]))
    image = picture.draw()
    assert image[20, 10].tolist() == [86, 180, 233]
    assert image[299, 499].tolist() == [230, 159, 0]
    assert (image.reshape(-1, 3) != image[0, 0]).any(1).sum() == 2
    assert (picture.draw() == image[0, 0]).all()  # the next picture is new


def test_a_time_surface_fades_and_shows_the_last_polarity() -> None:
    picture = Picture((500, 301), "surface")
    assert picture.size == (500, 302)
    picture.add(events([(0, 10, 20, 1), (1, 10, 20, 0), (2, 30, 20, 1)]))
    first, second = picture.draw(), picture.draw()
    assert first[20, 10].tolist() == [230, 159, 0]
    assert first[20, 30, 2] > second[20, 30, 2] > second[0, 0, 2]


def test_large_and_small_sensors_are_shown_in_the_size_of_a_screen() -> None:
    assert Picture((32768, 100)).size == (2048, 8)
    picture = Picture((34, 34))
    assert picture.size == (374, 374)
    picture.add(events([(0, 33, 33, 1)]))
    assert (picture.draw()[363:, 363:] == [86, 180, 233]).all()


def test_a_recording_as_png(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = bar(tmp_path / "bar.bin"), tmp_path / "bar.png"
    assert run(["render", str(source), str(target), "--stop", "1ms"]) == 0
    width, height, image = png(target)
    assert (width, height) == (374, 374)
    assert sum(len(np.unique(image[:, :, n])) > 1 for n in range(3)) > 0
    assert run(["render", str(source), str(target)]) == 2
    assert "give --force" in capsys.readouterr().err
    assert run(["render", str(source), str(target), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 1


@pytest.mark.parametrize(("suffix", "library"), [(".gif", "PIL"), (".mp4", "imageio_ffmpeg")])
def test_a_recording_as_film(
    suffix: str, library: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(library)
    source, target = bar(tmp_path / "bar.bin"), tmp_path / f"bar{suffix}"
    how = ["--every", "40ms", "--style", "surface", "--json"]
    assert run(["render", str(source), str(target), *how]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], told["fps"]) == (3, 25.0)
    head = target.read_bytes()[:12]
    assert head.startswith(b"GIF89a") if suffix == ".gif" else head[4:8] == b"ftyp"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a.jpg"], "a picture ends in .png, .gif or .mp4"),
        (["nowhere/a.png"], "there is no folder"),
        (["a.gif", "--every", "10us"], "pictures a second; allowed are 1 to 120"),
        (["a.png", "--every", "1ms", "--count", "5"], "give one"),
        (["a.png", "--start", "5ms", "--stop", "2ms"], "--stop must lie after --start"),
        (["a.gif", "--speed", "max"], "is no speed of a film"),
    ],
)
def test_wrong_words_of_render(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("PIL")
    source = bar(tmp_path / "bar.bin")
    assert run(["render", str(source), str(tmp_path / words[0]), *words[1:]]) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("command", ["render", "show"])
def test_gaps_are_no_film(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = tmp_path / "day.csv"
    day.write_text("t,x,y,p\n0,1,1,1\n1000,2,2,0\n86400000000,3,3,1\n")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    words = (
        ["render", str(day), str(tmp_path / "a.gif")] if command == "render" else ["show", str(day)]
    )
    assert run(words) == 1
    assert "no event between 1,000 us and 86,400,000,000 us" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.gif"))


def test_damage_is_told_after_the_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = cut(bar(tmp_path / "bar.bin"))
    assert run(["render", str(source), str(tmp_path / "a.png")]) == 1
    assert "is damaged at byte" in capsys.readouterr().err
    assert (tmp_path / "a.png").is_file()
    (tmp_path / "none.csv").write_text("t,x,y,p\n")
    assert run(["render", str(tmp_path / "none.csv"), str(tmp_path / "b.png")]) == 1
    assert "there is no event to show" in capsys.readouterr().err


def test_show_prints_a_picture_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = bar(tmp_path / "bar.bin")
    assert run(["show", str(source)]) == 0
    told = capsys.readouterr().out
    assert "1,200 events" in told
    assert any(0x2800 < ord(letter) < 0x2900 for letter in told)


def test_show_plays_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    source = cut(bar(tmp_path / "bar.bin", milliseconds=20))
    assert run(["show", str(source), "--every", "5ms", "--speed", "max"]) == 1
    told = capsys.readouterr()
    assert told.out.count("events") >= 4
    assert "is damaged at byte" in told.err
    assert run(["show", str(source), "--count", "100", "--speed", "1000"]) == 1


def test_statistics_in_bounded_memory() -> None:
    found = RecordingStatistics((40, 30))
    steps = np.random.default_rng(0).integers(0, 4000, 3000)
    made = np.zeros(3000, EVENT_DTYPE)
    made["t"] = np.cumsum(steps)
    made["x"], made["y"], made["p"] = np.arange(3000) % 40, np.arange(3000) % 30, 1
    made["x"][::10], made["y"][::10] = 7, 9
    for n in range(0, 3000, 700):
        found.add(made[n : n + 700])
    assert found.counts.shape == (2, BINS)
    assert found.counts.sum() == found.places.sum() == 3000
    span = int(made["t"][-1] - made["t"][0])
    assert BINS / 2 <= found.bins <= BINS
    assert found.duration_us == span
    edges = made["t"][0] + found.bin_us * np.arange(found.bins + 1)
    assert found.counts[1, : found.bins].tolist() == np.histogram(made["t"], edges)[0].tolist()
    assert found.intervals.sum() == 2999
    assert found.intervals[0] == int((steps[1:] == 0).sum())
    [(x, y, count)] = found.hot()
    assert (x, y) == (7, 9)
    assert count >= 300


def test_a_figure_of_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    source, target = bar(tmp_path / "bar$.bin"), tmp_path / "bar.png"
    assert run(["info", str(source), "--plot", str(target)]) == 0
    assert target.read_bytes().startswith(b"\x89PNG")
    assert run(["info", str(source), str(source), "--plot", str(target)]) == 2
    assert "--plot draws one recording" in capsys.readouterr().err
