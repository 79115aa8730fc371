"""Times of written recordings: kept, written from the first event on, or refused."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.sensors import EVENT_DTYPE, SensorError, Times, open_recording, write_events
from spikewire.sensors.recordings import times as written_times
from spikewire.sensors.recordings.writers import WRITERS, write_recording

SIZE = (128, 96)
FIRST_US = 1_600_000_000_000_000


def at(*times: int) -> np.ndarray:  # type: ignore[type-arg]
    events = np.zeros(len(times), EVENT_DTYPE)
    events["t"] = times
    events["x"] = np.arange(len(times)) * 7 % SIZE[0]
    events["y"] = np.arange(len(times)) // 2 * 5 % SIZE[1]
    events["p"] = np.arange(len(times)) % 2
    return events


def read(path: Path, reader: str = "spikewire") -> np.ndarray:  # type: ignore[type-arg]
    recording = open_recording(path, size=SIZE, reader=reader)  # type: ignore[arg-type]
    return np.concatenate([np.zeros(0, EVENT_DTYPE), *recording.chunks()])


@contextmanager
def files_up_to(most: int) -> Iterator[None]:
    """Let no file grow beyond this many bytes, like a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@st.composite
def streams(draw: st.DrawFn) -> np.ndarray:  # type: ignore[type-arg]
    """Draw events with origins and gaps of any size, as far as times have 64 bits."""
    origin = draw(st.sampled_from((-(2**62), -7, 0, 5, 127 * 10**6, 2**31, 2**32, 10**15, 2**62)))
    far = st.sampled_from((10**6, 2**23, 2**24, 2**31, 2**32, 8 * 10**10, 10**15, 2**60))
    near = st.integers(0, 300_000)
    steps = draw(st.lists(near | near | st.tuples(far, near).map(sum), min_size=1, max_size=12))
    times = origin + np.cumsum(np.array(steps, object))
    return at(*(min(int(t), 2**63 - 1) for t in times))


