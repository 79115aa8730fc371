"""Recordings: fixtures written byte by byte from the formats' documentation, then real files."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensors import EVENT_DTYPE, DecodeError, SensorError, inspect, open_recording

# The data folder's own account of its files: size, events, duration in microseconds.
REAL = {
    "davis346.aedat4": ("AEDAT 4.0", (346, 260), 117_667, 129_999),
    "dvxplorer_no_table.aedat4": ("AEDAT 4.0", (320, 240), 111_954, 589_917),
    "gen3_evt2.raw": ("Prophesee RAW, EVT 2.0", (640, 480), 521_252, 95_871),
    "dvs.es": ("Event Stream 2", (320, 240), 473_225, 999_000),
    "ncars_2d.dat": ("DAT version 2", (54, 61), 4_407, 99_937),
    "nmnist.bin": ("N-MNIST", (34, 34), 4_325, 310_521),
}


def nmnist(events: list[tuple[int, int, int, int]]) -> bytes:
    """Five bytes an event: x, y, then polarity in bit 23 and 23 bits of time, big-endian."""
    return b"".join(bytes([x, y]) + struct.pack(">I", (p << 23) | t)[1:] for t, x, y, p in events)


def dat(events: list[tuple[int, int, int, int]]) -> bytes:
    """ASCII header, event type and size, then time and address words, little-endian."""
    words = b"".join(
        struct.pack("<II", t & 0xFFFFFFFF, x | y << 14 | p << 28) for t, x, y, p in events
    )
    return b"% Version 2\n% Width 640\n% Height 480\n\x0c\x08" + words


def evt2(events: list[tuple[int, int, int, int]]) -> bytes:
    """TIME_HIGH (0x8) before each change of the time's upper bits, CD_OFF 0x0, CD_ON 0x1."""
    out = b"% evt 2.0\n% geometry 640x480\n% end\n"
    high = None
    for t, x, y, p in events:
        if t >> 6 != high:
            high = t >> 6
            out += struct.pack("<I", 0x8 << 28 | (high & 0xFFFFFFF))
        out += struct.pack("<I", p << 28 | (t & 0x3F) << 22 | x << 11 | y)
    return out


