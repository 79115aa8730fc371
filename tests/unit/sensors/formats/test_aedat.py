"""Decoders of AEDAT 1.0 to 3.1, and streams of AEDAT 4.0."""

from __future__ import annotations

import struct
from pathlib import Path

from spikewire.sensors import (
    open_recording,
)
from tests.reference.formats import EVENTS, aedat2, aedat3
from tests.support.reading import read, read_damaged


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
