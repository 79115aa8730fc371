"""Reading of recordings in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spikewire.sensors import (
    EVENT_DTYPE,
    DecodeError,
    open_recording,
)


def read(path: Path) -> list[tuple[int, ...]]:
    return [event for chunk in open_recording(path).chunks() for event in chunk.tolist()]


def read_damaged(path: Path, size: tuple[int, int] | None = None) -> tuple[Any, Any]:
    """Return the events before the damage, and the error that ended them or None."""
    got = [np.zeros(0, EVENT_DTYPE)]
    error = None
    try:
        for chunk in open_recording(path, size=size).chunks():
            got.append(chunk)
    except DecodeError as raised:
        error = raised
    return np.concatenate(got), error
