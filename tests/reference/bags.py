"""ROS bags written byte by byte: messages, serialisation and container as their documents say."""

from __future__ import annotations

import bz2
import sqlite3
import struct
from collections.abc import Callable, Sequence

import lz4.frame
import zstandard

from tests.reference.formats import Event, Writer, evt3

RULE = "=" * 80 + "\n"
HEADER_1 = RULE + "MSG: std_msgs/Header\nuint32 seq\ntime stamp\nstring frame_id\n"
HEADER_2 = RULE + "MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n"
TIME = RULE + "MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n"
ARRAY = "std_msgs/Header header\nuint32 height\nuint32 width\n{}/Event[] events\n"
EVENT_1 = RULE + "MSG: {}/Event\nuint16 x\nuint16 y\ntime ts\nbool polarity\n"
EVENT_2 = RULE + "MSG: {}/Event\nuint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity\n"
PACKET = (
    "std_msgs/Header header\nuint32 height\nuint32 width\nuint64 seq\nuint64 time_base\n"
    "string encoding\nbool is_bigendian\nuint8[] events\n"
)


class Wire:
    """Serialises numbers and texts: without padding (ROS 1), or aligned to their size (CDR)."""

    def __init__(self, cdr: bool) -> None:
        self.cdr = cdr
        self.out = bytearray()

    def number(self, code: str, value: int) -> Wire:
        """Append a number."""
        if self.cdr:
            self.out += bytes(-len(self.out) % struct.calcsize(code))
        self.out += struct.pack("<" + code, value)
        return self

    def text(self, value: str) -> Wire:
        """Append a text; CDR ends it with a zero that counts."""
        data = value.encode() + (b"\0" if self.cdr else b"")
        self.number("I", len(data))
        self.out += data
        return self

    @property
    def message(self) -> bytes:
        """The whole message; CDR has four bytes before it, little-endian."""
        return (b"\0\1\0\0" if self.cdr else b"") + bytes(self.out)


def head(cdr: bool, size: tuple[int, int] = (240, 180), frame: str = "cam") -> Wire:
    """Serialise a header, height and width."""
    wire = Wire(cdr)
    if not cdr:
        wire.number("I", 7)
    wire.number("I", 5).number("I", 6).text(frame)
    return wire.number("I", size[1]).number("I", size[0])


