"""Small invented recordings in the N-MNIST layout, written byte by byte."""

from __future__ import annotations

from pathlib import Path


def bar(path: Path, *, step: int = 1, milliseconds: int = 120) -> Path:
    """Write a bar walking over 34x34 pixels."""
    rows = bytearray()
    for t in range(0, milliseconds * 1000, 100):
        x, y = (t // 4000 * step) % 34, t // 100 % 34
        on = t // 100 % 2
        rows += bytes([x, y, on << 7 | t >> 16 & 0x7F, t >> 8 & 0xFF, t & 0xFF])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(rows))
    return path


def cut(path: Path, *, off: int = 3) -> Path:
    """Take the last bytes off a recording."""
    path.write_bytes(path.read_bytes()[:-off])
    return path
