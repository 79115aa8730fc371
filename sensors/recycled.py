"""Memory for packets that is used again as soon as nobody holds the events any more.

Fresh memory of this size comes from the system page by page, each filled with zeros first, which
takes longer than to decode into it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

_SMALL = 1 << 16
"""Bytes up to which the allocator has memory at hand."""
_LARGE = 4 << 20
"""Bytes from which on nothing is kept."""
_GRAIN = 1 << 17
"""Sizes are multiples of this, so that one serves packets of about the same size."""

# Memory and its address. Appends and pops of a deque are atomic; when it is full, the one on the
# other side is freed.
_spare: deque[tuple[Bytes, int]] = deque(maxlen=16)


class _Lease:
    """Owns memory as long as an array on it lives; NumPy keeps it as the base of the arrays."""

    __slots__ = ("__array_interface__", "_room")

    def __init__(self, room: tuple[Bytes, int], count: int) -> None:
        self._room = room
        self.__array_interface__: dict[str, Any] = {
            "version": 3, "typestr": "|u1", "shape": (count,), "data": (room[1], False),
        }  # fmt: skip

    def __del__(self, spare: deque[tuple[Bytes, int]] = _spare) -> None:
        spare.append(self._room)


def new_bytes(count: int) -> Bytes:
    """Return uint8[count], not initialised; only sizes of packets are from used memory."""
    if not _SMALL < count <= _LARGE:
        return np.empty(count, np.uint8)
    size = -(-count // _GRAIN) * _GRAIN
    for _ in range(len(_spare)):
        try:
            room = _spare.pop()
        except IndexError:  # taken by another thread
            break
        if size <= len(room[0]) <= 2 * size:
            return np.asarray(_Lease(room, count))
        _spare.appendleft(room)
    fresh = np.empty(size, np.uint8)
    return np.asarray(_Lease((fresh, fresh.ctypes.data), count))
