"""Opening ROS bags with rosbags: topics, definitions, and messages in their order of arrival."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import zstandard

from spikewire.sensors.errors import DecodeError, SensorError, quoted
from spikewire.sensors.formats.aedat4 import MOST_BYTES
from spikewire.sensors.formats.ros.definitions import LayoutError, Types, parsed
from spikewire.sensors.formats.ros.scan import SCANNED, Scan

_ZSTD = b"\x28\xb5\x2f\xfd"

_HEADER_1 = "uint32 seq\ntime stamp\nstring frame_id\n"
_HEADER_2 = "builtin_interfaces/Time stamp\nstring frame_id\n"
_EVENT = "uint16 x\nuint16 y\nbuiltin_interfaces/Time ts\nbool polarity\n"
_ARRAY = "std_msgs/Header header\nuint32 height\nuint32 width\n{}/Event[] events\n"
_PACKET = (
    "std_msgs/Header header\nuint32 height\nuint32 width\nuint64 seq\nuint64 time_base\n"
    "string encoding\nbool is_bigendian\nuint8[] events\n"
)
KNOWN = {
    "dvs_msgs/msg/EventArray": _ARRAY.format("dvs_msgs"),
    "dvs_msgs/msg/Event": _EVENT,
    "prophesee_event_msgs/msg/EventArray": _ARRAY.format("prophesee_event_msgs"),
    "prophesee_event_msgs/msg/Event": _EVENT,
    "event_camera_msgs/msg/EventPacket": _PACKET,
    "event_array_msgs/msg/EventArray": _PACKET,
}
"""Definitions of messages that are read, for bags that hold none: those of ROS 2 before Iron."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a bag.

    Attributes
    ----------
    name, type
        Its name, and the name of its messages' type.
    types
        The definitions of that type and of those it holds.
    connections
        Its connections, as rosbags has them.
    count
        Number of messages, as the bag says.
    aligned
        Whether its messages are CDR, rather than ROS 1's.
    """

    name: str
    type: str
    types: Types
    connections: list[Any]
    count: int
    aligned: bool


@contextmanager
def bag_errors(path: Path) -> Iterator[None]:
    """Turn any error of rosbags within a block into a :class:`DecodeError`."""
    try:
        yield
    except (SensorError, LayoutError, GeneratorExit):
        raise
    except Exception as error:
        lines = str(error).splitlines()
        said = ascii(lines[0])[1:-1][:200].rstrip(".") if lines else type(error).__name__
        raise DecodeError(path, f"rosbags cannot read it ({said}).") from None


@contextmanager
def open_bag(path: Path, kind: str) -> Iterator[Any]:
    """Open a bag for reading: ``connections`` and ``messages`` of rosbags' readers.

    Parameters
    ----------
    path
        The file, or the folder of a ROS 2 bag.
    kind
        Short name of its format. One whose index cannot be read is read from its beginning on,
        where the format allows.

    Raises
    ------
    SensorError
        If rosbags is not installed, or the bag cannot be read. Its errors within the block become
        one, too.
    """
    try:
        from rosbags import rosbag1, rosbag2
    except ImportError:
        raise SensorError(
            f"{path} is a ROS bag, which needs the packages of an extra: "
            "pip install 'spikewire[ros]'."
        ) from None
    with bag_errors(path):
        if kind == "rosbag1":
            bag: Any = rosbag1.Reader(path)
        elif path.is_dir():
            bag = rosbag2.Reader(path)
        else:
            # By content: Reader itself goes by the file's name.
            plugin = {"rosbag2": ".db3", "mcap": ".mcap"}[kind]
            bag = rosbag2.Reader.STORAGE_PLUGINS[plugin](path)
        try:
            bag.open()
        except Exception:
            if kind not in SCANNED or path.is_dir():
                raise
            yield Scan(path, kind)
            return
        try:
            yield bag
        finally:
            bag.close()


def topics(path: Path, bag: Any, kind: str) -> list[Topic]:
    """List the topics of a bag whose definitions are known, by name."""
    by_name: dict[tuple[str, str], list[Any]] = {}
    for connection in bag.connections:
        by_name.setdefault((connection.topic, connection.msgtype), []).append(connection)
    found = []
    for (name, kind_of), connections in sorted(by_name.items()):
        said = getattr(connections[0], "serialization", "")
        ros1 = kind == "rosbag1" or said == "ros1"
        types = _types(kind_of, connections[0].msgdef, ros1)
        if kind_of in types:
            count = sum(one.msgcount for one in connections)
            found.append(Topic(name, kind_of, types, connections, count, not ros1))
    return found


def _types(name: str, definition: Any, ros1: bool) -> Types:
    """Return the definition of a type; that known by name where the bag has none."""
    return _parsed(name, definition.data, definition.format.name, ros1)


@lru_cache(maxsize=8)
def _known(ros1: bool) -> Mapping[str, Any]:
    """Parse the definitions of messages that are read."""
    from rosbags.typesys import get_types_from_msg

    types: dict[str, Any] = {}
    types |= get_types_from_msg(_HEADER_1 if ros1 else _HEADER_2, "std_msgs/msg/Header")
    for known, text in KNOWN.items():
        types |= get_types_from_msg(text, known)
    return types


@lru_cache(maxsize=64)
def _parsed(name: str, text: str, style: str, ros1: bool) -> Types:
    """Parse a definition. Parsing takes milliseconds, and a bag is opened more than once."""
    from rosbags.typesys import get_types_from_idl, get_types_from_msg

    types = dict(_known(ros1))
    try:
        if style == "MSG":
            types |= get_types_from_msg(text, name)
        elif style == "IDL":
            for part in text.split("=" * 80 + "\n"):
                idl = part.partition("\n")[2] if part.startswith("IDL: ") else part
                if idl.strip():
                    types |= get_types_from_idl(idl)
    except Exception:
        # A damaged definition is that of no topic; the reader tells what it holds.
        return {}
    return parsed(types)


def unpacked(path: Path, data: bytes) -> memoryview:
    """Undo the compression of a message, of which a ROS 2 bag's file does not tell.

    Raises
    ------
    DecodeError
        If it is damaged, or too large.
    """
    if bytes(data[:4]) != _ZSTD:
        return memoryview(data)
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data)
        whole = reader.read(MOST_BYTES)
    except (zstandard.ZstdError, MemoryError) as error:
        said = quoted(str(error).splitlines()[0], 80)
        raise DecodeError(path, f"a message cannot be unpacked ({said}).") from None
    if len(whole) >= MOST_BYTES:
        raise DecodeError(path, f"a message unpacks to more than {MOST_BYTES:,} bytes.")
    return memoryview(whole)
