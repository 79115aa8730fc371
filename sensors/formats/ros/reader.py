"""Reading events from ROS bags, message by message, from any time on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikewire.sensors.errors import DecodeError, SensorError, quoted
from spikewire.sensors.events import Events
from spikewire.sensors.formats.container import Wish, choice_note, list_of
from spikewire.sensors.formats.ros.arrays import EventArrays
from spikewire.sensors.formats.ros.bag import Topic, open_bag, topics, unpacked
from spikewire.sensors.formats.ros.definitions import (
    LayoutError,
    Located,
    Wire,
    event_columns,
    locate,
)
from spikewire.sensors.formats.ros.packets import Packets
from spikewire.sensors.formats.ros.scan import Scan

_AHEAD_NS = 1_000_000_000
"""Messages arrive this long after their events, at most: a reading begins so much earlier."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """A topic of events.

    Attributes
    ----------
    topic
        The topic.
    event
        Name of the type of one event; None for packets of bytes.
    """

    topic: Topic
    event: str | None


def _stream(topic: Topic) -> _Stream | None:
    """Tell whether a topic's messages hold events, by their definition."""
    fields = {one.name: one for one in topic.types[topic.type]}
    events = fields.get("events")
    if events is None or events.length != -1:
        return None
    if events.type in ("uint8", "byte", "char"):
        return _Stream(topic, None) if {"encoding", "time_base"} <= fields.keys() else None
    return _Stream(topic, events.type) if event_columns(topic.types, events.type) else None


