"""The interface of decoders: chunks of bytes in, events out.

A decoder is fed a recording's bytes in order, in pieces of any length, and keeps its state
between them. Bytes that it leaves over are given to it again, with more behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numba
import numpy as np
import numpy.typing as npt

from spikewire.sensors.events import Events

Bytes = npt.NDArray[np.uint8]
BYTE_ARRAY = numba.types.Array(numba.uint8, 1, "C", readonly=True)
WORD_ARRAY = numba.types.Array(numba.uint32, 1, "C", readonly=True)


class Decoder(Protocol):
    """Turns a recording's bytes into events, piece by piece."""

    @property
    def unit(self) -> str:
        """Name of the smallest record, which a recording must not end within."""

    @property
    def fault(self) -> str | None:
        """Fault at the first byte that the last piece left over, or None."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """Events that the recording itself declares unusable, counted by reason."""

    def decode(self, data: Bytes) -> tuple[Events, int]:
        """Decode a piece; returns its events and how many bytes of it they took."""
