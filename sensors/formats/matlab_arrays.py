"""The arrays of numbers in a .mat file of version 5: their names, shapes and places."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
"""NumPy's types for those of stored numbers."""

_CELL, _STRUCT, _OBJECT, _FIRST_NUMBER, _LAST_NUMBER = 1, 2, 3, 6, 15
_DEEPEST, _MOST_ARRAYS, _MOST_SKIPPED = 8, 4096, 1 << 33


@dataclass(frozen=True, slots=True)
class Stored:
    """An array of numbers in a file.

    Attributes
    ----------
    name
        Its variable and fields, such as ``TD/x``.
    dtype
        As stored.
    shape
        As MATLAB has it: its first index runs fastest.
    at
        Byte of its first number, within its variable if that is compressed.
    block
        Byte of the file at which its compressed variable begins, and its size; None if it is not
        compressed.
    """

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    at: int
    block: tuple[int, int] | None

    @property
    def count(self) -> int:
        """Number of its numbers."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_list(self) -> bool:
        """Whether it has one row or one column."""
        return max(self.shape, default=0) == self.count


class Forward(Protocol):
    """Bytes that are read in order."""

    def read(self, count: int) -> bytes:
        """Read so many bytes, or fewer at the end."""

    def skip(self, count: int) -> None:
        """Pass over so many bytes."""


class _Plain:
    """Bytes of the file, from a place on."""

    def __init__(self, file: BinaryIO, at: int) -> None:
        self._file, self._at = file, at

    def read(self, count: int) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(count)
        self._at += len(data)
        return data

    def skip(self, count: int) -> None:
        self._at += count


class _Inflated:
    """Bytes of a compressed variable."""

    def __init__(self, file: BinaryIO, at: int, size: int) -> None:
        self._file, self._at, self._left = file, at, size
        self._inflate = zlib.decompressobj()

    def read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0 and not self._inflate.eof:
            data = self._inflate.unconsumed_tail
            if not data:
                self._file.seek(self._at)
                data = self._file.read(min(1 << 16, self._left))
                self._at += len(data)
                self._left -= len(data)
            if not data:
                break
            try:
                part = self._inflate.decompress(data, count)
            except zlib.error:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        while count > 0:
            data = self.read(min(count, 1 << 20))
            if not data:
                break
            count -= len(data)


def array_file(file: BinaryIO, stored: Stored) -> Forward:
    """Open the numbers of an array for reading."""
    if stored.block is None:
        return _Plain(file, stored.at)
    inflated = _Inflated(file, *stored.block)
    inflated.skip(stored.at)
    return inflated


def stored_arrays(file: BinaryIO) -> tuple[list[Stored], str | None]:
    """List the arrays of a file; tells its damage, if any.

    Raises
    ------
    struct.error
        If its header is cut short.
    """
    file.seek(0)
    head = file.read(128)
    order = "<" if struct.unpack_from("<H", head, 126)[0] == 0x4D49 else ">"
    length = file.seek(0, 2)
    found: list[Stored] = []
    at = 128
    while at < length:
        file.seek(at)
        tag = file.read(8)
        if len(tag) < 8:
            return found, "it is cut short"
        kind, size = struct.unpack(order + "II", tag)
        if kind not in (_MATRIX, _COMPRESSED):
            return found, f"an element of the unknown type {kind} at byte {at:,}"
        walk = _Walk(order, found)
        try:
            if kind == _MATRIX:
                walk.block, walk.at = None, at
                walk.array(_Plain(file, at), "")
            else:
                walk.block, walk.at = (at + 8, size), 0
                walk.array(_Inflated(file, at + 8, size), "")
        except (struct.error, _OddError):
            broken = at + 8 + size > length
            return found, "it is cut short" if broken else f"an array at byte {at:,} is damaged"
        # Compressed variables follow each other without padding.
        at += 8 + size + (-size % 8 if kind == _MATRIX else 0)
    return found, "it is cut short" if at > length or length <= 128 else None


class _OddError(Exception):
    """An array that is none."""


class _Walk:
    """One variable, element by element; the numbers themselves are passed over."""

    def __init__(self, order: str, found: list[Stored]) -> None:
        self._order, self._found = order, found
        self.block: tuple[int, int] | None = None
        self.at = 0

    def _tag(self, file: Forward) -> tuple[int, int, int]:
        """Read a type, a size, and the bytes that follow (less than 8 in a small element)."""
        data = self._read(file, 4)
        first = struct.unpack(self._order + "I", data)[0]
        if first >> 16:
            return first & 0xFFFF, first >> 16, 4
        size = struct.unpack(self._order + "I", self._read(file, 4))[0]
        return first, size, size + -size % 8

    def _read(self, file: Forward, count: int) -> bytes:
        data = file.read(count)
        if len(data) < count:
            raise struct.error
        self.at += count
        return data

    def _skip(self, file: Forward, count: int) -> None:
        if not 0 <= count < _MOST_SKIPPED:
            raise _OddError
        file.skip(count)
        self.at += count

    def _small(self, file: Forward, most: int) -> bytes:
        """Read an element of a few bytes."""
        _, size, room = self._tag(file)
        if size > min(most, room):
            raise _OddError
        return self._read(file, room)[:size]

    def array(self, file: Forward, parent: str, named: str = "", depth: int = 0) -> None:
        """Read an array's head, and list it or the arrays inside it."""
        kind, size, _ = self._tag(file)
        if kind != _MATRIX or depth > _DEEPEST or len(self._found) >= _MOST_ARRAYS:
            raise _OddError
        if not size:  # an empty field
            return
        end = self.at + size + -size % 8
        flags = self._small(file, 16)
        sides = self._small(file, 256)
        if len(flags) < 8 or len(sides) < 8 or len(sides) % 4:
            raise _OddError
        array_class = struct.unpack_from(self._order + "I", flags)[0] & 0xFF
        shape = struct.unpack(f"{self._order}{len(sides) // 4}i", sides)
        own = self._small(file, 1 << 12).decode("latin-1")
        name = parent + (named or own)
        if not name.isprintable() or min(shape) < 0:
            raise _OddError
        if array_class in (_STRUCT, _OBJECT):
            if array_class == _OBJECT:
                self._small(file, 1 << 12)
            self._structure(file, name, shape, depth)
        elif array_class == _CELL:
            for n in range(self._few(shape)):
                self.array(file, f"{name}/", str(n + 1), depth + 1)
        elif _FIRST_NUMBER <= array_class <= _LAST_NUMBER:
            stored, length, room = self._tag(file)
            count = int(np.prod([min(side, 1 << 40) for side in shape], dtype=object))
            if stored in _TYPES and count:
                dtype = np.dtype(self._order + _TYPES[stored])
                if count * dtype.itemsize != length:
                    raise _OddError
                self._found.append(Stored(name, dtype, shape, self.at, self.block))
            self._skip(file, room)
        self._skip(file, max(0, end - self.at))

    def _structure(self, file: Forward, name: str, shape: tuple[int, ...], depth: int) -> None:
        width = self._small(file, 8)
        if (
            len(width) < 4
            or not 0 < (each := struct.unpack_from(self._order + "i", width)[0]) <= 256
        ):
            raise _OddError
        text = self._small(file, 1 << 16)
        fields = [
            text[n : n + each].split(b"\0")[0].decode("latin-1") for n in range(0, len(text), each)
        ]
        for n in range(self._few(shape)):
            parent = f"{name}/" if n == 0 else f"{name}({n + 1})/"
            for field in fields:
                self.array(file, parent, field, depth + 1)

    @staticmethod
    def _few(shape: tuple[int, ...]) -> int:
        count = int(np.prod([min(side, _MOST_ARRAYS) for side in shape], dtype=object))
        return min(count, _MOST_ARRAYS)
