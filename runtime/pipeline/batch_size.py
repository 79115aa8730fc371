"""Batch size: a few milliseconds of computing, found by measuring."""

from __future__ import annotations

_TARGET_NS = 4_000_000
_EVENTS_PER_TICK = 256
_MOST_TICKS = 4096


class BatchSizer:
    """Bounds of the next batch, so that requests never wait long for a tick boundary.

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
