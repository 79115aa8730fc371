"""The layout of a text of events: its columns, its unit of time, and where it begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spikewire.sensors.errors import SensorError
from spikewire.sensors.units import LARGEST_SIDE

NAMES: Mapping[str, str] = {
    "t": "t", "ts": "t", "time": "t", "timestamp": "t", "timestamps": "t",
    "x": "x", "col": "x", "column": "x",
    "y": "y", "row": "y",
    "p": "p", "pol": "p", "polarity": "p", "on": "p",
}  # fmt: skip
"""Names of columns and of structured arrays' fields, in small letters, and ours for them."""

UNITS: Mapping[str, int] = {"s": 6, "ms": 3, "us": 0, "ns": -3}
"""Units of time, and the power of ten that makes them microseconds."""

LONGEST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a text's lines.

    Attributes
    ----------
    columns
        One of t, x, y, p or "" (to be passed over) for each column.
    unit
        Unit of time.
    header
        Bytes of comments and header before the first event.
    stated
        Where the columns are known from: ``"header"``, ``"caller"``, or ``"values"``.
    size
        (width, height), where a comment or the first line gives it.
    """

    columns: tuple[str, ...]
    unit: str
    header: int
    stated: str
    size: tuple[int, int] | None = None

    @property
    def described(self) -> str:
        """Columns and unit in words."""
        names = ",".join(column or "-" for column in self.columns)
        known = {"values": ", by their values", "caller": ", as said", "header": ""}[self.stated]
        return f"columns {names}{known}; times in {self.unit}"


def field_name(name: str) -> str:
    """Return our name for a column or field, or "" if it is none of the four.

    A unit may follow, as in ``timestamp_us`` or ``t [ms]``.
    """
    return NAMES.get(_bare(name)[0], "")


def named_unit(name: str) -> str | None:
    """Return the unit that follows the name of a column of times, or None."""
    return _bare(name.lower())[1]


def _bare(name: str) -> tuple[str, str | None]:
    match = re.fullmatch(r"([a-z]+)(?:[_ ]*[\[(_]? *(s|sec|ms|msec|us|usec|ns)[\])]?)?", name)
    if match is None or match[1] not in NAMES:
        return name, None
    return match[1], None if match[2] is None else match[2].replace("sec", "s").replace("ss", "s")


def _complete(columns: Iterable[str]) -> bool:
    """Tell whether each of the four is named once."""
    return sorted(filter(None, columns)) == ["p", "t", "x", "y"]


def parse_columns(text: str) -> tuple[str, ...]:
    """Read an order of columns such as ``x,y,p,t``; ``-`` passes one over.

    Raises
    ------
    SensorError
        If one of the four is missing or named twice, or a name is unknown.
    """
    columns = tuple(
        "" if name.strip() in ("-", "_") else field_name(name.strip().lower()) or "?"
        for name in text.split(",")
    )
    if "?" in columns or not _complete(columns):
        raise SensorError(
            f"columns is {text!r}; it has to name t, x, y and p once each, and - for every other "
            "column, such as x,y,p,t."
        )
    return columns


def check_unit(unit: str) -> str:
    """Refuse a unit of time that is unknown.

    Raises
    ------
    SensorError
        Unless it is one of ``UNITS``.
    """
    if unit not in UNITS:
        raise SensorError(f"unit is {unit!r}; allowed are {', '.join(UNITS)}.")
    return unit


_SPLIT = re.compile(r"[,;\s]+")
_VALUE = r"(?:[+-]?\d{1,18}(?:\.\d*)?|true|false)"
_VALUES = re.compile(rf"{_VALUE}(?: {_VALUE})*", re.IGNORECASE)
_GEOMETRY = re.compile(r"(?:geometry|sensor|size|resolution)\W{1,3}(\d{1,5})\s*[,x ]\s*(\d{1,5})\b")
"""A size within a comment, such as Metavision's ``%geometry:1280,720``."""


@dataclass(slots=True)
class _Head:
    """The beginning of a text: its header's names, its first rows, where these begin, its size."""

    names: list[str] | None
    rows: list[list[str]]
    start: int
    size: tuple[int, int] | None


