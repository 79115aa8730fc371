"""Definitions of ROS messages: where their fields lie, as ROS 1 and CDR serialise them.

Sources: the ROS 1 wiki on messages (fields without padding, little-endian) and the OMG's CDR, which
ROS 2 uses (each number aligned to its own size, from behind a header of four bytes).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikewire.sensors.formats.csv_layout import field_name

TIME = "builtin_interfaces/msg/Time"
_PRIMITIVES = {
    "bool": "u1", "byte": "u1", "char": "u1", "int8": "i1", "uint8": "u1", "int16": "i2",
    "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
_STANDARD: Mapping[str, Sequence[tuple[str, str]]] = {
    TIME: (("sec", "int32"), ("nanosec", "uint32")),
    "builtin_interfaces/msg/Duration": (("sec", "int32"), ("nanosec", "uint32")),
}
_DEEPEST = 8
MOST_ELEMENTS = 1 << 27
"""Most elements of a sequence: more are taken for damage."""


class LayoutError(Exception):
    """A definition or a message in which the fields cannot be found."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message.

    Attributes
    ----------
    name
        Its name.
    type
        A primitive's or a message's name.
    length
        None for one value, -1 for a sequence, else the elements of an array.
    """

    name: str
    type: str
    length: int | None = None


Types = Mapping[str, Sequence[Field]]


def parsed(types: Mapping[str, Any]) -> dict[str, list[Field]]:
    """Return the fields of each message of a definition as rosbags parses it."""
    return {
        name: [_field(label, *description) for label, description in fields]
        for name, (_, fields) in types.items()
    }


def _field(name: str, kind: Any, of: Any) -> Field:
    if kind in (3, 4):  # an array or a sequence
        (inner, what), length = of
        return Field(name, what[0] if inner == 1 else what, -1 if kind == 4 else int(length))
    return Field(name, of[0] if kind == 1 else of)


@dataclass(frozen=True, slots=True)
class Wire:
    """How numbers are laid out.

    Attributes
    ----------
    aligned
        Whether each number lies at a multiple of its size (CDR).
    order
        ``"<"`` or ``">"``.
    """

    aligned: bool
    order: str = "<"

    def number(self, data: memoryview, kind: str, at: int) -> tuple[Any, int]:
        """Read a number; returns it and the byte behind it."""
        code = {"u1": "B", "i1": "b", "u2": "H", "i2": "h", "u4": "I", "i4": "i", "u8": "Q",
                "i8": "q", "f4": "f", "f8": "d"}[kind]  # fmt: skip
        at = self.place(at, int(kind[1]))
        try:
            return struct.unpack_from(self.order + code, data, at)[0], at + int(kind[1])
        except struct.error:
            raise LayoutError(f"it ends after {len(data):,} bytes") from None

    def place(self, at: int, size: int) -> int:
        """Return where a number lies that is next behind a byte."""
        return at + -at % size if self.aligned else at


@dataclass(slots=True)
class Located:
    """Values of a message.

    Attributes
    ----------
    values
        Numbers and texts, by field.
    sequences
        (first byte, number of elements) of each sequence.
    """

    values: dict[str, Any] = field(default_factory=dict)
    sequences: dict[str, tuple[int, int]] = field(default_factory=dict)


def locate(types: Types, name: str, wire: Wire, data: memoryview) -> Located:
    """Find the fields of a message.

    Raises
    ------
    LayoutError
        If the message ends before they do.
    """
    found = Located()
    at = 0
    last = len(types[name]) - 1
    for number, one in enumerate(types[name]):
        if one.length == -1:
            count, at = wire.number(data, "u4", at)
            if count > MOST_ELEMENTS:
                raise LayoutError(f"it claims {count:,} elements in {one.name}")
            start = _first(types, one.type, wire, at) if count else at
            found.sequences[one.name] = start, count
            if number < last:
                at = _skip_elements(types, one, wire, data, at, count)
        elif one.length is None and one.type in _PRIMITIVES:
            found.values[one.name], at = wire.number(data, _PRIMITIVES[one.type], at)
        elif one.length is None and one.type == "string":
            found.values[one.name], at = _text(wire, data, at)
        else:
            at = _skip(types, one, wire, data, at, 0)
    return found


def _first(types: Types, name: str, wire: Wire, at: int) -> int:
    """Return where the first element of a sequence lies."""
    while name not in _PRIMITIVES:
        fields = _fields(types, name)
        if not fields or fields[0].length is not None or fields[0].type == "string":
            return at
        name = fields[0].type
    return wire.place(at, int(_PRIMITIVES[name][1]))


def _fields(types: Types, name: str) -> Sequence[Field]:
    if name in _STANDARD:
        return [Field(label, kind) for label, kind in _STANDARD[name]]
    if name not in types:
        raise LayoutError(f"the definition of {name[:60]!a} is missing")
    return types[name]


def _text(wire: Wire, data: memoryview, at: int) -> tuple[str, int]:
    size, at = wire.number(data, "u4", at)
    if at + size > len(data):
        raise LayoutError(f"it ends after {len(data):,} bytes, within a text")
    return bytes(data[at : at + size]).rstrip(b"\0").decode("utf-8", "replace"), at + size


def _skip(types: Types, one: Field, wire: Wire, data: memoryview, at: int, depth: int) -> int:
    """Return the byte behind a field."""
    if depth > _DEEPEST:
        raise LayoutError("its definition is nested too deeply")
    if one.length is not None:
        count = one.length
        if count < 0:
            count, at = wire.number(data, "u4", at)
        return _skip_elements(types, one, wire, data, at, count, depth)
    if one.type in _PRIMITIVES:
        size = int(_PRIMITIVES[one.type][1])
        return wire.place(at, size) + size
    if one.type == "string":
        return _text(wire, data, at)[1]
    for inner in _fields(types, one.type):
        at = _skip(types, inner, wire, data, at, depth + 1)
    return at


def _skip_elements(
    types: Types, one: Field, wire: Wire, data: memoryview, at: int, count: int, depth: int = 0
) -> int:
    if one.type in _PRIMITIVES and count:
        size = int(_PRIMITIVES[one.type][1])
        return wire.place(at, size) + size * count
    for _ in range(count):
        if at > len(data):
            raise LayoutError(f"it ends after {len(data):,} bytes")
        before = at
        at = _skip(types, Field(one.name, one.type), wire, data, at, depth + 1)
        if at == before:
            raise LayoutError(f"{one.name[:60]!a} has elements without a size")
    return at


@dataclass(frozen=True, slots=True)
class Element:
    """Numbers of one event: (kind, byte) of each, from the event's first byte.

    Attributes
    ----------
    places
        By column: t, x, y, p; ``sec`` and ``nanosec`` in place of t for a time of ROS.
    size
        Bytes from the first to the last of them.
    end
        Where the next event may begin.
    """

    places: dict[str, tuple[str, int]]
    size: int
    end: int


def event_columns(types: Types, name: str) -> dict[str, str] | None:
    """Return the columns of a message that is one event, by their field; None if it is none."""
    try:
        fields = _fields(types, name)
    except LayoutError:
        return None
    columns = {one.name: field_name(one.name.lower()) for one in fields if one.length is None}
    known = sorted(filter(None, columns.values()))
    if known != ["p", "t", "x", "y"]:
        return None
    for one in fields:
        time = one.type == TIME and columns.get(one.name) == "t"
        if one.length is not None or (one.type not in _PRIMITIVES and not time):
            return None
    return {label: column for label, column in columns.items() if column}


def element_at(types: Types, name: str, wire: Wire, at: int) -> Element:
    """Lay out one event that begins at or behind a byte."""
    columns = event_columns(types, name) or {}
    places: dict[str, tuple[str, int]] = {}
    begin = _first(types, name, wire, at)
    at = begin
    for one in _fields(types, name):
        parts = _fields(types, TIME) if one.type == TIME else [one]
        for part in parts:
            kind = _PRIMITIVES[part.type]
            at = wire.place(at, int(kind[1]))
            column = part.name if one.type == TIME else columns.get(one.name, "")
            if column:
                places[column] = (wire.order + kind if kind[1] != "1" else kind, at - begin)
            at += int(kind[1])
    return Element(places, at - begin, at)
