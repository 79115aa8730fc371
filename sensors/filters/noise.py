"""Filters of noise: refractory time, background activity, hot pixels."""

from __future__ import annotations

import numba
import numpy as np

from spikewire._jit import kernel
from spikewire.sensors.events import EVENT_ARRAY, INT64_ARRAY, READ_ONLY_EVENTS, Events
from spikewire.sensors.filters.base import NEVER, Filter, State

_TIMES = numba.int64[:, ::1]
_COUNTS = numba.int32[:, ::1]
_FLAGS = numba.uint8[:, ::1]


@kernel(numba.int64(READ_ONLY_EVENTS, EVENT_ARRAY, _TIMES, numba.int64))
def _refractory(events, out, last, dead):  # type: ignore[no-untyped-def]
    n = 0
    for i in range(events.shape[0]):
        t, x, y = events[i].t, events[i].x, events[i].y
        if t - last[y, x] >= dead:
            last[y, x] = t
            out[n] = events[i]
            n += 1
    return n


class Refractory(Filter):
    """Remove a pixel's events within ``dead_us`` of its last kept one."""

    name = "refractory"

    def __init__(self, size: tuple[int, int], dead_us: int) -> None:
        super().__init__(size)
        self.dead_us = dead_us
        self._last = np.full((size[1], size[0]), NEVER, np.int64)

    def _run(self, events: Events, out: Events) -> int:
        return int(_refractory(events, out, self._last, self.dead_us))

    def state(self) -> State:
        """Time of each pixel's last kept event."""
        return {"last": self._last}

    def reset(self) -> None:
        """Forget all times."""
        self._last[...] = NEVER


@kernel(numba.int64(READ_ONLY_EVENTS, EVENT_ARRAY, _TIMES, numba.int64))
def _background(events, out, near, window):  # type: ignore[no-untyped-def]
    """``near[y + 1, x + 1]`` is the time of the last event at a neighbour of (x, y)."""
    n = 0
    for i in range(events.shape[0]):
        t = events[i].t
        x, y = np.int64(events[i].x), np.int64(events[i].y)
        # Written always, kept where something happened nearby: no branch to mispredict.
        out[n] = events[i]
        n += np.int64(t - near[y + 1, x + 1] <= window)
        near[y, x] = t
        near[y, x + 1] = t
        near[y, x + 2] = t
        near[y + 1, x] = t
        near[y + 1, x + 2] = t
        near[y + 2, x] = t
        near[y + 2, x + 1] = t
        near[y + 2, x + 2] = t
    return n


class Background(Filter):
    """Keep events near others: one of the eight neighbours had one in the last ``window_us``.

    After Delbruck 2008. An event counts for its neighbours whether it was kept or not.
    """

    name = "background"

    def __init__(self, size: tuple[int, int], window_us: int) -> None:
        super().__init__(size)
        self.window_us = window_us
        self._near = np.full((size[1] + 2, size[0] + 2), NEVER, np.int64)

    def _run(self, events: Events, out: Events) -> int:
        return int(_background(events, out, self._near, self.window_us))

    def state(self) -> State:
        """Time of the last event around each pixel; with a border of one."""
        return {"near": self._near}

    def reset(self) -> None:
        """Forget all times."""
        self._near[...] = NEVER


@kernel(numba.void(_COUNTS, _FLAGS, INT64_ARRAY, numba.int64, numba.int64))
def _mark_hot(counts, hot, total, least, factor):  # type: ignore[no-untyped-def]
    """Mark pixels that had ``least`` events, and ``factor`` times their neighbours' mean."""
    rows, columns = counts.shape
    total[1] = 0
    for y in range(rows):
        for x in range(columns):
            own = np.int64(counts[y, x])
            if own < least:
                hot[y, x] = 0
                continue
            around = np.int64(0)
            places = np.int64(0)
            most = np.int64(0)
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    v, u = y + dy, x + dx
                    if (dy or dx) and 0 <= v < rows and 0 <= u < columns:
                        around += counts[v, u]
                        most = max(most, np.int64(counts[v, u]))
                        places += 1
            # Without the busiest of them: it may be hot itself.
            hot[y, x] = np.uint8(own * (places - 1) > factor * (around - most))
            total[1] += hot[y, x]
    counts[:, :] = 0


@kernel(
    numba.int64(
        READ_ONLY_EVENTS, EVENT_ARRAY, _COUNTS, _FLAGS, INT64_ARRAY, numba.int64, numba.int64,
        numba.int64,
    )
)  # fmt: skip
def _hot_pixels(events, out, counts, hot, state, window, least, factor):  # type: ignore[no-untyped-def]
    n = 0
    ends = state[0]
    for i in range(events.shape[0]):
        t, x, y = events[i].t, events[i].x, events[i].y
        if t >= ends:
            if ends != NEVER:
                _mark_hot(counts, hot, state, least, factor)
            # On a grid of its own, so that a quiet stretch ends no window late.
            ends = (t // window + 1) * window
        counts[y, x] += np.int32(1)
        out[n] = events[i]
        n += np.int64(hot[y, x] == 0)
    state[0] = ends
    return n


class HotPixels(Filter):
    """Remove hot pixels, detected as the stream goes.

    At the end of each second of event time, pixels that had at least ``least`` events and
    ``factor`` times as many as 23 of their 24 neighbours on average (the busiest is left aside, as
    it may be hot itself) are hot for the next second, and for
    as long as that stays so.
    """

    name = "hot"

    def __init__(
        self,
        size: tuple[int, int],
        least: int = 20,
        *,
        factor: int = 10,
        window_us: int = 1_000_000,
    ) -> None:
        super().__init__(size)
        self.least, self.factor, self.window_us = least, factor, window_us
        self._counts = np.zeros((size[1], size[0]), np.int32)
        self._hot = np.zeros((size[1], size[0]), np.uint8)
        self._window = np.array([NEVER, 0], np.int64)

    def _run(self, events: Events, out: Events) -> int:
        return int(
            _hot_pixels(
                events, out, self._counts, self._hot, self._window, self.window_us, self.least,
                self.factor,
            )
        )  # fmt: skip

    @property
    def hot_pixels(self) -> list[tuple[int, int]]:
        """(x, y) of the pixels that are hot now."""
        return [(int(x), int(y)) for y, x in np.argwhere(self._hot)]

    def state(self) -> State:
        """Hot pixels, the counts of this second, and its end."""
        return {"hot": self._hot, "counts": self._counts, "window": self._window}

    def reset(self) -> None:
        """Begin a new second; hot pixels stay."""
        self._counts[...] = 0
        self._window[0] = NEVER