def detect_layout(
    path: object, head: bytes, columns: Sequence[str] | None, unit: str | None
) -> Layout | None:
    """Detect the columns and the unit of a text.

    Parameters
    ----------
    path
        The text's name in messages.
    head
        Its first bytes.
    columns, unit
        What the caller knows.

    Returns
    -------
    Layout or None
        None if this is no table of events.

    Raises
    ------
    SensorError
        If it is one, but its columns cannot be told.
    """
    table = _read_head(head)
    if table is None:
        return None
    names, rows = table.names, table.rows
    if columns is not None:
        stated, chosen = "caller", tuple(columns)
    elif names is not None:
        stated, chosen = "header", tuple(field_name(name) for name in names)
        unit = unit or next((named_unit(name) for name in names if field_name(name) == "t"), None)
    elif rows:
        guess = columns_by_values([row for row in rows if len(row) == len(rows[0])])
        if guess is None:
            if len(rows[0]) < 4:
                return None
            raise SensorError(
                f"{path} has no header, and its values do not tell which columns are t, x, y and "
                "p: name them, such as x,y,p,t."
            )
        stated, chosen = "values", guess
    else:
        return None
    if unit is None:
        place = chosen.index("t")
        fractions = any(len(row) > place and "." in row[place] for row in rows)
        unit = "s" if fractions else "us"
    return Layout(chosen, unit, table.start, stated, table.size)


def _read_head(head: bytes) -> _Head | None:
    """Read comments, a header and the rows below it; None if this is no table of numbers."""
    if b"\0" in head:
        return None
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    at = len(head) - len(text.encode()) if head.startswith(b"\xef\xbb\xbf") else 0
    names: list[str] | None = None
    rows: list[list[str]] = []
    size: tuple[int, int] | None = None
    start = -1
    lines = text.splitlines(keepends=True)
    if len(head) >= LONGEST_LINE and len(lines) > 1:
        lines = lines[:-1]  # the last may be cut
    for line in lines:
        # As _SPLIT splits them, but faster: a head has up to 20,000 lines.
        fields = line.replace(",", " ").replace(";", " ").split()
        plain = line.lstrip()
        comment = plain.startswith(("#", "%", "//"))
        if not fields or (comment and not rows):
            words = _named(plain.lstrip("#%/ ")) if comment else None
            names = words or names
            size = (_sides(_GEOMETRY.findall(plain.lower())[:1]) if comment else None) or size
        elif not rows and names is None and len(fields) == 2 and (sides := _sides([fields])):
            size = sides
        elif _VALUES.fullmatch(" ".join(fields)):
            start = at if start < 0 else start
            rows.append(fields)
        elif rows:
            break
        elif names is not None or (names := _named(plain)) is None:
            return None
        at += len(line.encode())
    return _Head(names, rows, at if start < 0 else start, size)


def _sides(found: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Return the width and height that two texts give, if they can be a sensor's."""
    if not found or not all(text.isascii() and text.isdigit() for text in found[0]):
        return None
    width, height = (int(text[:6]) for text in found[0])
    most = LARGEST_SIDE
    return (width, height) if 0 < width <= most and 0 < height <= most else None


def _named(line: str) -> list[str] | None:
    """Split a header line, if it names the four columns."""
    for split in (re.compile(r"[,;\t]"), _SPLIT):
        names = [name.strip().strip('"').lower() for name in split.split(line.strip())]
        if _complete(map(field_name, names)):
            return names
    return None


def columns_by_values(rows: list[list[str]]) -> tuple[str, ...] | None:
    """Tell four columns apart: p has two values at most, t never falls, and x is before y."""
    if not rows or len(rows[0]) != 4:
        return None
    columns = [[float(_truth(row[n])) for row in rows] for n in range(4)]
    two = [n for n in range(4) if set(columns[n]) <= {0.0, 1.0} or set(columns[n]) <= {-1.0, 1.0}]
    if len(two) != 1:
        return None
    rest = [n for n in range(4) if n != two[0]]
    rising = [n for n in rest if all(a <= b for a, b in zip(columns[n], columns[n][1:]))]  # noqa: B905
    moving = [n for n in rising if columns[n][0] < columns[n][-1]]
    times = moving if len(moving) == 1 else [n for n in rest if n in (0, 3)]
    if len(times) != 1:
        return None
    names = [""] * 4
    names[two[0]], names[times[0]] = "p", "t"
    places = [n for n in range(4) if not names[n]]
    names[places[0]], names[places[1]] = "x", "y"
    return tuple(names)


def _truth(text: str) -> str:
    return {"true": "1", "false": "0"}.get(text.lower(), text)
