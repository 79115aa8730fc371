"""ROS 1 and ROS 2 bags: every message, encoding and container, and what damage leaves."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spikewire.sensors import DecodeError, SensorError, describe_recording, open_recording
from spikewire.sensors.formats.ros.arrays import EventArrays
from spikewire.sensors.formats.ros.definitions import Field, LayoutError
from spikewire.sensors.formats.ros.definitions import Wire as Layout
from spikewire.sensors.formats.ros.packets import PIECE, Packets
from tests.reference import bags
from tests.reference.bags import BAGS, Wire, array, db3, grouped, libcaer, mcap, mono, packet
from tests.reference.formats import EVENTS, Event, evt3
from tests.support.reading import read, read_damaged

PACKET_2 = bags.PACKET + bags.HEADER_2 + bags.TIME
KIND = "event_camera_msgs/msg/EventPacket"
ARRAY_1 = bags.ARRAY.format("dvs_msgs") + bags.HEADER_1 + bags.EVENT_1.format("dvs_msgs")


def decoded(encoding: str, data: bytes, base: int = 0, big: bool = False) -> list[Event]:
    parts = Packets().events(encoding, np.frombuffer(data, np.uint8), base, big=big)
    return [tuple(event) for part in parts for event in part.tolist()]


@pytest.mark.parametrize("name", BAGS)
def test_each_bag_is_read(name: str, tmp_path: Path) -> None:
    suffix, write = BAGS[name]
    path = tmp_path / f"one{suffix}"
    path.write_bytes(write(EVENTS))
    assert read(path) == EVENTS
    facts = describe_recording(path)
    assert (facts.size, facts.size_from) == ((240, 180), "file")
    named = {".bag": "ROS 1 bag", ".db3": "ROS 2 bag", ".mcap": "ROS 2 bag, MCAP"}
    assert facts.format == named[suffix]
    assert facts.note.startswith("topic /")
    # By its content, whatever its name.
    other = path.rename(tmp_path / "renamed.data")
    assert read(other) == EVENTS


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9])
@pytest.mark.parametrize("frame", ["", "c", "ca", "cam", "came", "camer", "camera", "camera0"])
def test_cdr_aligns_events_wherever_they_begin(count: int, frame: str, tmp_path: Path) -> None:
    events = [(1_000_000 * n + n, n, 2 * n, n % 2) for n in range(count)]
    for cdr in (False, True):
        text = (
            ARRAY_1
            if not cdr
            else (
                bags.ARRAY.format("dvs_msgs")
                + bags.HEADER_2
                + bags.TIME
                + bags.EVENT_2.format("dvs_msgs")
            )
        )
        messages = [(1, array(events, cdr, frame))]
        if cdr:
            data = db3({"/e": ("dvs_msgs/msg/EventArray", text, messages)})
        else:
            data = bags.ros1_bag({"/e": ("dvs_msgs/EventArray", text, messages)})
        path = tmp_path / f"a{cdr}"
        path.write_bytes(data)
        assert read(path) == events


def test_the_definition_in_the_bag_decides(tmp_path: Path) -> None:
    # Fields in another order, of other types, with more around them.
    text = (
        "uint16[3] bias\nstring note\nstd_msgs/Header header\nuint32 width\nuint32 height\n"
        "float64[] temperatures\ndvs_msgs/Event[] events\nuint8 trailer\n"
        + bags.HEADER_1
        + bags.RULE
        + "MSG: dvs_msgs/Event\n"
        "bool polarity\ntime ts\nint32 y\nuint8 spare\nuint16 x\n"
    )

    def message(group: Sequence[Event]) -> bytes:
        wire = Wire(False).number("H", 1).number("H", 2).number("H", 3).text("hello")
        wire.number("I", 1).number("I", 2).number("I", 3).text("f")
        wire.number("I", 64).number("I", 48).number("I", 2).number("d", 1).number("d", 2)
        wire.number("I", len(group))
        for t, x, y, p in group:
            wire.number("B", p).number("I", t // 1_000_000).number("I", t % 1_000_000 * 1000)
            wire.number("i", y).number("B", 9).number("H", x)
        return wire.number("B", 5).message

    path = tmp_path / "a.bag"
    path.write_bytes(bags.ros1_bag({"/e": ("dvs_msgs/EventArray", text, grouped(EVENTS, message))}))
    assert read(path) == EVENTS
    assert open_recording(path).size == (64, 48)


def test_topics_are_chosen_by_name_and_told(tmp_path: Path) -> None:
    later = [(t + 7, x, y, p) for t, x, y, p in EVENTS]
    triggers = [(1, packet(struct.pack("<Q", 5), "trigger", True))]
    topics = {
        "/a/triggers": (KIND, PACKET_2, triggers),
        "/left/events": (KIND, PACKET_2, grouped(EVENTS, lambda g: packet(mono(g), "mono", True))),
        "/right/events": (KIND, PACKET_2, grouped(later, lambda g: packet(mono(g), "mono", True))),
        "/text": ("std_msgs/msg/String", "string data\n", [(2, Wire(True).text("hi").message)]),
    }
    path = tmp_path / "two.mcap"
    path.write_bytes(mcap(topics))
    recording = open_recording(path)
    assert "/left/events is read; FILE::/PATH reads another: /right/events" in recording.note
    assert recording.read().tolist() == EVENTS
    assert read(Path(f"{path}::/right/events")) == later
    with pytest.raises(SensorError, match="no events on the topic '/imu'; it has some on /left/"):
        open_recording(f"{path}::/imu")
    del topics["/left/events"], topics["/right/events"]
    path.write_bytes(mcap(topics))
    with pytest.raises(SensorError, match=r"without events: its topics are /a/triggers, /text\."):
        open_recording(path)


def test_packets_of_every_encoding() -> None:
    big = struct.pack(">Q", 1 << 63 | 30 << 48 | 20 << 32 | 7000)
    assert decoded("mono", big, 5_000_500, True) == [(5007, 20, 30, 1)]
    words = evt3([(5, 1, 2, 1)], b"")
    swapped = np.frombuffer(words, "<u2").astype(">u2").tobytes()
    assert decoded("evt3", swapped, 99, True) == decoded("evt3", words) == [(5, 1, 2, 1)]
    # libcaer's 31 bits of microseconds run over within a packet.
    around = libcaer([(2**31 - 1, 1, 1, 0), (2**31 + 4, 2, 2, 1)])
    assert decoded("libcaer", around, 3000) == [(2**31 + 2, 1, 1, 0), (2**31 + 7, 2, 2, 1)]
    for encoding, size in (("mono", 8), ("libcaer", 8), ("evt3", 2), ("libcaer_cmp", 2)):
        with pytest.raises(LayoutError, match=f"end within a word of {size}"):
            decoded(encoding, b"\0" * 17 if size == 8 else b"\0" * 7)
    with pytest.raises(LayoutError, match=r"its encoding is 'jpeg'; evt3, libcaer, .* are read"):
        decoded("jpeg", b"")


def test_libcaer_cmp_vectors_and_large_packets() -> None:
    words = [0 << 12 | 3, 1 << 12 | 5, 2 << 12 | 40, 4 << 12 | 1 << 11 | 100, 5 << 12 | 0b10000001,
             5 << 12 | 1, 3 << 12 | 7]  # fmt: skip
    data = np.array(words, "<u2").tobytes()
    t = 1000 + (3 << 12 | 5)
    expected = [(t, 40, 100, 1), (t, 40, 107, 1), (t, 40, 108, 1), (t, 40, 7, 0)]
    assert decoded("libcaer_cmp", data, 1_000_000) == expected
    many = data * (PIECE // len(data) + 3)
    assert decoded("libcaer_cmp", many, 1_000_000)[:4] == expected
    assert len(decoded("libcaer_cmp", many)) == 4 * (len(many) // len(data))


@pytest.mark.parametrize("name", ["ros1_dvs", "ros2_dvs", "ros2_evt3", "ros2_mono"])
def test_reading_begins_at_any_time(name: str, tmp_path: Path) -> None:
    # 40 s, so that times of EVT 3.0 wrap twice before the middle.
    events = [(300_000 + n * 40_000, n % 34, n // 34, n % 2) for n in range(1000)]
    suffix, write = BAGS[name]
    path = tmp_path / f"a{suffix}"
    if name == "ros2_evt3":
        words = evt3_with_highs(events)
        messages = [(t * 1000 + 900_000, packet(part, "evt3", True)) for t, part in words]
        path.write_bytes(mcap({"/events": (KIND, PACKET_2, messages)}, per_chunk=50))
    else:
        path.write_bytes(write(events))
    recording = open_recording(path)
    assert recording.first_us == 300_000
    for start in (0, 40_000, 5_000_000, 17_000_000, 39_960_000, 10**9):
        got = [e for chunk in recording.chunks(start_us=start) for e in chunk.tolist()]
        assert got == [e for e in events if e[0] >= 300_000 + start]


def evt3_with_highs(events: list[Event]) -> list[tuple[int, bytes]]:
    """A packet for each ten events; TIME_HIGH each 4,096 us, as cameras send it."""
    out: list[tuple[int, bytes]] = []
    high = events[0][0] >> 12
    for first in range(0, len(events), 10):
        part = b""
        for t, x, y, p in events[first : first + 10]:
            for now in range(high, (t >> 12) + 1):
                part += struct.pack("<H", 0x8000 | now & 0xFFF)
            high = t >> 12
            part += struct.pack("<HHH", 0x6000 | t & 0xFFF, y, 0x2000 | p << 11 | x)
        out.append((events[first : first + 10][-1][0], part))
    return out


@pytest.mark.parametrize("name", ["ros1_dvs", "ros1_prophesee", "ros2_dvs", "ros2_evt3"])
def test_a_cut_at_any_byte_gives_the_events_before_it_and_one_error(
    name: str, tmp_path: Path
) -> None:
    suffix, write = BAGS[name]
    path = tmp_path / f"one{suffix}"
    whole = write(EVENTS)
    seen = set()
    step = 29 if name == "ros1_dvs" else 17
    # The first record of a ROS 1 bag is padded to 4,096 bytes.
    begin = 4100 if suffix == ".bag" else 200
    for cut in [*range(0, 200, 7), *range(begin, len(whole), step)]:
        path.write_bytes(whole[:cut])
        try:
            got, error = read_damaged(path, (240, 180))
        except SensorError:
            continue
        assert got.tolist() == EVENTS[: len(got)]
        seen.add(len(got))
        assert error is not None or cut > len(whole) - 2000
        if error is not None:
            assert error.offset is not None
            assert error.offset <= cut
    # A chunk that is compressed cannot be read in part.
    parts = {"ros1_dvs": {0, 2, 4, 5}, "ros1_prophesee": {0, 2, 5}, "ros2_dvs": {0, 5},
             "ros2_evt3": {0, 1, 4, 5}}  # fmt: skip
    assert seen >= parts[name]


def test_a_bag_that_was_not_closed_is_read_with_a_word(tmp_path: Path) -> None:
    path = tmp_path / "a.bag.active"
    whole = bytearray(bags.ros1_dvs(EVENTS))
    at = whole.index(b"index_pos=") + len(b"index_pos=")
    whole[at : at + 8] = bytes(8)
    path.write_bytes(whole)
    got, error = read_damaged(path, (240, 180))
    assert got.tolist() == EVENTS
    assert "which rosbag reindex writes anew" in str(error)


def test_damaged_messages_are_told_after_the_events_before(tmp_path: Path) -> None:
    good = grouped(EVENTS, lambda group: packet(mono(group), "mono", True))
    path = tmp_path / "a.db3"
    for bad, says in (
        (packet(mono(EVENTS[4:] * 5), "mono", True)[:-3], "37 of its 40 bytes are there"),
        (packet(b"", "h264", True), "its encoding is 'h264'"),
        (b"\0\7\0\0" + good[0][1][4:], "it is not serialised as CDR"),
        (good[0][1][:30], "it ends after 26 bytes"),
        (b"", "it is not serialised as CDR"),
    ):
        path.write_bytes(db3({"/e": (KIND, PACKET_2, [*good[:2], (10**12, bad)])}))
        got, error = read_damaged(path, (240, 180))
        assert got.tolist()[:4] == EVENTS[:4]
        assert f"message 2 of '/e' is damaged: {says}" in str(error)


def test_a_folder_of_a_ros_2_bag_is_a_recording(tmp_path: Path) -> None:
    from rosbags.rosbag2 import Writer as BagWriter
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(get_types_from_msg(bags.PACKET, KIND))
    folder = tmp_path / "bag"
    with BagWriter(folder, version=9) as writer:
        connection = writer.add_connection("/e", KIND, typestore=store)
        for at, data in grouped(EVENTS, lambda group: packet(mono(group), "mono", True)):
            writer.write(connection, at, data)
    assert read(folder) == EVENTS
    assert read(next(folder.glob("*.db3"))) == EVENTS
    facts = describe_recording(folder)
    assert (facts.events, facts.format) == (len(EVENTS), "ROS 2 bag")
    assert facts.bytes > 1000
    with pytest.raises(SensorError, match="is a folder, not a recording"):
        open_recording(tmp_path)


def test_elements_of_any_layout() -> None:
    types = {"a/msg/E": [Field("x", "uint8"), Field("t", "uint64"), Field("y", "uint8"),
                         Field("p", "int8")]}  # fmt: skip
    arrays = EventArrays(types, "a/msg/E", Layout(aligned=True))
    for start in range(9):
        wire = Wire(True)
        wire.out += bytes(start)
        for n in range(7):
            wire.number("B", n).number("Q", n * 100).number("B", n + 1).number("b", n % 2)
        got = arrays.events(memoryview(bytes(wire.out)), start, 7)
        assert got.tolist() == [(n * 100, n, n + 1, n % 2) for n in range(7)]
        with pytest.raises(LayoutError, match="within its 8 events"):
            arrays.events(memoryview(bytes(wire.out)), start, 8)


def test_without_rosbags_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bag"
    path.write_bytes(bags.ros1_dvs(EVENTS))
    monkeypatch.setitem(sys.modules, "rosbags", None)
    with pytest.raises(SensorError, match=r"pip install 'spikewire\[ros\]'"):
        open_recording(path)


def test_other_databases_are_no_bags(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "a.db3"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE songs(id INTEGER)")
    base.commit()
    with pytest.raises(DecodeError, match="rosbags cannot read it"):
        open_recording(path)


@pytest.mark.data
def test_the_bags_of_the_reports(data_dir: Path) -> None:
    one = describe_recording(data_dir / "reports" / "ros1_events.bag")
    assert (one.size, one.damage, one.dropped) == ((640, 480), None, {})
    # 517 packets over 2.08 s of arrival; the sensor's own time says the same.
    assert (one.events, one.left_out) == (343_474, {})
    assert abs(one.duration_us - 2_076_073) < 20_000
    two = open_recording(data_dir / "reports" / "ros2_mono.db3").read()
    assert len(two) > 0
    assert two["t"][0] == 0
