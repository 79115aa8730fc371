"""Recordings: fixtures written byte by byte from the formats' documentation, then real files."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire.sensors import (
    EVENT_DTYPE,
    DecodeError,
    SensorError,
    describe_recording,
    open_recording,
)
from tests.reference.formats import EVENTS, WRITERS, aedat2, aedat3, dat, evt3, nmnist

# The data folder's own account of its files: size, events, duration in microseconds.
REAL = {
    "davis346.aedat4": ("AEDAT 4.0", (346, 260), 117_667, 129_999),
    "dvxplorer_no_table.aedat4": ("AEDAT 4.0", (320, 240), 111_954, 589_917),
    "gen3_evt2.raw": ("Prophesee RAW, EVT 2.0", (640, 480), 521_252, 95_871),
    "dvs.es": ("Event Stream 2", (320, 240), 473_225, 999_000),
    "ncars_2d.dat": ("DAT version 2", (54, 61), 4_407, 99_937),
    "nmnist.bin": ("N-MNIST", (34, 34), 4_325, 310_521),
}


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
            assert read(path) == EVENTS


# What ends without a word about how much was to come: a cut between two records cannot be seen.
UNCOUNTED = (
    "nmnist", "dat", "dat1", "es", "evt2", "evt21", "evt21_legacy", "evt3", "evt3_other_header",
    "aedat1", "aedat2", "aedat2_davis", "aedat3", "aedat4_zstd", "csv", "text",
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
    elif name == "text":  # one line does not tell which column is which
        assert seen >= {2, 3, 4}
    elif name not in ("npz_compressed", "npz_streamed"):
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


def test_evt3_vectors_time_and_words_before_the_first_time(tmp_path: Path) -> None:
    path = tmp_path / "vector.raw"
    words = [
        0x2 << 12 | 5,  # an event without a row and a time: left out
        0x8 << 12 | 0xFFF,  # TIME_HIGH
        0x2 << 12 | 5,  # without a row
        0x6 << 12 | 10,  # TIME_LOW
        0x0 << 12 | 7,  # ADDR_Y
        0x3 << 12 | 1 << 11 | 100,  # VECT_BASE_X, ON
        0x4 << 12 | 0b1000_0000_0001,  # VECT_12: columns 100 and 111
        0x5 << 12 | 0b0000_0010,  # VECT_8: column 113
        0x5 << 12 | 0b0000_0001,  # the base has moved on by 12 and by 8: column 120
        0x7 << 12 | 0xFFF,  # CONTINUED_4
        0xA << 12 | 1,  # EXT_TRIGGER
        0x8 << 12 | 0,  # TIME_HIGH wraps, and clears the low bits
        0x2 << 12 | 9,
    ]
    path.write_bytes(b"% evt 3.0\n% geometry 640x480\n% end\n" + struct.pack("<13H", *words))
    recording = open_recording(path)
    late = 0xFFF << 12 | 10
    got = [event for chunk in recording.chunks() for event in chunk.tolist()]
    assert got == [
        (late, 100, 7, 1), (late, 111, 7, 1), (late, 113, 7, 1), (late, 120, 7, 1),
        (1 << 24, 9, 7, 0),
    ]  # fmt: skip
    assert recording.left_out == {"before_time": 2}


def test_evt3_time_high_is_repeated_without_effect(tmp_path: Path) -> None:
    path = tmp_path / "repeat.raw"
    words = [0x8001, 0x6005, 0x0007, 0x2803, 0x8001, 0x2804, 0x8002, 0x2805, 0x6001, 0x2806]
    path.write_bytes(b"% evt 3.0\n% geometry 640x480\n% end\n" + struct.pack("<10H", *words))
    assert [t for t, *_ in read(path)] == [4101, 4101, 8192, 8193]


def test_evt21_masks_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "mask.raw"
    words = [0x8 << 60 | 2 << 32, 1 << 60 | 3 << 54 | 64 << 43 | 9 << 32 | 0x80000005]
    for header, order in (("little", "<2Q"), ("", "<2Q"), ("legacy", ""), ("", "")):
        said = f"% endianness {header}\n" if header else ""
        halves = [half for word in words for half in (word >> 32, word & 0xFFFFFFFF)]
        body = struct.pack(order, *words) if order else struct.pack("<4I", *halves)
        path.write_bytes(f"% evt 2.1\n% geometry 640x480\n{said}% end\n".encode() + body)
        assert read(path) == [(131, 64, 9, 1), (131, 66, 9, 1), (131, 95, 9, 1)]


def test_aedat_times_wrap(tmp_path: Path) -> None:
    path = tmp_path / "wrap.aedat"
    events = [(2**32 - 2, 1, 1, 0), (2**32 + 3, 1, 1, 1)]
    path.write_bytes(aedat2(events))
    assert read(path) == events
    events = [(2**31 - 2, 1, 1, 0), (2**31 + 3, 1, 1, 1), (5 * 2**31 + 7, 2, 2, 0)]
    path.write_bytes(aedat3(events))
    assert read(path) == events


def test_aedat_without_a_version_may_have_wide_addresses(tmp_path: Path) -> None:
    path = tmp_path / "old.aedat"
    path.write_bytes(aedat2(EVENTS).partition(b"DVS128\r\n")[2])
    assert read(path) == EVENTS


def test_a_packet_of_aedat3_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.aedat"
    whole = aedat3(EVENTS)
    path.write_bytes(whole + b"\xff" * 28)
    got, error = read_damaged(path)
    assert got.tolist() == EVENTS
    assert error is not None
    assert error.offset == len(whole)
    assert "no packet header" in error.reason


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("t,x,y,p\n1000,2,3,1\n2500,4,5,0\n", {}),
        ("# recorded by hand\nt x y p\n1000 2 3 1\n2500 4 5 0", {}),
        ("y;x;p;t [ms]\n3;2;1;1\n5;4;0;2.5\n", {}),
        ("timestamp_ns,x,y,on\r\n1000999,2,3,true\r\n2500000,4,5,False\r\n", {}),
        ("2,3,1,1000\n4,5,-1,2500\n", {"columns": "x,y,p,t"}),
        ("9,2,3,1,1\n9,4,5,0,2\n9,4,5,0,2\n", {"columns": "-,x,y,p,t", "unit": "ms"}),
        ("0.001 2 3 1\n0.0025 4 5 0\n", {}),
        ("\ufeff1000\t2\t3\t1\n\n2500\t4\t5\t0\n", {}),
    ],
)
def test_text_in_any_order_and_unit(text: str, options: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(text.encode())
    if options.get("unit") == "ms":
        truth = [(1000, 2, 3, 1), (2000, 4, 5, 0), (2000, 4, 5, 0)]
    else:
        truth = [(1000, 2, 3, 1), (2500, 4, 5, 0)]
    got = [e for c in open_recording(path, **options).chunks() for e in c.tolist()]  # type: ignore[arg-type]
    assert got == truth


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("30,4,5", "too few columns"),
        ("30,4,x,0", "not all numbers"),
        ("1234567890123456789,4,5,0", "more than 18 digits"),
        ("1" * 5000, "more than 18 digits"),
        ("7 " * 500_000, "more than 4096 characters"),
    ],
)
def test_a_bad_line_ends_a_text_where_it_begins(line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    good = "t,x,y,p\n10,2,3,1\n20,2,3,1\n"
    path.write_text(good + line + "\n40,1,1,1\n")
    got, error = read_damaged(path)
    assert got["t"].tolist() == [10, 20]
    assert error is not None
    assert reason in error.reason
    assert error.offset == len(good)


def test_numbers_that_no_event_can_hold_are_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("t,x,y,p\n10,-1,3,1\n20,2,70000,1\n30,2,3,2\n40,2,3,300\n50,1,1,1\n")
    facts = describe_recording(path, size=(34, 34))
    assert facts.events == 1
    assert facts.dropped == {"out_of_bounds": 2, "bad_polarity": 2}


@pytest.mark.parametrize("kind", ["<f8", "<i4", "<u8", ">i8", "<f4"])
def test_arrays_of_any_numbers(kind: str, tmp_path: Path) -> None:
    seconds = kind[1] == "f"
    times = [0.5, 2.25] if seconds else [500_000, 2_250_000]
    array = np.zeros(2, [("p", "i1"), ("timestamp", kind), ("Y", ">u4"), ("x", "<f4")])
    array["timestamp"], array["x"], array["Y"], array["p"] = times, [3, 4], [5, 6], [-1, 1]
    np.save(tmp_path / "a.npy", array)
    assert read(tmp_path / "a.npy") == [(500_000, 3, 5, 0), (2_250_000, 4, 6, 1)]
    table = np.stack([array["x"], array["Y"], times, [0, 1]], 1)
    np.save(tmp_path / "b.npy", table)
    got = open_recording(tmp_path / "b.npy", columns="x,y,t,p", unit="s" if seconds else "us")
    assert [tuple(e)[1:] for c in got.chunks() for e in c.tolist()] == [(3, 5, 0), (4, 6, 1)]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([1, "a"], object), "damaged"),
        (np.zeros(3), "one column of numbers"),
        (np.zeros(3, [("t", int), ("x", int)]), "y, p missing"),
        (np.zeros(3, [("t", int), ("x", int), ("y", int), ("p", "U3")]), "which is no number"),
        (np.zeros((2, 3, 4)), "lists and tables are read"),
        (np.asfortranarray(np.zeros((3, 4))), "column by column"),
    ],
)
def test_arrays_without_events_are_refused(array: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(SensorError, match=says):
        read(path)


def test_of_two_streams_of_events_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.aedat4"
    from tests.reference.formats import aedat4

    first = aedat4(EVENTS, table=False)
    second = aedat4([(1, 1, 1, 1), (2, 2, 2, 1)], table=False)
    xml = first.replace(b"FRME", b"EVTS")
    start = second.index(b"</dv>") + 5
    body = struct.pack("<iI", 1, struct.unpack_from("<I", second, start + 4)[0])
    packet = body + second[start + 8 : start + 8 + struct.unpack_from("<I", body, 4)[0]]
    path.write_bytes(xml.replace(struct.pack("<iI", 1, 3) + b"any", b"") + packet)
    recording = open_recording(path)
    assert [e for c in recording.chunks() for e in c.tolist()] == EVENTS
    assert recording.left_out == {"other_stream": 2}


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


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_recordings_have_the_facts_of_their_account(name: str, data_dir: Path) -> None:
    facts = describe_recording(data_dir / "recordings" / name)
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
