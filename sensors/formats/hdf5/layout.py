"""Finding events in an HDF5 file: groups of four columns, compounds and tables.

Sources: DSEC's and MVSEC's descriptions of their files, v2e's and the HDF5 packager of the
event-vision tools that E2VID's data loaders read, M3ED's layout, Prophesee's page on HDF5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikewire.sensors.errors import SensorError, quoted
from spikewire.sensors.formats.container import Wish, list_of
from spikewire.sensors.formats.csv_layout import columns_by_values, field_name
from spikewire.sensors.formats.hdf5.attributes import attributes

MOST_OBJECTS = 10_000
"""Groups and datasets of a file among which events are looked for."""

_PLURALS = {"xs": "x", "ys": "y", "ps": "p", "pols": "p", "polarities": "p", "times": "t"}
_FEW = 4096
_MANY, _DEEPEST = 256, 8
_SIZES = ("geometry", "width", "height", "sensor_resolution")
_FIRST = ("events", "CD/events", "davis/left/events", "prophesee/left")


@dataclass(frozen=True, slots=True)
class Found:
    """Events found in a file.

    Attributes
    ----------
    path
        Name of the group or dataset.
    columns
        Name of the dataset of each of t, x, y and p.
    fields
        Field, or number of the column, of each in its dataset; None if it is the dataset.
    count
        Number of events.
    """

    path: str
    columns: dict[str, str]
    fields: dict[str, str | int | None]
    count: int


def column_name(name: str) -> str:
    """Return t, x, y or p for the name of a column, or "" if it is none."""
    bare = re.sub(r"^(events?|evs?|dvs)_", "", name.lower())
    return _PLURALS.get(bare, "") or field_name(bare)


def find_events(path: Path, file: Any, wish: Wish) -> list[Found]:
    """Find the events of a file; those that are read come first.

    Raises
    ------
    SensorError
        If there are none, or none under the name that was asked for.
    """
    if wish.member is not None:
        return [_asked_for(path, file, wish)]
    objects = dict(_walk(file))
    found = [_as_events(name, known, wish) for name, known in objects.items()]
    events = [one for one in found if one is not None]
    if not events:
        raise SensorError(
            f"{path} is HDF5 without events: it holds {_content(objects)}, and no group or table "
            "has columns t, x, y and p."
        )
    return sorted(events, key=lambda one: (not one.count, _rank(one.path), one.path))


def _rank(path: str) -> int:
    return _FIRST.index(path) if path in _FIRST else len(_FIRST)


def _walk(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield groups and datasets by name; links to other places and files are not followed."""
    left = [("", file, 0)]
    seen = 0
    while left and seen < MOST_OBJECTS:
        name, group, depth = left.pop(0)
        yield name, group
        members = list(group)
        if len(members) > _MANY:  # images, one dataset each
            members = [key for key in members if column_name(key) or "event" in key.lower()]
        for key in members[:MOST_OBJECTS]:
            seen += 1
            if type(group.get(key, getlink=True)).__name__ != "HardLink":
                continue
            known = group[key]
            inside = f"{name}/{key}".lstrip("/")
            if not hasattr(known, "keys"):
                yield inside, known
            elif depth < _DEEPEST:
                left.append((inside, known, depth + 1))


def _content(objects: dict[str, Any]) -> str:
    names = [name for name, known in objects.items() if hasattr(known, "shape")]
    return list_of(names) if names else "no datasets"


def _asked_for(path: Path, file: Any, wish: Wish) -> Found:
    name = (wish.member or "").strip("/")
    try:
        known = file[name or "/"]
    except (KeyError, ValueError):
        raise SensorError(
            f"{path} holds no {quoted(name, 80)}; it holds {_content(dict(_walk(file)))}."
        ) from None
    found = _as_events(name, known, wish, asked=True)
    if found is None and hasattr(known, "keys") and "events" in known:
        found = _as_events(f"{name}/events".lstrip("/"), known["events"], wish, asked=True)
    if found is None:
        raise SensorError(
            f"{path}: {quoted(name or '/', 80)} is no group or table with columns t, x, y and p."
        )
    return found


def _as_events(name: str, known: Any, wish: Wish, *, asked: bool = False) -> Found | None:
    """Return the events of a group or dataset, or None if it holds none."""
    if hasattr(known, "keys"):
        return _group(known, name)
    shape, dtype = known.shape, known.dtype
    if not shape or dtype is None:
        return None
    if dtype.names is not None:
        fields = {column_name(field): field for field in dtype.names if column_name(field)}
        if {"t", "x", "y", "p"} <= fields.keys() and len(shape) == 1:
            return Found(
                name, dict.fromkeys("txyp", name), {c: fields[c] for c in "txyp"}, shape[0]
            )
        return None
    if len(shape) == 2 and shape[1] >= 4 and shape[1] <= 16 and dtype.kind in "iuf":
        return _table(name, known, wish, asked=asked)
    return None


