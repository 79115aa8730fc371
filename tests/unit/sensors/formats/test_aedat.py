"""Decoders of AEDAT 1.0 to 3.1, and streams of AEDAT 4.0."""

from __future__ import annotations

from pathlib import Path

from spikewire.sensors import (
    open_recording,
)
from tests.reference.formats import EVENTS, aedat2, aedat3, aedat4_stereo
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
    path.write_bytes(aedat4_stereo(EVENTS, [(1, 1, 1, 1), (2, 2, 2, 1)]))
    recording = open_recording(path)
    assert [e for c in recording.chunks() for e in c.tolist()] == EVENTS
    assert recording.left_out == {"other_stream": 2}
