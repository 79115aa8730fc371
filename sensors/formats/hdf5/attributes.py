"""Attributes of HDF5, read in bounded memory and time.

HDF5 takes the length of a text from the file, and as much memory, before it looks for the text: up
to 4 GB where four bytes are damaged. It never returns from a heap of texts with an entry of no
size. So texts are checked here before HDF5 reads them. Source: its file format specification.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_MOST_VALUES = 64
_LONGEST = 4096
_WINDOW = 1 << 20
"""Bytes at the file's beginning and its end among which a text's length is looked for."""

# A text of any length: its type with that of a character (padded or not), one value, its place.
_TEXT = (
    rb"\0{0,8}[\x10-\x4f]\x01[\0-\x03]\0\x10\0\0\0"
    rb"[\x10-\x4f]..\0\x01\0\0\0\0\0\x08\0(?:\0{4})?"
    rb"(?:\x01\0.\0\0\0\0\0|\x02\0\0\0)(.{16})"
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
    base = place.file.userblock_size
    for name in place.attrs:
        if name.lower() not in wanted:
            continue
        known = place.attrs.get_id(name)
        if known.shape is None or int(np.prod(known.shape, dtype=np.int64)) > _MOST_VALUES:
            continue
        kind = known.dtype
        short = kind.kind in "biuf" or (kind.kind == "S" and kind.itemsize <= _LONGEST)
        if short or (_is_text(kind) and not known.shape and _is_sound(path, name, base)):
            found[name.lower()] = place.attrs[name]
    return found


def _is_text(kind: Any) -> bool:
    return (kind.metadata or {}).get("vlen") in (str, bytes)


def _is_sound(path: Path, name: str, base: int) -> bool:
    """Tell whether the texts of attributes of a name are all short and where the file says."""
    with open(path, "rb") as file:
        data = file.read(_WINDOW)
        length = file.seek(0, 2)
        file.seek(max(len(data), length - _WINDOW))
        data += file.read(_WINDOW)
        found = re.findall(re.escape(name.encode()) + _TEXT, data, re.DOTALL)
        for place in found:
            size, heap, number = struct.unpack("<IQI", place)
            if size > _LONGEST or not _holds(file, base + heap, number, size):
                return False
    return bool(found) or length > len(data)


def _holds(file: BinaryIO, at: int, number: int, size: int) -> bool:
    """Tell whether a heap of texts is whole, and has one of a number and a size."""
    if at > file.seek(0, 2):
        return False
    file.seek(at)
    head = file.read(16)
    if head[:4] != b"GCOL":
        return False
    length = struct.unpack_from("<Q", head, 8)[0]
    heap = head + file.read(min(length, _WINDOW) - len(head)) if length > len(head) else head
    found = free = False
    place = 16
    while place + 16 <= len(heap):
        index, stored = struct.unpack_from("<H6xQ", heap, place)
        if index == 0 and (free or stored < 16):  # free space has its own header
            return False
        free |= index == 0
        found |= index == number and stored >= size
        place += stored if index == 0 else 16 + stored + -stored % 8
    # What is left may be too short for an entry, where no other space is free.
    return found and len(heap) == length and (place == length or (place < length and not free))