def es(events: list[tuple[int, int, int, int]], size: tuple[int, int] = (320, 240)) -> bytes:
    """Steps of time below 127 in seven bits; 0xFF adds 127; rows count from below."""
    out = b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", *size)
    now = 0
    for t, x, y, p in events:
        step = t - now
        now = t
        out += b"\xff" * (step // 127)
        out += bytes([(step % 127) << 1 | p]) + struct.pack("<HH", x, size[1] - 1 - y)
    return out


EVENTS = [(0, 1, 2, 1), (5, 33, 0, 0), (5, 7, 30, 1), (700, 0, 33, 0), (90_000, 12, 13, 1)]
WRITERS = {".bin": nmnist, ".dat": dat, ".raw": evt2, ".es": es}


def read(path: Path) -> list[tuple[int, ...]]:
    return [event for chunk in open_recording(path).chunks() for event in chunk.tolist()]


def read_damaged(path: Path, size: tuple[int, int] | None = None) -> tuple[Any, Any]:
    """Return the events before the damage, and the error that ended them or None."""
    got = [np.zeros(0, EVENT_DTYPE)]
    error = None
    try:
        for chunk in open_recording(path, size=size).chunks():
            got.append(chunk)
    except DecodeError as raised:
        error = raised
    return np.concatenate(got), error


@pytest.mark.parametrize("suffix", WRITERS)
def test_bytes_from_the_documentation_are_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"one{suffix}"
    path.write_bytes(WRITERS[suffix](EVENTS))
    assert read(path) == EVENTS


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_cut_at_any_byte_gives_the_events_before_it_and_one_error(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"one{suffix}"
    whole = WRITERS[suffix](EVENTS)
    # The byte behind each event: written alone, so that the fixture says where events end.
    ends = [len(WRITERS[suffix](EVENTS[:n])) for n in range(len(EVENTS) + 1)]
    for cut in range(ends[0] + 1, len(whole)):
        path.write_bytes(whole[:cut])
        expected = EVENTS[: sum(end <= cut for end in ends[1:])]
        got, error = read_damaged(path)
        assert got.tolist() == expected
        if error is not None:
            assert error.offset is not None
            assert error.offset <= cut
            assert f"at byte {error.offset:,}" in str(error)


def test_evt2_time_wraps_and_words_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    high = (1 << 28) - 1
    path = tmp_path / "wrap.raw"
    words = [
        0x1 << 28 | 3 << 11 | 3,  # before any TIME_HIGH: no time, left out
        0x8 << 28 | high,
        0x1 << 28 | 63 << 22 | 3 << 11 | 4,
        0xA << 28 | 1,  # EXT_TRIGGER
        0x8 << 28 | 0,
        0x0 << 28 | 1 << 22 | 3 << 11 | 4,
    ]
    path.write_bytes(b"% evt 2.0\n% end\n" + struct.pack("<6I", *words))
    assert read(path) == [((1 << 34) - 1, 3, 4, 1), ((1 << 34) + 1, 3, 4, 0)]


def test_dat_time_wraps(tmp_path: Path) -> None:
    path = tmp_path / "wrap.dat"
    # Cut, so that it is our own decoder that reads it.
    events = [(2**32 - 2, 1, 1, 0), (2**32 + 3, 1, 1, 1), (2**32 + 9, 1, 1, 1)]
    path.write_bytes(dat(events)[:-3])
    got, error = read_damaged(path)
    assert got.tolist() == events[:2]
    assert error is not None


def test_time_that_runs_backwards_is_refused_or_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "back.bin"
    path.write_bytes(nmnist([(50, 1, 1, 0), (40, 2, 2, 1), (60, 3, 3, 1)]))
    with pytest.raises(SensorError, match="1 time backwards"):
        read(path)
    facts = inspect(path)
    assert facts.events == 2
    assert facts.dropped == {"time_backwards": 1}


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "a.bin", "is empty"),
        (b"#!AER-DAT3.1\r\n", "a.aedat", "is AEDAT 3.1, which is not read"),
        (b"hello", "a.txt", "is of no format that is read: AEDAT 4.0, "),
        (b"% evt 9.0\n% end\n", "a.raw", "encoding '9.0'"),
        (b"% Version 1\n\0\x08", "a.dat", "is DAT version 1"),
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


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_recordings_have_the_facts_of_their_account(name: str, data_dir: Path) -> None:
    facts = inspect(data_dir / "recordings" / name)
    assert (facts.format, facts.size, facts.events, facts.duration_us) == REAL[name]
    assert facts.damage is None
    assert facts.dropped == {}
    assert facts.on + facts.off == facts.events


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_cut_real_recordings_give_what_is_before_the_cut(
    name: str, data_dir: Path, tmp_path: Path
) -> None:
    whole = (data_dir / "recordings" / name).read_bytes()
    truth = np.concatenate(list(open_recording(data_dir / "recordings" / name).chunks()))
    rng = np.random.default_rng(0)
    path = tmp_path / name
    size = REAL[name][1]
    for cut in [5_000, len(whole) - 1, *rng.integers(5_000, len(whole), 4).tolist()]:
        path.write_bytes(whole[:cut])
        events, error = read_damaged(path, size)
        if error is not None:
            assert error.offset is not None
            assert error.offset <= cut
        assert (events == truth[: len(events)]).all()
        # Not more is lost than one packet, the unit that a container is damaged in.
        assert len(events) >= len(truth) * (cut - 100_000) / len(whole) - 10_000


@pytest.mark.data
def test_dat_read_by_aestream_equals_the_words_of_the_file(data_dir: Path) -> None:
    path = data_dir / "recordings" / "ncars_2d.dat"
    raw = path.read_bytes()
    start = raw.index(b"\n", raw.rindex(b"% Date")) + 3
    words = np.frombuffer(raw[start:], "<u4").reshape(-1, 2).astype(np.int64)
    events = np.concatenate(list(open_recording(path).chunks()))
    assert events["t"].tolist() == words[:, 0].tolist()
    assert events["x"].tolist() == (words[:, 1] & 0x3FFF).tolist()
    assert events["y"].tolist() == ((words[:, 1] >> 14) & 0x3FFF).tolist()
    assert events["p"].tolist() == ((words[:, 1] >> 28) & 1).tolist()
