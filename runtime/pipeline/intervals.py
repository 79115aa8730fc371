"""The topic ``intervals``: how soon after each other pixels fire."""

from __future__ import annotations

import math

import trio

from spikewire.runtime.broker.broker import Broker
from spikewire.sensors import IntervalCounts

_EVERY_S = 1.0


class IntervalTopic:
    """Histograms of the times between two events of a pixel, made only for subscribers.

    The network task opens the histogram before it computes events, and closes it afterwards.

    Parameters
    ----------
    broker
        Knows the subscribers, and publishes.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._counts: IntervalCounts | None = None
        self._segment = -1
        self._since = -math.inf

    def open(self, size: tuple[int, int], segment: int) -> IntervalCounts | None:
        """Return the histogram that takes the next events; None if nobody wants one."""
        if not self._broker.wanted("intervals"):
            self._counts = None
            return None
        if self._counts is None or self._counts.size != size or self._segment != segment:
            self._counts, self._segment = IntervalCounts(size), segment
            self._since = trio.current_time()
        return self._counts

    def close(self, *, tick: int, t_us: int) -> None:
        """Publish the histogram once a second; events up to ``t_us`` are in it."""
        now = trio.current_time()
        if self._counts is None or now - self._since < _EVERY_S:
            return
        self._since = now
        counts = self._counts.take()
        body = {"tick": tick, "t_us": t_us, "segment": self._segment, "counts": counts}
        self._broker.publish("intervals", body)
