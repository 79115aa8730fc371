"""What happens in a worker thread: bin a piece's events, and compute its ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qcore import Binned, bin_events
from runtime._contracts import NetworkLike, Steps
from runtime._preview import MOST_TICKS, Raster, count_cells
from runtime._timeline import Piece, Segment


@dataclass(frozen=True, slots=True)
class Worked:
    """What came of a piece.

    Attributes
    ----------
    tick, scores, spikes
        As :class:`runtime._contracts.Steps` has them.
    on_events
        Events of polarity 1.
    counts
        Events per cell of the picture, if one was wanted.
    raster
        Who fired, if that was wanted.
    """

    tick: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int32]
    spikes: npt.NDArray[np.int64]
    on_events: int
    counts: npt.NDArray[np.int64] | None
    raster: Raster | None


def work(
    network: NetworkLike,
    segment: Segment | None,
    piece: Piece,
    label: int,
    learn: bool,
    picture: bool = False,
    raster: bool = False,
) -> Worked:
    """Compute a piece; blocking, without the GIL where it matters.

    Parameters
    ----------
    label
        Index of the class that is shown, or -1.
    picture, raster
        Whether to count the events per cell, and to note who fired: then the last ticks are
        computed one by one, which changes nothing in them.
    """
    events = piece.events
    binned = bin_events(
        events.t,
        events.x,
        events.y,
        events.p,
        sensor_size=segment.size if segment is not None else network.input_size,
        input_size=network.input_size,
        origin_us=segment.origin_us if segment is not None else 0,
        origin_tick=segment.origin_tick if segment is not None else 0,
        tick_us=network.tick_us,
    )
    noted: Raster | None = None
    if raster:
        noted = Raster(max(network.tick, piece.until - MOST_TICKS), piece.until)
        parts = _one_by_one(network, binned, noted, label, learn)
    else:
        parts = [network.advance(binned, piece.until, label=label, learn=learn)]
    counts = None
    if picture and segment is not None and len(events):
        counts = count_cells(events, segment.size)
    one = len(parts) == 1
    return Worked(
        parts[0].tick if one else np.concatenate([part.tick for part in parts]),
        parts[0].scores if one else np.concatenate([part.scores for part in parts]),
        parts[0].spikes if one else np.concatenate([part.spikes for part in parts]),
        int(np.count_nonzero(events.p)),
        counts,
        noted,
    )


def _one_by_one(
    network: NetworkLike, binned: Any, noted: Raster, label: int, learn: bool
) -> list[Steps]:
    edges = np.searchsorted(binned.tick, np.arange(noted.first, noted.stop + 1))
    parts: list[Steps] = []
    if network.tick < noted.first:
        early = _cut(binned, 0, int(edges[0]))
        parts.append(network.advance(early, noted.first, label=label, learn=learn))
    for n in range(noted.stop - noted.first):
        now = _cut(binned, int(edges[n]), int(edges[n + 1]))
        tick = noted.first + n
        parts.append(network.advance(now, tick + 1, label=label, learn=learn))
        noted.note(tick, network)
    return parts


def _cut(binned: Any, start: int, stop: int) -> Binned:
    part = slice(start, stop)
    return Binned(binned.tick[part], binned.x[part], binned.y[part], binned.p[part])
