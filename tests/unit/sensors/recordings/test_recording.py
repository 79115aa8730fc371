"""Recordings: fixtures written byte by byte from the formats' documentation, then real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import (
    EVENT_DTYPE,
    DecodeError,
    SensorError,
    describe_recording,
    open_recording,
)
from tests.reference.formats import EVENTS, WRITERS, dat, evt3, nmnist
from tests.support.reading import read, read_damaged


@pytest.mark.parametrize("name", WRITERS)
def test_bytes_from_the_documentation_are_read(name: str, tmp_path: Path) -> None:
    suffix, write = WRITERS[name]
    path = tmp_path / f"one{suffix}"
    path.write_bytes(write(EVENTS))
    assert read(path) == EVENTS
    # In pieces of a few bytes, a record is cut at every place it can be.
    for chunk in (1, 2, 3, 7, 31):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("spikewire.sensors.recordings.reading.CHUNK", chunk)
            patch.setattr("spikewire.sensors.formats.numpy_arrays.STEP", chunk)
            patch.setattr("spikewire.sensors.formats.aedat4.STEP", chunk)
            patch.setattr("spikewire.sensors.formats.matlab.STEP", chunk)
            assert read(path) == EVENTS


# What ends without a word about how much was to come: a cut between two records cannot be seen.
UNCOUNTED = (
    "nmnist", "dat", "dat1", "es", "evt2", "evt21", "evt21_legacy", "evt3", "evt3_other_header",
    "aedat1", "aedat2", "aedat2_davis", "aedat3", "aedat3_packed", "aedat4_zstd", "csv",
    "csv_comments", "es_atis", "text",
)  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_a_cut_at_any_byte_gives_the_events_before_it_and_one_error(
    name: str, tmp_path: Path
) -> None:
    suffix, write = WRITERS[name]
    path = tmp_path / f"one{suffix}"
    whole = write(EVENTS)
    path.write_bytes(whole)
    size = open_recording(path).size
    seen = set()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        try:
            got, error = read_damaged(path, size)
        except SensorError:
            # So little is left that it is of no format.
            assert cut < 64
            continue
        assert got.tolist() == EVENTS[: len(got)]
        seen.add(len(got))
        if error is None:
            assert name in UNCOUNTED
        else:
            assert error.offset is not None
            assert error.offset <= cut
            assert f"at byte {error.offset:,}" in str(error)
    if name.startswith("aedat4"):  # two events in a packet, of which none is read in part
        assert seen >= {0, 2, 4}
    elif name == "text" or name == "csv_comments":  # one line does not tell which column is which
        assert seen >= {2, 3, 4}
    elif name not in ("npz_compressed", "npz_streamed", "mat_compressed", "text_zipped"):
        assert seen >= {0, 1, 2, 3, 4}


def ends(name: str) -> list[int]:
    """Return the length of the file after none, one, two ... events."""
    return [len(WRITERS[name][1](EVENTS[:n])) for n in range(len(EVENTS) + 1)]


@pytest.mark.parametrize(
    "name",
    ["nmnist", "dat", "dat1", "es", "evt2", "evt21", "evt3", "aedat1", "aedat2", "aedat2_davis",
     "csv", "npy"],
)  # fmt: skip
def test_not_one_event_before_a_cut_is_lost(name: str, tmp_path: Path) -> None:
    suffix, write = WRITERS[name]
    path = tmp_path / f"one{suffix}"
    whole = write(EVENTS)
    path.write_bytes(whole)
    size = open_recording(path).size
    for cut in range(ends(name)[0] + 1, len(whole)):
        path.write_bytes(whole[:cut])
        expected = EVENTS[: sum(end <= cut for end in ends(name)[1:])]
        got, _ = read_damaged(path, size)
        if name == "aedat2_davis":  # a frame's sample follows each event
            assert len(got) in (len(expected), len(expected) + 1)
        elif name == "csv":  # the last line's end is no part of its numbers
            assert len(got) == len(expected)
        else:
            assert got.tolist() == expected


def test_good_events_before_a_bad_one_are_delivered(tmp_path: Path) -> None:
    path = tmp_path / "back.bin"
    path.write_bytes(nmnist([(50, 1, 1, 0), (60, 2, 2, 1), (40, 3, 3, 1), (70, 3, 3, 1)]))
    chunks = open_recording(path).chunks()
    assert next(chunks).tolist() == [(50, 1, 1, 0), (60, 2, 2, 1)]
    with pytest.raises(SensorError, match="1 time backwards"):
        next(chunks)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "long.raw"
    path.write_bytes(evt3([(t, t % 600, 9, 1) for t in range(0, 900_000, 3)]))
    chunks = [chunk.nbytes for chunk in open_recording(path).chunks()]
    assert sum(chunks) == 300_000 * 13
    assert max(chunks) < 1 << 20


def test_time_that_runs_backwards_is_refused_or_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "back.bin"
    path.write_bytes(nmnist([(50, 1, 1, 0), (40, 2, 2, 1), (60, 3, 3, 1)]))
    with pytest.raises(SensorError, match="1 time backwards"):
        read(path)
    facts = describe_recording(path)
    assert facts.events == 2
    assert facts.dropped == {"time_backwards": 1}


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "a.bin", "is empty"),
        (b"#!AER-DAT3.7\r\n", "a.aedat", "is AEDAT '3.7', which is not read"),
        (b"#!AER-DAT3.1\r\n#Format: PNG\r\n#!END-HEADER\r\n", "a.aedat", "format 'PNG'"),
        (b"hello", "a.txt", "is of no format that is read: AEDAT 1.0 to 4.0, "),
        (b"% evt 9.0\n% end\n", "a.raw", "encoding '9.0'"),
        (b"% evt 3.0\n% endianness big\n% end\n", "a.raw", "in big-endian words"),
        (b"% Version 3\n\0\x08", "a.dat", "is DAT version '3'"),
        (b"% Version 2\n\x0e\x08", "a.dat", "events of type 14"),
        (b"1,2,3,4\n5,6,7,8\n", "a.csv", "do not tell which columns"),
        (b"Event Stream\x01\x00\x00\x01aaaabbbb", "a.es", "of version 1"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(
    content: bytes, name: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SensorError, match=says):
        open_recording(path)


def test_a_missing_file_and_a_folder_are_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match=r"cannot be read: No such file"):
        open_recording(tmp_path / "none.bin")
    with pytest.raises(SensorError, match=r"is a folder"):
        open_recording(tmp_path)


def test_a_whole_recording_is_one_array(tmp_path: Path) -> None:
    for name in ("npy", "csv", "evt3", "aedat4"):
        suffix, write = WRITERS[name]
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(write(EVENTS))
        recording = open_recording(path)
        events = recording.read()
        assert (events.tolist(), events.dtype) == (EVENTS, EVENT_DTYPE)
        assert events.flags.c_contiguous
        assert events.flags.writeable
        assert recording.read().tolist() == EVENTS
        assert repr(recording).startswith(f"<Recording {str(path)!r}: ")


def test_a_recording_without_events_is_an_empty_array(tmp_path: Path) -> None:
    path = tmp_path / "none.npy"
    np.save(path, np.zeros(0, EVENT_DTYPE))
    assert open_recording(path).read().tolist() == []


def test_the_events_before_damage_can_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "cut.dat"
    path.write_bytes(dat(EVENTS)[:-3])
    recording = open_recording(path)
    with pytest.raises(DecodeError, match="is damaged at byte"):
        recording.read()
    assert recording.damage is None
    assert recording.read(damaged="keep").tolist() == EVENTS[:-1]
    assert recording.damage is not None
    assert recording.damage.offset == len(dat(EVENTS)) - 8
    with pytest.raises(SensorError, match="allowed are raise and keep"):
        recording.read(damaged="mend")  # type: ignore[arg-type]


def test_counters_are_those_of_the_last_reading(tmp_path: Path) -> None:
    path = tmp_path / "back.csv"
    path.write_text("t,x,y,p\n10,1,1,1\n5,1,1,1\n20,1,1,1\n")
    recording = open_recording(path, policy="drop")
    for _ in range(2):
        assert len(recording.read()) == 2
        assert recording.counters == {"time_backwards": 1}
