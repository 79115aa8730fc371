"""The end of an LZ4 frame, found without unpacking it."""

from __future__ import annotations

import struct
from typing import BinaryIO


def frame_end(file: BinaryIO, at: int, length: int) -> int:
    """Follow an LZ4 frame's blocks from its magic number on (LZ4 frame format).

    Returns
    -------
    int
        The byte behind the frame, or -1 if it is cut before ``length``.
    """
    file.seek(at + 4)
    flags = file.read(1)
    if not flags:
        return -1
    flag = flags[0]
    at += 4 + 2 + (8 if flag & 0x08 else 0) + (4 if flag & 0x01 else 0) + 1
    while at + 4 <= length:
        file.seek(at)
        block = int(struct.unpack("<I", file.read(4))[0])
        at += 4
        if block == 0:
            at += 4 if flag & 0x04 else 0
            return at if at <= length else -1
        at += (block & 0x7FFFFFFF) + (4 if flag & 0x10 else 0)
    return -1
