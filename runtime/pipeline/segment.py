"""From packets of a stream to ranges of ticks that can be computed, each under one label.

A tick is computed only when the stream's watermark has passed its end, or the segment is over.
Results therefore depend on the events and their labels alone, never on how the source cut its
packets or how fast it sent them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from spikewire.runtime.interfaces import PacketLike
from spikewire.runtime.pipeline.event_parts import NOTHING, EventParts

# A source whose watermark stands still while events come is not allowed to fill the memory.
_MOST_PENDING = 1 << 22


@dataclass(frozen=True, slots=True)
class TickRange:
    """Ticks up to ``until`` with their events, all under one label of the source (``truth``)."""

    events: EventParts
    until: int
    truth: str | None


class Segment:
    """One stretch of a stream whose times can be compared.

    Parameters
    ----------
    number
        The source's number for it.
    size
        (width, height) of the sensor.
    tick_us
        Length of a tick, in microseconds.
    start
        Given the event time of the first event, returns the tick that begins there. It is called
        once, when that event has come.

    Attributes
    ----------
    origin_us, origin_tick
        The first event's time, and the tick that begins there.
    tick
        The first tick not handed out yet.
    truth
        The source's label at that tick.
    events
        Events taken in.
    """

    def __init__(
        self, number: int, size: tuple[int, int], tick_us: int, start: Callable[[], int]
    ) -> None:
        self.number = number
        self.size = size
        self.truth: str | None = None
        self.events = 0
        self.origin_us = 0
        self.origin_tick = 0
        self.tick = 0
        self.begun = False
        self._tick_us = tick_us
        self._start = start
        self._pending = NOTHING
        self._labels: deque[tuple[int, str | None]] = deque()
        self._newest_label: str | None = None
        self._end_us = 0

    @property
    def end_us(self) -> int:
        """End of the segment, as far as it is known (microseconds)."""
        return self._end_us

    def tick_at(self, t_us: int) -> int:
        """Return the tick in which an event time lies."""
        return self.origin_tick + (t_us - self.origin_us) // self._tick_us

    def time_after(self, tick: int) -> int:
        """Return the event time, in microseconds, at which a tick is over."""
        return self.origin_us + (tick + 1 - self.origin_tick) * self._tick_us

    def give_up(self) -> int:
        """Drop the events that were not handed out yet; returns how many."""
        dropped, self._pending = len(self._pending), NOTHING
        return dropped

    def add(self, packet: PacketLike, events: EventParts, watermark: int | None = None) -> int:
        """Take in a packet, or the part of one that has these events and this watermark.

        Returns
        -------
        int
            How many of the events came too late for their tick.
        """
        watermark = packet.watermark if watermark is None else watermark
        late = 0
        if len(events):
            if not self.begun:
                self.begun = True
                self.origin_us = events.first_us
                self.origin_tick = self.tick = self._start()
                self.truth = self._newest_label = packet.label
            late = events.before(self.time_after(self.tick - 1))
            if late:
                events = events.split(late)[1]
        since: int | None = getattr(packet, "label_from", None)
        if since is None and len(events):
            # A label holds from the tick of the first event that carries it.
            since = events.first_us
        if self.begun and since is not None and packet.label != self._newest_label:
            self._labels.append((max(self.tick, self.tick_at(since)), packet.label))
            self._newest_label = packet.label
        if len(events):
            self._pending = self._pending.then(events)
            self._end_us = max(self._end_us, events.last_us + 1)
            self.events += len(events)
        if self.begun:
            self._end_us = max(self._end_us, watermark)
        return late

    def complete(self, watermark: int) -> int:
        """Return the first tick that may still get events."""
        if len(self._pending) > _MOST_PENDING:
            watermark = max(watermark, self._pending.last_us)
        return max(self.tick, self.tick_at(watermark))

    def end(self, result_every: int) -> int:
        """Return the first tick after the segment: the one after its last result."""
        last = self.tick_at(self._end_us - 1)
        return max(self.tick, -(-last // result_every) * result_every + 1)

    def piece(
        self, until: int, most_ticks: int, most_events: int, *, at_rest: bool = False
    ) -> TickRange:
        """Hand out the next ticks, at most up to ``until``: always at least one.

        The piece ends where the label changes, after ``most_ticks`` (16 times as many where no
        events are), or with the tick that brings the events to ``most_events``. A network at rest
        skips ticks without events at once, however many they are.
        """
        while self._labels and self._labels[0][0] <= self.tick:
            self.truth = self._labels.popleft()[1]
        stop = min(until, self._labels[0][0]) if self._labels else until
        pending = self._pending
        first = self.tick_at(pending.first_us) if len(pending) else stop
        if first > self.tick + most_ticks:
            stop = min(stop, first if at_rest else min(first, self.tick + 16 * most_ticks))
        else:
            stop = min(stop, self.tick + most_ticks)
        if len(pending) > most_events:
            stop = min(stop, max(self.tick_at(pending.time_us(most_events)), first + 1))
        events, self._pending = pending.split(pending.before(self.time_after(stop - 1)))
        self.tick = stop
        return TickRange(events, stop, self.truth)


@dataclass(frozen=True, slots=True)
class FinishedSegment:
    """Facts of a source's segment that was computed to its end.

    Attributes
    ----------
    first, last
        Numbers of the segments in the results: several where its time jumped.
    first_tick, end_tick
        Its first tick, and the tick after its last.
    events
        Events taken in.
    """

    first: int
    last: int
    first_tick: int
    end_tick: int
    events: int

    @classmethod
    def of(cls, segment: Segment, end_tick: int) -> FinishedSegment:
        """Take the facts of a segment that ended before ``end_tick``."""
        first_tick = segment.origin_tick if segment.begun else end_tick
        return cls(segment.number, segment.number, first_tick, end_tick, segment.events)

    def then(self, later: FinishedSegment) -> FinishedSegment:
        """Join this part with the one that follows the jump."""
        return FinishedSegment(
            self.first, later.last, self.first_tick, later.end_tick, self.events + later.events
        )