def _group(group: Any, name: str) -> Found | None:
    columns: dict[str, str] = {}
    lengths = set()
    for key in group:
        column = column_name(key)
        if not column or column in columns:
            continue
        known = group.get(key)
        if not hasattr(known, "shape") or known.dtype is None or known.dtype.kind not in "biuf":
            continue
        length = length_of(known.shape)
        if length is not None:
            columns[column] = f"{name}/{key}".lstrip("/")
            lengths.add(length)
    if set(columns) != set("txyp"):
        return None
    # A file that was cut while it was written may have columns of different lengths.
    return Found(name, columns, dict.fromkeys("txyp"), min(lengths))


def length_of(shape: Sequence[int]) -> int | None:
    """Return the number of values of a column, or None if this is none: MATLAB's have two axes."""
    if len(shape) == 1:
        return int(shape[0])
    if len(shape) == 2 and 1 in shape:
        return int(max(shape))
    return None


def _table(name: str, dataset: Any, wish: Wish, *, asked: bool) -> Found | None:
    chosen: Sequence[str] | None = wish.columns
    named = "event" in name.lower()
    if chosen is None and dataset.shape[1] == 4:
        if not (asked or named or dataset.shape[0] >= 16):
            return None
        chosen = _by_values(dataset[:_FEW], sure=asked or named)
    if chosen is None:
        return None
    places = {column: n for n, column in enumerate(chosen) if column}
    if set(places) != set("txyp") or max(places.values()) >= dataset.shape[1]:
        return None
    return Found(name, dict.fromkeys("txyp", name), dict(places), int(dataset.shape[0]))


def _by_values(rows: Any, *, sure: bool) -> Sequence[str] | None:
    """Tell the columns of a table of four by the orders that are in use, then by the values alone.

    Parameters
    ----------
    rows
        Its first rows.
    sure
        Whether it holds events in any case.
    """
    fractions = rows.dtype.kind == "f"
    # MVSEC writes seconds last but one, v2e whole microseconds first.
    orders = ("xytp", "txyp", "xypt") if fractions else ("txyp", "xypt", "xytp")
    for order in orders:
        parts = {name: rows[:, n].astype(np.float64) for n, name in enumerate(order)}
        if len(rows) and _plausible(parts):
            return tuple(order)
    chosen = columns_by_values([[str(v) for v in row] for row in rows.tolist()])
    return chosen or (tuple(orders[0]) if sure else None)


def _plausible(columns: dict[str, Any]) -> bool:
    values = set(np.unique(columns["p"]).tolist())
    if not (values <= {0.0, 1.0} or values <= {-1.0, 1.0}):
        return False
    for side in ("x", "y"):
        if not ((columns[side] >= 0) & (columns[side] < 32768)).all():
            return False
        if (columns[side] != np.floor(columns[side])).any():
            return False
    return bool((np.diff(columns["t"]) >= 0).all())


def sensor_size(path: Path, file: Any, found: Found) -> tuple[int, int] | None:
    """Return (width, height) where the file's attributes say so."""
    places = [file]
    parts = found.path.split("/")
    places += [file["/".join(parts[:n])] for n in range(1, len(parts) + 1) if all(parts)]
    for place in reversed(places):
        size = stated_size(attributes(path, place, _SIZES))
        if size is not None:
            return size
        if hasattr(place, "keys") and "calib" in place and "resolution" in place["calib"]:
            stated = place["calib"]["resolution"]
            size = _pair(np.asarray(stated)) if getattr(stated, "size", 0) == 2 else None
            if size is not None:
                return size
    return None


def stated_size(known: dict[str, Any]) -> tuple[int, int] | None:
    """Return (width, height) where attributes say so; their names are in small letters."""
    geometry = known.get("geometry")
    if isinstance(geometry, bytes):
        geometry = geometry.decode("ascii", "replace")
    if isinstance(geometry, str):
        match = re.fullmatch(r"\s*(\d{1,5})\s*[x,]\s*(\d{1,5})\s*", geometry)
        if match:
            return _pair(np.array([int(match[1]), int(match[2])]))
    if "width" in known and "height" in known:
        return _pair(np.array([_number(known["width"]), _number(known["height"])]))
    if "sensor_resolution" in known:  # as E2VID's tools write it: rows, columns
        size = _pair(np.asarray(known["sensor_resolution"]).reshape(-1)[:2])
        return None if size is None else (size[1], size[0])
    return None


def _number(value: Any) -> int:
    try:
        return int(np.asarray(value).reshape(-1)[0])
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0


def _pair(values: Any) -> tuple[int, int] | None:
    values = values.reshape(-1)
    if len(values) != 2 or values.dtype.kind not in "iuf":
        return None
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return None
    width, height = int(values[0]), int(values[1])
    return (width, height) if 0 < width <= 32768 and 0 < height <= 32768 else None