class RosBag:
    """Events of a ROS bag.

    Parameters
    ----------
    path
        The file, or the folder of a ROS 2 bag.
    kind
        Short name of its format.
    wish
        The topic, where there are several of events.

    Raises
    ------
    SensorError
        If it holds no events, or cannot be read.
    """

    progress = 0.0

    def __init__(self, path: Path, kind: str, wish: Wish) -> None:
        self._path, self._kind = path, kind
        with open_bag(path, kind) as bag:
            known = topics(path, bag, kind)
            streams = [one for one in map(_stream, known) if one is not None]
            streams = [one for one in streams if not self._triggers_only(bag, one)]
            streams.sort(key=lambda one: (not one.topic.count, one.topic.name))
            if not streams and isinstance(bag, Scan):
                list(bag.messages([]))  # raises where it is damaged
            self._name = self._chosen(streams, [one.topic for one in bag.connections], wish)
            self.size: tuple[int, int] | None = None
            self.first_us: int | None = None
            self._first_ns = 0
            stream = next(one for one in streams if one.topic.name == self._name)
            self._look(bag, stream)
        names = [self._name, *(s.topic.name for s in streams if s.topic.name != self._name)]
        others = choice_note(names) if wish.member is None else ""
        self.note = others or f"topic {list_of([self._name])}"
        self.note += f", {stream.topic.type.replace('/msg/', '/')}"

    def _chosen(self, streams: list[_Stream], every: list[str], wish: Wish) -> str:
        names = [one.topic.name for one in streams]
        if not names:
            held = list_of(sorted(set(every))) or "none"
            raise SensorError(
                f"{self._path} is a ROS bag without events: its topics are {held}. Read are "
                "messages with an array of events (dvs_msgs, prophesee_event_msgs) and "
                "event_camera_msgs/EventPacket."
            )
        if wish.member is None:
            return names[0]
        wanted = "/" + wish.member.strip("/")
        for name in names:
            if "/" + name.strip("/") == wanted:
                return name
        raise SensorError(
            f"{self._path} has no events on the topic {quoted(wanted, 80)}; it has some on "
            f"{list_of(names)}."
        )

    def _triggers_only(self, bag: Any, stream: _Stream) -> bool:
        """Tell whether a topic carries external triggers in the place of events."""
        if stream.event is not None:
            return False
        try:
            for _, located, _ in self._messages(bag, stream, None):
                return bool(located.values.get("encoding") == "trigger")
        except (LayoutError, SensorError):
            return False  # the reading tells it
        return False

    def _look(self, bag: Any, stream: _Stream) -> None:
        """Take the size and the first time from the first messages."""
        packets = Packets()
        arrays: dict[Wire, EventArrays] = {}
        try:
            for at_ns, located, data in self._messages(bag, stream, None):
                width, height = (located.values.get(side, 0) for side in ("width", "height"))
                if self.size is None and 0 < width <= 32768 and 0 < height <= 32768:
                    self.size = int(width), int(height)
                for events in self._decoded(stream, located, data, packets, arrays):
                    if len(events):
                        self.first_us, self._first_ns = int(events["t"][0]), at_ns
                        return
        except (LayoutError, SensorError):
            return  # the reading tells it

    def _messages(
        self, bag: Any, stream: _Stream, start_ns: int | None
    ) -> Iterator[tuple[int, Located, tuple[Wire, memoryview]]]:
        """Yield the messages of a topic: time of arrival, fields, and bytes.

        Raises
        ------
        LayoutError
            If a message is no such message.
        """
        for _, at_ns, raw in bag.messages(stream.topic.connections, start=start_ns):
            data = unpacked(self._path, raw) if stream.topic.aligned else memoryview(raw)
            wire = Wire(aligned=False)
            if stream.topic.aligned:
                if len(data) < 4 or data[0] or data[1] > 1:
                    raise LayoutError("it is not serialised as CDR")
                wire = Wire(aligned=True, order="<" if data[1] else ">")
                data = data[4:]
            located = locate(stream.topic.types, stream.topic.type, wire, data)
            yield int(at_ns), located, (wire, data)

    def _decoded(
        self,
        stream: _Stream,
        located: Located,
        message: tuple[Wire, memoryview],
        packets: Packets,
        arrays: dict[Wire, EventArrays],
    ) -> Iterator[Events]:
        """Yield the events of a message."""
        wire, data = message
        start, count = located.sequences["events"]
        if stream.event is not None:
            if wire not in arrays:
                arrays[wire] = EventArrays(stream.topic.types, stream.event, wire)
            yield arrays[wire].events(data, start, count)
            return
        encoding = str(located.values["encoding"])
        if encoding == "trigger":
            return
        there = np.frombuffer(data[start : start + count], np.uint8)
        big = bool(located.values.get("is_bigendian", 0))
        base = int(located.values["time_base"])
        cut = f"{len(there):,} of its {count:,} bytes are there" if len(there) < count else ""
        try:
            yield from packets.events(encoding, there, base, big=big)
        except LayoutError as error:
            raise LayoutError(cut or str(error)) from None
        if cut:
            raise LayoutError(cut)

    def events(self, start_us: int, left_out: Counter[str]) -> Iterator[Events]:
        """Yield unchecked events in chunks, from a time after the first event on."""
        start_ns = None
        if start_us > 0 and self.first_us is not None:
            start_ns = self._first_ns + start_us * 1000 - _AHEAD_NS
            if start_ns <= self._first_ns or not self._early(start_ns, self.first_us + start_us):
                start_ns = None
        packets, arrays = Packets(), dict[Wire, EventArrays]()
        number = 0
        try:
            with open_bag(self._path, self._kind) as bag:
                stream = self._found(bag)
                for at_ns, located, data in self._messages(bag, stream, start_ns):
                    if start_ns is not None and not number:
                        packets.expect(self._arrived_us(at_ns))
                    self.progress = min((number + 1) / max(stream.topic.count, 1), 1.0)
                    yield from self._decoded(stream, located, data, packets, arrays)
                    number += 1
        except LayoutError as error:
            raise DecodeError(
                self._path, f"message {number:,} of {quoted(self._name, 80)} is damaged: {error}."
            ) from None
        finally:
            left_out.update({name: n for name, n in packets.left_out.items() if n})

    def _arrived_us(self, at_ns: int) -> int:
        """Return the time of the events of a message that arrived at a time, within a second."""
        return (self.first_us or 0) + (at_ns - self._first_ns) // 1000

    def _found(self, bag: Any) -> _Stream:
        for topic in topics(self._path, bag, self._kind):
            stream = _stream(topic)
            if topic.name == self._name and stream is not None:
                return stream
        raise DecodeError(self._path, f"its topic {quoted(self._name, 80)} is gone.")

    def _early(self, start_ns: int, wanted_us: int) -> bool:
        """Tell whether messages from a time of arrival on hold no event that is too late."""
        packets = Packets()
        with open_bag(self._path, self._kind) as bag:
            stream = self._found(bag)
            try:
                for at_ns, located, data in self._messages(bag, stream, start_ns):
                    packets.expect(self._arrived_us(at_ns))
                    for events in self._decoded(stream, located, data, packets, {}):
                        if len(events):
                            return int(events["t"][0]) <= wanted_us
            except LayoutError:
                return False
        return False
