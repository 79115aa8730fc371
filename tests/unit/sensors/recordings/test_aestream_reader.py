"""Recordings through the aestream program: the real one, and programs that behave like it."""

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from spikewire.apps.commands import run
from spikewire.sensors import DecodeError, Packet, SensorError, open_recording, open_source
from spikewire.sensors.recordings import aestream_reader
from spikewire.sensors.recordings.aestream_reader import compared, read_by_aestream
from tests.reference.formats import EVENTS, Event, dat, evt3
from tests.support.reading import read

real = pytest.mark.skipif(
    find_spec("aestream") is None, reason="aestream has wheels up to Python 3.11"
)

LINES = "".join(f"print('{t},{x},{y},{p}')\n" for t, x, y, p in EVENTS)
TOTAL = f"print('Sent a total of {len(EVENTS)} events')\n"


def pretend(text: str) -> list[str]:
    """Return the command of a program that prints what aestream would."""
    return [sys.executable, "-S", "-E", "-c", text]


def taken(text: str, path: Path) -> tuple[list[Event], str]:
    """Read by a pretended program, compared with ours; the events, and what was told."""
    got: list[Event] = []
    ours = open_recording(path).chunks()
    try:
        for events in compared(
            path, "aestream", read_by_aestream(path, program=pretend(text)), ours
        ):
            got += events.tolist()
    except DecodeError as error:
        return got, error.reason
    return got, ""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    whole = tmp_path / "a.dat"
    whole.write_bytes(dat(EVENTS))
    return whole


def test_lines_are_events(path: Path) -> None:
    assert taken(LINES + TOTAL, path) == (EVENTS, "")


@pytest.mark.parametrize(
    ("text", "count", "says"),
    [
        (LINES, 5, "aestream ended in silence after 5 events."),
        (LINES.replace(",33,0,0", ",32,0,0") + TOTAL, 1,
         "aestream gives event 1 (counted from 0) as t 5, x 32, y 0, p 0, where spikewire reads "
         "t 5, x 33, y 0, p 0."),
        ("print('Sent a total of 0 events')", 0,
         "aestream ends after 0 events, where spikewire reads more."),
        (LINES + "print('Sent a total of 9 events')", 5,
         "aestream sent 9 events, of which 5 arrived."),
        (LINES + "print('90001,1,1,1')\nprint('Sent a total of 6 events')", 5,
         "aestream gives event 5 (counted from 0) as t 90001, x 1, y 1, p 1, where spikewire "
         "ends."),
        (LINES + "import os, sys; sys.stdout.flush(); os.write(2, b'  what():  no room.\\n')\n"
         "os.kill(os.getpid(), 6)", 5,
         "aestream died of signal 6 after 5 events, saying: no room."),
        ("import sys; sys.exit(3)", 0, "aestream failed with code 3 after 0 events."),
        ("print('hello')\nprint('Sent a total of 0 events')", 0,
         "aestream printed what is no event: "),
    ],
)  # fmt: skip
def test_a_difference_a_silent_end_and_a_crash_are_told_by_name(
    text: str, count: int, says: str, path: Path
) -> None:
    got, told = taken(text, path)
    assert got == EVENTS[:count]
    assert told.startswith(says)


def test_the_damage_that_ours_met_is_told(path: Path) -> None:
    path.write_bytes(dat(EVENTS)[:-3])
    got, told = taken(LINES + TOTAL, path)
    assert got == EVENTS[:-1]
    assert "of an event's 8 bytes" in told


def test_a_silent_program_is_given_up_and_ended(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aestream_reader, "SILENT_S", 0.5)
    pid = tmp_path / "pid"
    text = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(1e6)"
    assert taken(text, path) == ([], "aestream has said nothing for 0.5 s.")
    if pid.exists() and pid.read_text():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


def test_times_from_an_origin_are_those_of_the_recording(path: Path) -> None:
    path.write_bytes(dat(EVENTS).replace(b"% Version 2\n", b"% Version 2\n% t0 1000\n"))
    found = read_by_aestream(path, 1000, program=pretend(LINES + TOTAL))
    assert [event for events in found for event in events.tolist()] == read(path)


@real
def test_the_real_program_equals_our_reader_where_it_is_right(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert open_recording(path, reader="aestream").read().tolist() == EVENTS
    other = tmp_path / "b.aedat4"
    assert run(["convert", str(path), str(other), "--reader", "aestream"]) == 0
    assert run(["info", str(other), "--reader", "aestream", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (facts["reader"], facts["events"], facts["damage"]) == ("aestream", 5, None)
    wrong = tmp_path / "c.raw"
    wrong.write_bytes(evt3(EVENTS))
    assert run(["info", str(wrong), "--reader", "aestream"]) == 1
    assert "aestream gives event 1 (counted from 0) as t 4101" in capsys.readouterr().out


@real
@pytest.mark.data
def test_real_recordings_read_by_both(data_dir: Path) -> None:
    for name, count in (("davis346.aedat4", 117_667), ("ncars_2d.dat", 4_407)):
        path = data_dir / "recordings" / name
        assert len(open_recording(path, reader="aestream").read()) == count
    silent = data_dir / "recordings" / "dvxplorer_no_table.aedat4"
    with pytest.raises(DecodeError, match="ends after 0 events, where spikewire reads more"):
        open_recording(silent, reader="aestream").read()


@real
async def test_a_recording_is_a_source_paced_by_its_times(
    path: Path, autojump_clock: object
) -> None:
    import trio

    source = open_source(f"aestream:{path}?speed=1&label=a")
    assert source.name == f"aestream:{path}"
    got: list[Event] = []
    at: list[float] = []

    async def take(packet: Packet) -> None:
        got.extend(packet.events.tolist())
        at.append(trio.current_time())

    await source.run(take)
    assert got == EVENTS
    assert at[-1] - at[0] >= 0.089
    assert source.counters["events"] == 5


def test_what_is_no_camera_and_no_recording_is_said(path: Path) -> None:
    with pytest.raises(SensorError, match="allowed are inivation, prophesee and the path of a"):
        open_source("aestream:canon")
    with pytest.raises(SensorError, match="aestream:inivation has no setting 'loop'; it has size"):
        open_source("aestream:inivation?loop=1")
    with pytest.raises(SensorError, match="a source aestream: has no setting 'convention'"
                       .replace("a source", "A source")):  # fmt: skip
        open_source(f"aestream:{path}?convention=document")
