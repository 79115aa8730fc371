"""LZ4 frames unpacked into memory that is used again.

The package ``lz4`` unpacks into new memory for each frame, which the system has to provide page by
page. Its extension holds the LZ4 library itself, whose documented functions (``lz4frame.h`` of LZ4
1.9) are called here. Where they are not to be found, the package's own way is taken.
"""

from __future__ import annotations

import ctypes
import struct
from functools import cache
from typing import Any

import lz4.frame
import numpy as np

_VERSION = 100  # LZ4F_VERSION
_NEEDED = ("LZ4F_createDecompressionContext", "LZ4F_freeDecompressionContext")
_BLOCK = 1 << 16
"""Room behind a frame: without that of a block the library unpacks the last one twice."""


class FrameError(Exception):
    """A frame that cannot be unpacked."""


class TooLongError(FrameError):
    """A frame that unpacks to more than is allowed."""


class EarlyEndError(FrameError):
    """A frame without its end."""


@cache
def _library() -> Any:
    """Load the LZ4 library that the package holds; None where it shows no functions."""
    try:
        library = ctypes.CDLL(lz4.frame._frame.__file__)
        create, free = (getattr(library, name) for name in _NEEDED)
        unpack, name = library.LZ4F_decompress, library.LZ4F_getErrorName
    except (OSError, AttributeError, TypeError):
        return None
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    create.restype, create.argtypes = size, [ctypes.POINTER(pointer), ctypes.c_uint]
    free.restype, free.argtypes = size, [pointer]
    name.restype, name.argtypes = ctypes.c_char_p, [size]
    unpack.restype = size
    unpack.argtypes = [
        pointer, pointer, ctypes.POINTER(size), pointer, ctypes.POINTER(size), pointer,
    ]  # fmt: skip
    library.LZ4F_isError.restype, library.LZ4F_isError.argtypes = ctypes.c_uint, [size]
    return library


def _declared(frame: bytes) -> int:
    """Return the size that a frame's header declares; 0 if it declares none."""
    if len(frame) < 15 or not frame[4] & 0x08:
        return 0
    return int(struct.unpack_from("<Q", frame, 6)[0])


class FrameReader:
    """Unpacks one frame after another.

    Parameters
    ----------
    most
        Largest size of an unpacked frame, in bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._room = np.empty(0, np.uint8)
        self._context = ctypes.c_void_p()
        self._library = _library()

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._context:
            self._library.LZ4F_freeDecompressionContext(self._context)
            self._context = ctypes.c_void_p()

    def unpack(self, frame: bytes) -> memoryview:
        """Unpack a whole frame; the result holds until the next call.

        Raises
        ------
        FrameError
            If it is damaged, ends early, or is larger than ``most``.
        """
        if self._library is None:
            return self._by_package(frame)
        if not self._context:
            self._library.LZ4F_createDecompressionContext(ctypes.byref(self._context), _VERSION)
        wanted = _declared(frame) or 4 * len(frame)
        self._make_room(min(wanted, self._most) + _BLOCK, 0)
        source = np.frombuffer(frame, np.uint8).ctypes.data
        taken, given = 0, 0
        while True:
            into = ctypes.c_size_t(len(self._room) - given)
            read = ctypes.c_size_t(len(frame) - taken)
            left = self._library.LZ4F_decompress(
                self._context, self._room.ctypes.data + given, ctypes.byref(into),
                source + taken, ctypes.byref(read), None,
            )  # fmt: skip
            if self._library.LZ4F_isError(left):
                # The library does not go on after an error.
                self._close()
                raise FrameError(self._library.LZ4F_getErrorName(left).decode())
            taken, given = taken + read.value, given + into.value
            if given > self._most:
                self._close()
                raise TooLongError
            if left == 0:
                return self._room.data[:given]
            if given < len(self._room):
                self._close()
                raise EarlyEndError
            self._make_room(2 * given, given)

    def _make_room(self, count: int, kept: int) -> None:
        if count > len(self._room):
            room = np.empty(min(count, self._most + _BLOCK), np.uint8)
            room[:kept] = self._room[:kept]
            self._room = room

    def _by_package(self, frame: bytes) -> memoryview:
        decoder = lz4.frame.LZ4FrameDecompressor()
        # Without a limit the package doubles its memory again and again, from a few bytes on.
        most = min(_declared(frame) or self._most, self._most)
        try:
            whole = decoder.decompress(frame, max_length=most)
            while not decoder.eof and not decoder.needs_input and len(whole) <= self._most:
                whole += decoder.decompress(b"", max_length=self._most + 1 - len(whole))
        except RuntimeError as error:
            raise FrameError(str(error).splitlines()[0]) from None
        if len(whole) > self._most:
            raise TooLongError
        if not decoder.eof:
            raise EarlyEndError
        return memoryview(whole)