def array(events: Sequence[Event], cdr: bool, frame: str = "cam") -> bytes:
    """Serialise ``dvs_msgs/EventArray``."""
    wire = head(cdr, frame=frame).number("I", len(events))
    for t, x, y, p in events:
        wire.number("H", x).number("H", y)
        wire.number("I", t // 1_000_000).number("I", t % 1_000_000 * 1000).number("B", p)
    return wire.message


def packet(data: bytes, encoding: str, cdr: bool, base: int = 0, big: bool = False) -> bytes:
    """Serialise ``event_camera_msgs/EventPacket``."""
    wire = head(cdr).number("Q", 3).number("Q", base).text(encoding)
    wire.number("B", big).number("I", len(data))
    wire.out += data
    return wire.message


def mono(events: Sequence[Event], base: int = 0) -> bytes:
    """Pack 64 bits an event: polarity, y, x, nanoseconds from a base on."""
    return b"".join(
        struct.pack("<Q", p << 63 | y << 48 | x << 32 | (t * 1000 - base)) for t, x, y, p in events
    )


def libcaer(events: Sequence[Event]) -> bytes:
    """Pack libcaer's polarity events: x, y, polarity and a bit that it is valid; microseconds."""
    return b"".join(
        struct.pack("<II", x << 17 | y << 2 | p << 1 | 1, t & 0x7FFFFFFF) for t, x, y, p in events
    )


def libcaer_cmp(events: Sequence[Event]) -> bytes:
    """Pack words of 16 bits: TIME_HIGH 0, TIME_LOW 1, ADDR_X 2, ADDR_Y 3; VECT_8 where p is 0."""
    out = bytearray()
    for t, x, y, p in events:
        out += struct.pack("<HHH", t >> 12, 1 << 12 | t & 0xFFF, 2 << 12 | x)
        if p:
            out += struct.pack("<H", 3 << 12 | p << 11 | y)
        else:
            base = max(0, y - 3)
            out += struct.pack("<HH", 4 << 12 | base, 5 << 12 | 1 << (y - base))
    return bytes(out)


Message = tuple[int, bytes]
"""Time of arrival in nanoseconds, and bytes."""


def grouped(
    events: Sequence[Event], make: Callable[[Sequence[Event]], bytes], per: int = 2
) -> list[Message]:
    """Serialise a message for each two events, which arrives with the last of them."""
    groups = [events[n : n + per] for n in range(0, len(events), per)]
    return [(group[-1][0] * 1000 + 500_000, make(group)) for group in groups]


def fields(**values: bytes) -> bytes:
    """Lay out a header of a record of ROS 1."""
    out = b""
    for name, value in values.items():
        out += struct.pack("<I", len(name) + 1 + len(value)) + name.encode() + b"=" + value
    return out


def record(data: bytes, **values: bytes) -> bytes:
    """Lay out a record of ROS 1."""
    header = fields(**values)
    return struct.pack("<I", len(header)) + header + struct.pack("<I", len(data)) + data


def _stamp(time_ns: int) -> bytes:
    return struct.pack("<II", time_ns // 10**9, time_ns % 10**9)


def ros1_bag(
    topics: dict[str, tuple[str, str, list[Message]]], compression: str = "none", per_chunk: int = 2
) -> bytes:
    """Bag format 2.0: chunks of messages, each with an index, then connections and chunk infos."""
    pack: dict[str, Callable[[bytes], bytes]] = {
        "none": bytes, "bz2": bz2.compress, "lz4": lz4.frame.compress,
    }  # fmt: skip
    connections = [
        record(
            fields(topic=name.encode(), type=kind.encode(), md5sum=b"*",
                   message_definition=text.encode()),
            op=b"\7", conn=struct.pack("<I", n), topic=name.encode(),
        )
        for n, (name, (kind, text, _)) in enumerate(topics.items())
    ]  # fmt: skip
    every = sorted(
        (at, n, data) for n, (_, _, messages) in enumerate(topics.values()) for at, data in messages
    )
    start = 13 + 4096
    body, infos = b"", b""
    for first in range(0, len(every), per_chunk):
        group = every[first : first + per_chunk]
        chunk = b"".join(connections) if not first else b""
        index: dict[int, list[bytes]] = {}
        for at, n, data in group:
            index.setdefault(n, []).append(_stamp(at) + struct.pack("<I", len(chunk)))
            chunk += record(data, op=b"\2", conn=struct.pack("<I", n), time=_stamp(at))
        place = start + len(body)
        body += record(pack[compression](chunk), op=b"\5", compression=compression.encode(),
                       size=struct.pack("<I", len(chunk)))  # fmt: skip
        counts = b""
        for n, entries in index.items():
            number = struct.pack("<I", n)
            body += record(b"".join(entries), op=b"\4", ver=struct.pack("<I", 1), conn=number,
                           count=struct.pack("<I", len(entries)))  # fmt: skip
            counts += number + struct.pack("<I", len(entries))
        infos += record(counts, op=b"\6", ver=struct.pack("<I", 1),
                        chunk_pos=struct.pack("<Q", place), start_time=_stamp(group[0][0]),
                        end_time=_stamp(group[-1][0]),
                        count=struct.pack("<I", len(index)))  # fmt: skip
    front = fields(op=b"\3", index_pos=struct.pack("<Q", start + len(body)),
                   conn_count=struct.pack("<I", len(topics)),
                   chunk_count=struct.pack("<I", -(-len(every) // per_chunk)))  # fmt: skip
    padding = 4096 - 8 - len(front)
    front = struct.pack("<I", len(front)) + front + struct.pack("<I", padding) + b" " * padding
    return b"#ROSBAG V2.0\n" + front + body + b"".join(connections) + infos


def db3(topics: dict[str, tuple[str, str, list[Message]]], definitions: bool = True) -> bytes:
    """SQLite as rosbag2 fills it; before ROS 2 Iron without definitions."""
    base = sqlite3.connect(":memory:")
    extra = ", type_description_hash TEXT" if definitions else ""
    base.execute(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, "
        f"serialization_format TEXT, offered_qos_profiles TEXT{extra})"
    )
    base.execute(
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, "
        "data BLOB)"
    )
    base.execute("CREATE INDEX timestamp_idx ON messages (timestamp ASC)")
    if definitions:
        base.execute("CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT)")
        base.execute("INSERT INTO schema VALUES (4, 'jazzy')")
        base.execute(
            "CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT, "
            "encoding TEXT, encoded_message_definition TEXT, type_description_hash TEXT)"
        )
    for number, (name, (kind, text, messages)) in enumerate(topics.items(), 1):
        row = (number, name, kind, "cdr", "", *([""] if definitions else []))
        base.execute(f"INSERT INTO topics VALUES ({', '.join('?' * len(row))})", row)
        if definitions:
            base.execute(
                "INSERT INTO message_definitions VALUES (?, ?, 'ros2msg', ?, '')",
                (number, kind, text),
            )
        for at, data in messages:
            base.execute(
                "INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)",
                (number, at, data),
            )
    base.commit()
    return base.serialize()


def _text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


def mcap(
    topics: dict[str, tuple[str, str, list[Message]]], compression: str = "", per_chunk: int = 2
) -> bytes:
    """MCAP: schemas, channels and messages in chunks; a summary with chunk indexes; a footer."""

    def one(op: int, data: bytes) -> bytes:
        return struct.pack("<BQ", op, len(data)) + data

    pack: dict[str, Callable[[bytes], bytes]] = {
        "": bytes, "lz4": lz4.frame.compress, "zstd": zstandard.ZstdCompressor().compress,
    }  # fmt: skip
    described = b""
    for n, (name, (kind, text, _)) in enumerate(topics.items(), 1):
        described += one(3, struct.pack("<H", n) + _text(kind) + _text("ros2msg") + _text(text))
        described += one(
            4, struct.pack("<HH", n, n) + _text(name) + _text("cdr") + struct.pack("<I", 0)
        )
    every = sorted(
        (at, n, data)
        for n, (_, _, messages) in enumerate(topics.values(), 1)
        for at, data in messages
    )
    out = b"\x89MCAP0\r\n" + one(1, _text("ros2") + _text("by hand"))
    indexes = b""
    for first in range(0, len(every), per_chunk):
        group = every[first : first + per_chunk]
        inside = described if not first else b""
        places: dict[int, list[bytes]] = {}
        for at, n, data in group:
            places.setdefault(n, []).append(struct.pack("<QQ", at, len(inside)))
            inside += one(5, struct.pack("<HIQQ", n, 0, at, at) + data)
        packed = pack[compression](inside)
        span = struct.pack("<QQ", group[0][0], group[-1][0])
        chunk = one(
            6,
            span + struct.pack("<QI", len(inside), 0) + _text(compression)
            + struct.pack("<Q", len(packed)) + packed,
        )  # fmt: skip
        at_chunk = len(out)
        out += chunk
        offsets = b""
        begin = len(out)
        for n, entries in places.items():
            offsets += struct.pack("<HQ", n, len(out))
            listed = b"".join(entries)
            out += one(7, struct.pack("<HI", n, len(listed)) + listed)
        indexes += one(
            8,
            span + struct.pack("<QQI", at_chunk, len(chunk), len(offsets)) + offsets
            + struct.pack("<Q", len(out) - begin) + _text(compression)
            + struct.pack("<QQ", len(packed), len(inside)),
        )  # fmt: skip
    out += one(0x0F, struct.pack("<I", 0))
    summary = len(out)
    counts = b"".join(
        struct.pack("<HQ", n, len(messages))
        for n, (_, _, messages) in enumerate(topics.values(), 1)
    )
    span = struct.pack("<QQ", every[0][0], every[-1][0]) if every else bytes(16)
    statistics = struct.pack("<QHIIII", len(every), len(topics), len(topics), 0, 0,
                             -(-len(every) // per_chunk)) + span  # fmt: skip
    out += described + indexes + one(0x0B, statistics + struct.pack("<I", len(counts)) + counts)
    return out + one(2, struct.pack("<QQI", summary, 0, 0)) + b"\x89MCAP0\r\n"


def ros1_dvs(events: Sequence[Event]) -> bytes:
    """``dvs_msgs/EventArray``, chunks whole."""
    text = ARRAY.format("dvs_msgs") + HEADER_1 + EVENT_1.format("dvs_msgs")
    messages = grouped(events, lambda group: array(group, False))
    return ros1_bag({"/dvs/events": ("dvs_msgs/EventArray", text, messages)})


def ros1_prophesee(events: Sequence[Event]) -> bytes:
    """``prophesee_event_msgs/EventArray``, chunks by LZ4; another topic between."""
    name = "prophesee_event_msgs"
    text = ARRAY.format(name) + HEADER_1 + EVENT_1.format(name)
    messages = grouped(events, lambda group: array(group, False))
    other = ("std_msgs/String", "string data\n", [(1, Wire(False).text("imu").message)])
    topic = "/prophesee/camera/cd_events_buffer"
    return ros1_bag({"/imu": other, topic: (f"{name}/EventArray", text, messages)}, "lz4")


def ros1_libcaer(events: Sequence[Event]) -> bytes:
    """``event_camera_msgs/EventPacket`` of libcaer's events, chunks by bzip2."""
    text = PACKET + HEADER_1
    messages = grouped(events, lambda group: packet(libcaer(group), "libcaer", False))
    kind = "event_camera_msgs/EventPacket"
    return ros1_bag({"/event_camera/events": (kind, text, messages)}, "bz2")


def ros2_dvs(events: Sequence[Event]) -> bytes:
    """``dvs_msgs/msg/EventArray`` in an MCAP, chunks by Zstandard."""
    text = ARRAY.format("dvs_msgs") + HEADER_2 + TIME + EVENT_2.format("dvs_msgs")
    messages = grouped(events, lambda group: array(group, True), per=4)
    return mcap({"/dvs/events": ("dvs_msgs/msg/EventArray", text, messages)}, "zstd")


def ros2_evt3(events: Sequence[Event]) -> bytes:
    """``event_camera_msgs/msg/EventPacket`` of a stream of EVT 3.0 that is cut anywhere."""
    words = evt3(events, b"")
    cuts = range(0, len(words), 10)
    messages = [
        (500_000 + at, packet(words[at : at + 10], "evt3", True, base=12345)) for at in cuts
    ]
    kind = "event_camera_msgs/msg/EventPacket"
    return mcap({"/event_camera/events": (kind, PACKET + HEADER_2 + TIME, messages)}, per_chunk=3)


def ros2_mono(events: Sequence[Event]) -> bytes:
    """The same message under its first name, packed in 64 bits, in a bag without definitions."""

    def message(group: Sequence[Event]) -> bytes:
        base = group[0][0] * 1000
        return packet(mono(group, base), "mono", True, base=base)

    messages = grouped(events, message)
    return db3({"/events": ("event_array_msgs/msg/EventArray", "", messages)}, definitions=False)


def ros2_libcaer_cmp(events: Sequence[Event]) -> bytes:
    """libcaer's compressed words in a SQLite bag with definitions; messages by Zstandard."""
    messages = grouped(events, lambda group: packet(libcaer_cmp(group), "libcaer_cmp", True))
    packed = [(at, zstandard.ZstdCompressor().compress(data)) for at, data in messages]
    kind = "event_camera_msgs/msg/EventPacket"
    return db3({"/events": (kind, PACKET + HEADER_2 + TIME, packed)})


BAGS: dict[str, tuple[str, Writer]] = {
    "ros1_dvs": (".bag", ros1_dvs),
    "ros1_libcaer": (".bag", ros1_libcaer),
    "ros1_prophesee": (".bag", ros1_prophesee),
    "ros2_dvs": (".mcap", ros2_dvs),
    "ros2_evt3": (".mcap", ros2_evt3),
    "ros2_libcaer_cmp": (".db3", ros2_libcaer_cmp),
    "ros2_mono": (".db3", ros2_mono),
}
"""By name: how the file's name ends, and its writer."""