# Once for each writer: HDF5 has two suffixes, which every other test goes through.
@pytest.mark.parametrize(
    "suffix", {id(writer): suffix for suffix, writer in WRITERS.items()}.values()
)
@given(events=streams(), times=st.sampled_from(("auto", "keep", "rebase")))
@settings(max_examples=60, deadline=None)
def test_times_are_read_back_or_refused(
    suffix: str,
    events: np.ndarray,  # type: ignore[type-arg]
    times: Times,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("written")
    path = folder / f"out{suffix}"
    refusal: SensorError | None = None
    with files_up_to(40_000_000):
        try:
            written = write_recording(events.copy(), path, SIZE, times=times)
        except SensorError as error:
            refusal = error
    if refusal is not None:
        assert path.name in str(refusal)
        assert "cannot be written" not in str(refusal)
        assert list(folder.iterdir()) == []
        return
    assert [one.name for one in folder.iterdir()] == [path.name]
    assert path.stat().st_size < 1_100_000
    expected = events.copy()
    if times == "keep":
        assert written.origin_us == 0
    if not written.origin_kept:
        expected["t"] -= written.origin_us
    found = read(path)
    path.unlink()
    assert written.events == len(events)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("suffix", WRITERS)
def test_unix_times(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    events = at(FIRST_US, FIRST_US + 1000)
    written = write_recording(events, path, SIZE)
    rebased = suffix in (".bin", ".dat", ".es", ".raw")
    assert written.origin_us == (FIRST_US if rebased else 0)
    assert written.origin_kept == (suffix in (".dat", ".raw"))
    hdf5 = suffix in (".h5", ".hdf5")  # whose five tables take this much, however short
    assert path.stat().st_size < (40_000 if hdf5 else 2000)
    assert (np.diff(read(path)["t"]) == [1000]).all()
    assert int(read(path)["t"][0]) == (0 if suffix in (".bin", ".es") else FIRST_US)
    path.unlink()
    if rebased:
        with pytest.raises(SensorError, match=r"event 0 \(counted from 0\).* 1,600,000,000,000"):
            write_events(events, path, SIZE)
    else:
        write_events(events, path, SIZE)
    write_events(events, path, SIZE, times="rebase")
    assert read(path)["t"].tolist() == [0, 1000]


@pytest.mark.parametrize("suffix", [".dat", ".es", ".raw"])
@pytest.mark.parametrize("first", [0, 123_456, 100_000_000])
def test_another_reader_gives_the_same(suffix: str, first: int, tmp_path: Path) -> None:
    steps = np.random.default_rng(3).choice((0, 1, 126, 127, 128, 5000, 70_000, 3_000_000), 5000)
    events = at(*(first + np.cumsum(steps[: 1200 if suffix == ".dat" else 60])).tolist())
    path = tmp_path / f"out{suffix}"
    write_events(events, path, SIZE)
    assert (read(path) == events).all()
    assert (read(path, "faery") == events).all()


@pytest.mark.parametrize("suffix", [".dat", ".raw"])
def test_another_reader_knows_the_origin(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    events = at(FIRST_US, FIRST_US + 1000, FIRST_US + 90_000_000)
    assert write_recording(events, path, SIZE).origin_kept
    assert (read(path) == events).all()
    assert (read(path, "faery") == events).all()


def test_raw_wraps_many_times(tmp_path: Path) -> None:
    path = tmp_path / "out.raw"
    events = at(5, 2**24 - 1, 2**24, 3 * 2**24 + 4095, 86_400_000_000, 86_400_000_001)
    write_events(events, path, SIZE)
    assert path.stat().st_size < 60_000
    assert (read(path) == events).all()
    assert (read(path, "faery") == events).all()


def test_empty_time_may_be_a_hundredth_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written_times, "EMPTY_BYTES", 1000)
    path = tmp_path / "out.es"
    events = at(*range(0, 2_200_000, 10))
    events["t"][1000:] += 1_270_000  # 10,000 bytes in ES, a hundredth of 200,000 events
    write_events(events, path, SIZE)
    with pytest.raises(SensorError, match=r"event 1,000 \(counted from 0\) at .* 10,000 bytes"):
        write_events(events[:150_000], path, SIZE)
    assert [one.name for one in tmp_path.iterdir()] == ["out.es"]
    assert (read(path) == events).all()


def test_many_gaps_together_are_refused(tmp_path: Path) -> None:
    gaps = at(*range(0, 1000 * 100_000_000, 100_000_000))  # each 0.8 MB
    for chunks in ([gaps], [gaps[n : n + 1] for n in range(len(gaps))]):
        with pytest.raises(SensorError, match="writes empty time"):
            write_events(chunks, tmp_path / "out.es", SIZE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("most", [0, 7, 5000])
def test_a_full_disk_leaves_nothing(suffix: str, most: int, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"before")
    rng = np.random.default_rng(2)
    events = at(*np.sort(rng.integers(0, 1_000_000, 20_000)))
    events["x"] = rng.integers(0, SIZE[0], len(events))
    with files_up_to(most), pytest.raises(SensorError, match=r"out\.\w+ cannot be written: File"):
        write_events(events, path, SIZE)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("suffix", WRITERS)
def test_an_interruption_leaves_nothing(
    suffix: str, named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named:  # as on a file system that knows no files without a name
        monkeypatch.delattr(os, "O_TMPFILE")
        monkeypatch.setattr(tempfile, "_O_TMPFILE_WORKS", False)

    def chunks() -> Iterator[np.ndarray]:  # type: ignore[type-arg]
        yield at(1, 2, 3)
        assert bool(list(tmp_path.iterdir())) == named
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_events(chunks(), tmp_path / f"out{suffix}", SIZE)
    assert list(tmp_path.iterdir()) == []
    write_events(at(1, 2, 3), tmp_path / f"out{suffix}", SIZE)
    assert [one.name for one in tmp_path.iterdir()] == [f"out{suffix}"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_conversion_leaves_nothing(number: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    program = (
        "import sys, numpy as np; from spikewire.sensors import EVENT_DTYPE, write_events\n"
        "def chunks():\n"
        "    yield np.zeros(5, EVENT_DTYPE); print(1, flush=True); sys.stdin.read()\n"
        "from spikewire.apps.cli.signals import sigterm_as_interrupt\n"
        "with sigterm_as_interrupt(): write_events(chunks(), sys.argv[1], (9, 9))\n"
    )
    command = [sys.executable, "-c", program, str(out / "a.raw")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        # The second chunk is asked for when the first was written.
        assert child.stdout.readline() == b"1\n"
        child.send_signal(number)
        assert child.wait(60) != 0
    assert list(out.iterdir()) == []


def test_events_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with pytest.raises(SensorError, match="time backwards"):
        write_events([at(5), at(4)], path, SIZE)
    with pytest.raises(SensorError, match="out of bounds"):
        write_events(at(5, 6), path, (7, 96))
    with pytest.raises(SensorError, match="times is 'late'; allowed are auto, keep, rebase"):
        write_events(at(5, 6), path, SIZE, times="late")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
