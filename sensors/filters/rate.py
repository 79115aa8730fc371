"""Filters of the event rate and of polarity."""

from __future__ import annotations

import numba
import numpy as np

from spikewire._jit import kernel
from spikewire.sensors.events import EVENT_ARRAY, INT64_ARRAY, READ_ONLY_EVENTS, Events
from spikewire.sensors.filters.base import NEVER, Filter, State


@kernel(numba.int64(READ_ONLY_EVENTS, EVENT_ARRAY, numba.int64))
def _polarity(events, out, mode):  # type: ignore[no-untyped-def]
    n = 0
    for i in range(events.shape[0]):
        out[n] = events[i]
        p = events[i].p
        if mode == 2:
            out[n].p = p ^ np.uint8(1)
        elif mode == 3:
            out[n].p = np.uint8(1)
        n += np.int64((mode >= 2) | (p == mode))
    return n


class Polarity(Filter):
    """Keep ``on`` or ``off`` events only, ``flip`` all polarities, or make all ``one``."""

    name = "polarity"
    modes = ("off", "on", "flip", "one")

    def __init__(self, size: tuple[int, int], mode: str) -> None:
        super().__init__(size)
        self.mode = self.modes.index(mode)

    def _run(self, events: Events, out: Events) -> int:
        return int(_polarity(events, out, self.mode))


# Places in the state of the rate control.
_ENDS, _SEEN, _SHARE, _CREDIT, _KEPT = range(5)
_WHOLE = 1 << 16


@kernel(numba.int64(READ_ONLY_EVENTS, EVENT_ARRAY, INT64_ARRAY, numba.int64, numba.int64))
def _rate(events, out, state, wanted, window):  # type: ignore[no-untyped-def]
    ends, seen, share = state[_ENDS], state[_SEEN], state[_SHARE]
    credit, kept = state[_CREDIT], state[_KEPT]
    n = 0
    for i in range(events.shape[0]):
        t = events[i].t
        if t >= ends:
            now = (t // window + 1) * window
            # The next window is expected to be like the last; after a quiet stretch all is kept.
            if ends == NEVER or now > ends + window or seen <= wanted:
                share = np.int64(_WHOLE)
            else:
                share = wanted * _WHOLE // seen
            ends = now
            seen = np.int64(0)
            kept = np.int64(0)
        seen += 1
        credit += share
        out[n] = events[i]
        take = (credit >= _WHOLE) & (kept < 2 * wanted)
        if credit >= _WHOLE:
            credit -= _WHOLE
        kept += np.int64(take)
        n += np.int64(take)
    state[_ENDS], state[_SEEN], state[_SHARE] = ends, seen, share
    state[_CREDIT], state[_KEPT] = credit, kept
    return n


class Rate(Filter):
    """Thin the stream evenly to ``per_second`` events.

    Every 10 ms of event time, the share to be kept follows from the last 10 ms; one event in so
    many is kept. A sudden burst gets through up to twice what is wanted, until then.
    """

    name = "rate"
    window_us = 10_000

    def __init__(self, size: tuple[int, int], per_second: int) -> None:
        super().__init__(size)
        self.wanted = max(1, per_second * self.window_us // 1_000_000)
        self._state = np.array([NEVER, 0, _WHOLE, 0, 0], np.int64)

    def _run(self, events: Events, out: Events) -> int:
        return int(_rate(events, out, self._state, self.wanted, self.window_us))

    def state(self) -> State:
        """The window, its counts, and the share kept."""
        return {"rate": self._state}

    def reset(self) -> None:
        """Begin a new window, keeping all."""
        self._state[...] = [NEVER, 0, _WHOLE, 0, 0]
