"""Lone events whose times are wrong, in the arrays of sources that give any number at once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import numba
import numpy as np

from spikewire._jit import inline, keep_ready, kernel
from spikewire.sensors.events import INT64_ARRAY, MOST_TIME_US, Events, no_events
from spikewire.sensors.sources.spif_kernels import HOLD_US, MOST_HELD, RESTART_US

NEWEST = -(2**62)
"""Newest time of a stream that has none yet."""

_VOTERS = 8
_TAKE, _AHEAD, _BACK = range(3)


@inline
def _between(t, at, low, high):  # type: ignore[no-untyped-def]
    """Count the next events from ``low`` to ``high``, which is exclusive."""
    count = np.int64(0)
    for k in range(at + 1, min(at + 1 + _VOTERS, t.shape[0])):
        count += np.int64(low <= t[k]) & np.int64(t[k] < high)
    return count


@kernel(numba.int64(INT64_ARRAY, numba.int64, numba.uint8[::1]))
def judge(t, newest, verdicts):  # type: ignore[no-untyped-def]
    """Judge each event: taken, ahead of most of those that follow, or far behind them.

    Returns the number of those that are not taken. Events a little behind are taken: the check of
    events drops them.
    """
    wrong, last = np.int64(0), newest
    for i in range(t.shape[0]):
        verdicts[i] = _TAKE
        if t[i] >= last:
            # One that follows cannot tell which of the two is wrong.
            if _between(t, i, last, t[i]) > 1 + _between(t, i, t[i], MOST_TIME_US):
                verdicts[i] = _AHEAD
            else:
                last = t[i]
        elif t[i] < last - RESTART_US:
            anew = _between(t, i, t[i] - RESTART_US, t[i] + RESTART_US)
            if anew < _between(t, i, last, MOST_TIME_US):
                verdicts[i] = _BACK
            else:
                last = t[i]
        wrong += np.int64(verdicts[i] != _TAKE)
    return wrong


class LoneOutliers:
    """Drops lone events whose times are wrong, so that they cost nothing but themselves.

    The last events of an array wait for the next one if they lie far off, as those of a datagram
    do; call :meth:`release` when none comes.

    Parameters
    ----------
    counters
        Takes the number of events dropped as ``time_ahead`` and ``time_backwards``.
    """

    def __init__(self, counters: Counter[str]) -> None:
        keep_ready(judge)
        self._counters = counters
        self._newest = NEWEST
        self._held = no_events()

    @property
    def holding(self) -> bool:
        """Whether events wait for the next array."""
        return len(self._held) > 0

    def take(self, events: Events, elapsed_us: int) -> Events:
        """Return the events that are not wrong, with those that were held.

        Parameters
        ----------
        events
            The next ones; they need not be in order.
        elapsed_us
            Time since the array before, in microseconds.
        """
        if self.holding:
            events = np.concatenate([self._held, events])
            self._held = no_events()
        if not len(events):
            return events
        t = np.ascontiguousarray(events["t"])
        if int(t[0]) < self._newest or (t[1:] < t[:-1]).any():
            verdicts = np.empty(len(t), np.uint8)
            if judge(t, self._newest, verdicts):
                events = self._without(events, verdicts)
        first = len(events) - self._to_hold(events["t"], HOLD_US + 2 * max(elapsed_us, 0))
        events, self._held = events[:first], events[first:].copy()
        if first:
            self._newest = int(events["t"][-1])
        return events

    def release(self) -> Events:
        """Return the held events: no others have come to tell that they are wrong."""
        held, self._held = self._held, no_events()
        if len(held):
            self._newest = int(held["t"][-1])
        return held

    def drop_held(self) -> None:
        """Drop the held events, and count them."""
        if self.holding:
            self._counters["time_ahead"] += len(self._held)
            self._held = no_events()

    def _without(self, events: Events, verdicts: np.typing.NDArray[np.uint8]) -> Events:
        for name, verdict in (("time_ahead", _AHEAD), ("time_backwards", _BACK)):
            if count := int((verdicts == verdict).sum()):
                self._counters[name] += count
        kept: Events = events[verdicts == _TAKE]
        return kept

    def _to_hold(self, t: np.typing.NDArray[np.int64], hold_us: int) -> int:
        """Find the longest step to one of the last events; returns how many follow it."""
        times = [int(one) for one in t[-MOST_HELD - 1 :]]
        if len(t) <= MOST_HELD and self._newest != NEWEST:
            times.insert(0, self._newest)
        longest, hold = hold_us, 0
        for i in range(1, len(times)):
            step = times[i] - times[i - 1]
            if step > longest or (hold == 0 and step < -RESTART_US):
                longest, hold = max(step, longest), len(times) - i
        return hold


def stretches(events: Events, newest: int) -> Iterator[tuple[Events, bool]]:
    """Cut where time steps back too far to be disorder; tells which stretches begin there."""
    t = events["t"].astype(np.int64)
    before = newest
    cuts = [0, *(np.flatnonzero(np.diff(t) < -RESTART_US) + 1).tolist(), len(t)]
    for first, stop in itertools.pairwise(cuts):
        if first < stop:
            yield events[first:stop], int(t[first]) < before - RESTART_US
            before = int(t[stop - 1])
