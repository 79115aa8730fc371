"""What the first bytes of HDF5 files tell."""

from __future__ import annotations

SIGNATURE = b"\x89HDF\r\n\x1a\n"

_PLACES = (0, *(512 << n for n in range(9)))
HEAD = _PLACES[-1] + 128
"""Bytes from the beginning that tell all there is to tell."""


def is_hdf5(head: bytes) -> bool:
    """Tell whether a file begins as HDF5, behind a block of another program or none."""
    return any(head[at : at + 8] == SIGNATURE for at in _PLACES)


def has_driver(head: bytes) -> bool:
    """Tell whether a file names a driver, for which HDF5 takes up to 4 GB where it is damaged."""
    head = head.ljust(HEAD, b"\xff")  # a file may be cut anywhere
    for at in _PLACES:
        if head[at : at + 8] == SIGNATURE:
            version, width = head[at + 8], head[at + 13]
            place = at + (24 if version == 0 else 28) + 3 * width
            address = head[place : place + width]
            return version < 2 and address.strip(b"\xff") != b""
    return False
