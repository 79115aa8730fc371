"""The choice of the engine: the kernel that computes a network's ticks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewire._jit import choose, keep_ready
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.engine import (
    advance,
    advance_fixed,
    advance_ordinary,
    advance_reading,
)


def engine(layers: NDArray[np.int64], learn: int) -> Callable[..., int]:
    """Return the engine that computes a network, with the least code to compile and to load.

    Parameters
    ----------
    layers
        The layer table.
    learn
        0 if nothing is to be learned.

    Returns
    -------
    function
        With the arguments of :func:`advance`.
    """
    chosen: Callable[..., int] = choose(*engines(layers, learn))
    return _fixed if chosen is advance_fixed else chosen


def engines(layers: NDArray[np.int64], learn: int) -> list[Any]:
    """List the kernels that can be a network's engine, those with the least code first."""
    if (layers[:, at.DYNAMICS] != at.CURRENTS).any() or layers.shape[1] > at.GENERAL_COLUMNS:
        return [advance]
    found = [] if learn else [advance_fixed]
    if not layers[:, at.PLASTIC].any():
        found.append(advance_reading)
    return [*found, advance_ordinary]


def keep_engine_ready(layers: NDArray[np.int64], learn: int) -> None:
    """Let :func:`~spikewire._jit.prepare` compile and load the engine of a network."""
    keep_ready(choose(*engines(layers, learn)))


def _fixed(
    state: Any, scratch: Any, events: Any, until: int, label: int, _learn: int, *rest: Any
) -> int:
    rows: int = advance_fixed(state, scratch, events, until, label, *rest)
    return rows
