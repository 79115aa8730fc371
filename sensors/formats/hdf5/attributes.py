"""Attributes of HDF5, read in bounded memory.

HDF5 takes the length of a text from the file, and as much memory, before it looks for the text: up
to 4 GB where four bytes are damaged.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

_MOST_VALUES = 64
_LONGEST = 4096
_WINDOW = 1 << 20
"""Bytes at the file's beginning and its end among which a text's length is looked for."""

# A text of any length: its type with that of a character (padded or not), one value, its length.
_TEXT = (
    rb"\0{0,8}[\x10-\x4f]\x01[\0-\x03]\0\x10\0\0\0"
    rb"[\x10-\x4f]..\0\x01\0\0\0\0\0\x08\0(?:\0{4})?"
    rb"(?:\x01\0.\0\0\0\0\0|\x02\0\0\0)(.{4})"
)


def attributes(path: Path, place: Any, wanted: Collection[str]) -> dict[str, Any]:
    """Return attributes of a group or dataset, by their names in small letters.

    Those of many values or of other types than numbers and text are left out, as are texts whose
    length can only be damage.

    Parameters
    ----------
    path
        The file.
    place
        A group or dataset of it.
    wanted
        Their names.
    """
    found: dict[str, Any] = {}
    for name in place.attrs:
        if name.lower() not in wanted:
            continue
        known = place.attrs.get_id(name)
        if known.shape is None or int(np.prod(known.shape, dtype=np.int64)) > _MOST_VALUES:
            continue
        kind = known.dtype
        short = kind.kind in "biuf" or (kind.kind == "S" and kind.itemsize <= _LONGEST)
        if short or (_is_text(kind) and not known.shape and _is_short(path, name)):
            found[name.lower()] = place.attrs[name]
    return found


def _is_text(kind: Any) -> bool:
    return (kind.metadata or {}).get("vlen") in (str, bytes)


def _is_short(path: Path, name: str) -> bool:
    """Tell whether the text of an attribute is short, or cannot be found in the file."""
    with open(path, "rb") as file:
        data = file.read(_WINDOW)
        file.seek(max(file.tell(), file.seek(0, 2) - _WINDOW))
        data += file.read(_WINDOW)
    lengths = re.findall(re.escape(name.encode()) + _TEXT, data, re.DOTALL)
    return all(int.from_bytes(length, "little") <= _LONGEST for length in lengths)
