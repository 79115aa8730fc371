"""A folder that recordings are sent into, piece by piece."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.sensors import EVENT_DTYPE, SensorError, open_recording, write_events
from spikewire.sensors.recordings.inbox import Inbox

MOST = 1 << 20


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """The bytes of a recording."""
    events = np.zeros(1000, EVENT_DTYPE)
    events["t"] = np.arange(1000) * 100
    path = tmp_path_factory.mktemp("made") / "wave.aedat4"
    write_events([events], path, (64, 48))
    return path.read_bytes()


def send(inbox, data, name="wave.aedat4", piece=500):
    at = 0
    while at < len(data):
        at = inbox.receive(name, len(data), at, data[at : at + piece], MOST)
    return at


def left(folder):
    return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []


def test_a_recording_comes_in_pieces(tmp_path, recording):
    inbox = Inbox(tmp_path / "folder")
    assert inbox.names() == []
    assert send(inbox, recording) == len(recording)
    assert inbox.names() == left(tmp_path / "folder") == ["wave.aedat4"]
    assert inbox.path("wave.aedat4").read_bytes() == recording
    assert open_recording(inbox.path("wave.aedat4")).size == (64, 48)
    send(inbox, recording)  # again: in the place of the first
    assert inbox.names() == ["wave.aedat4"]


@pytest.mark.parametrize(
    "name", ["../wave.aedat4", "a/b.aedat4", ".wave.aedat4", "wave\n.aedat4", "c:x.raw",
             "x" * 140 + ".raw"]
)  # fmt: skip
def test_a_name_stays_in_the_folder(tmp_path, recording, name):
    with pytest.raises(SensorError, match="cannot be the name of a recording"):
        send(Inbox(tmp_path / "folder"), recording, name)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"no recording at all", "x.aedat4", "x.aedat4"),
        (b"t,x,y,p\n", "x.csv", "no recording by its name; allowed are .aedat, .aedat4"),
        (bytes(MOST + 1), "x.raw", "1,048,577 bytes; allowed are 1 to 1,048,576 .setting upload"),
    ],
)
def test_what_is_no_recording_is_told_and_not_kept(tmp_path, data, name, says):
    with pytest.raises(SensorError, match=says) as told:
        send(Inbox(tmp_path / "folder"), data, name)
    assert str(tmp_path) not in str(told.value)
    assert left(tmp_path / "folder") == []


def test_pieces_come_in_their_order(tmp_path, recording):
    inbox = Inbox(tmp_path)
    size = len(recording)
    inbox.receive("a.aedat4", size, 0, recording[:100], MOST)
    for at, piece in ((50, b"x"), (200, b"x")):
        with pytest.raises(SensorError, match=f"missing before byte {at}"):
            inbox.receive("a.aedat4", size, at, piece, MOST)
    for piece in (b"", bytes(size)):
        with pytest.raises(SensorError, match=f"has to hold 1 to {size - 100:,} bytes"):
            inbox.receive("a.aedat4", size, 100, piece, MOST)
    with pytest.raises(SensorError, match=r"There is no recording 'a.aedat4' here"):
        inbox.path("a.aedat4")
    assert inbox.receive("a.aedat4", size, 100, recording[100:], MOST) == size
    assert inbox.names() == ["a.aedat4"]
