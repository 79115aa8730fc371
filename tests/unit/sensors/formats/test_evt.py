"""Decoders of Prophesee RAW, against bytes of its documentation."""

from __future__ import annotations

import struct
from pathlib import Path

from spikewire.sensors import (
    open_recording,
)
from tests.support.reading import read


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
