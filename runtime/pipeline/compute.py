"""Computation in a worker thread: events are binned, and ticks advanced, in batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewire.qcore import BinnedEvents, SpikeProbe, TickClock, bin_events
from spikewire.runtime.interfaces import NetworkLike, Steps
from spikewire.runtime.pipeline.event_parts import EventParts
from spikewire.runtime.pipeline.membrane import Membrane, NeuronPlace, advance_watched
from spikewire.runtime.pipeline.preview import Picture, Raster
from spikewire.runtime.pipeline.segment import Segment, TickRange
from spikewire.sensors import IntervalCounts, PictureCounts

_TARGET_NS = 4_000_000
_EVENTS_PER_TICK = 256
_MOST_TICKS = 4096


class BatchSizer:
    """Bounds of the next batch: a few milliseconds of computing, found by measuring.

    So requests never wait long for a tick boundary.

    Attributes
    ----------
    ticks, events
        Most ticks and events of the next batch.
    """

    def __init__(self) -> None:
        self.ticks = 4

    @property
    def events(self) -> int:
        return self.ticks * _EVENTS_PER_TICK

    def measured(self, took_ns: int, full: bool) -> None:
        """Adapt to what the last batch took; ``full`` says that it was cut by the bounds."""
        if took_ns > 2 * _TARGET_NS:
            self.ticks = max(1, self.ticks // 2)
        elif full and took_ns < _TARGET_NS // 2:
            self.ticks = min(_MOST_TICKS, self.ticks * 2)


@dataclass(frozen=True, slots=True)
class Computed:
    """Results of a range of ticks.

    Attributes
    ----------
    tick, scores, spikes
        As :class:`spikewire.runtime.interfaces.Steps` has them.
    events
        Events since the result before, or since the beginning of the range.
    events_after
        Events after the last result.
    on_events
        Events of polarity 1.
    picture
        Events per cell, if that was wanted.
    raster
        Spikes, if they were wanted.
    membrane
        That of a neuron, if it was wanted.
    """

    tick: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int32]
    spikes: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    events_after: int
    on_events: int
    picture: Picture | None
    raster: Raster | None
    membrane: Membrane | None


def compute_piece(
    network: NetworkLike,
    segment: Segment | None,
    piece: TickRange,
    label: int,
    learn: bool,
    picture: bool = False,
    probe: SpikeProbe | None = None,
    place: NeuronPlace | None = None,
    counts: PictureCounts | None = None,
    intervals: IntervalCounts | None = None,
) -> Computed:
    """Compute a piece; blocking, without the GIL where it matters.

    Parameters
    ----------
    label
        Index of the class that is shown, or -1.
    picture
        Whether to make one of the events.
    probe
        Whose spikes are wanted, of the last ticks.
    place
        The neuron whose membrane is wanted, of the last ticks.
    counts, intervals
        A picture and a histogram that the events are added to.
    """
    clock = TickClock(
        segment.origin_us if segment is not None else 0,
        segment.origin_tick if segment is not None else 0,
        network.tick_us,
    )
    size = segment.size if segment is not None else network.input_size
    binned, on_events = _binned(network, piece, size, clock)
    membrane: Membrane | None = None
    steps: Steps
    if place is None:
        steps = network.advance(binned, piece.until, label=label, learn=learn, probe=probe)
    else:
        steps, membrane = advance_watched(
            network, binned, piece.until, label=label, learn=learn, probe=probe, place=place
        )
    raster: Raster | None = None
    if probe is not None:
        raster = Raster(piece.until - len(steps.fired[0]), piece.until, list(steps.fired))
    seen: Picture | None = None
    if picture or counts is not None or intervals is not None:
        events = piece.events.columns()
        if picture and segment is not None and len(events):
            seen = Picture(events, segment.size)
        if counts is not None:
            counts.add(events.x, events.y, events.p)
        if intervals is not None:
            intervals.add(events.t, events.x, events.y)
    before = _events_until(piece.events, steps.tick, clock)
    return Computed(
        steps.tick,
        steps.scores,
        steps.spikes,
        np.diff(before, prepend=0),
        len(piece.events) - (int(before[-1]) if len(before) else 0),
        on_events,
        seen,
        raster,
        membrane,
    )


def _binned(
    network: NetworkLike, piece: TickRange, size: tuple[int, int], clock: TickClock
) -> tuple[BinnedEvents, int]:
    """Bin a piece's events of a sensor of ``size``, and count those of polarity 1."""
    front_end = getattr(network, "front_end", None)
    if front_end is not None:
        ticks = piece.until - network.tick
        binned, on_events = front_end.binner(size).bin(piece.events.parts, clock, ticks)
        return binned, on_events
    # Another network than ours takes every event.
    events = piece.events.columns()
    binned = bin_events(
        events.t, events.x, events.y, events.p, sensor_size=size, input_size=network.input_size,
        origin_us=clock.origin_us, origin_tick=clock.origin_tick, tick_us=clock.tick_us,
    )  # fmt: skip
    return binned, int(np.count_nonzero(events.p))


def _events_until(
    events: EventParts, ticks: npt.NDArray[np.int64], clock: TickClock
) -> npt.NDArray[np.int64]:
    """Count the events up to the end of each tick."""
    ends = clock.origin_us + (ticks + 1 - clock.origin_tick) * clock.tick_us
    return np.array([events.before(int(end)) for end in ends], np.int64)
