"""Filters of event streams: integer, streaming, the same whatever the packets' boundaries.

Each takes checked events and gives checked events; what it remembers (the time of a pixel's last
event, which pixels are hot) lives in arrays that can be saved and restored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from spikewire._jit import kernel
from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import _EVENTS, _READ_ONLY, EVENT_DTYPE, Events

_TIMES = numba.int64[:, ::1]
_COUNTS = numba.int32[:, ::1]
_FLAGS = numba.uint8[:, ::1]
_STATE = numba.int64[::1]
NEVER = -(2**62)

State = Mapping[str, npt.NDArray[Any]]


class Filter(ABC):
    """Base of all filters.

    Parameters
    ----------
    size
        (width, height) of the events that come in.

    Attributes
    ----------
    size
        (width, height) of the events that go out.
    """

    name = "filter"

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def apply(self, events: Events) -> Events:
        """Filter the next events of the stream."""
        events = np.ascontiguousarray(events)
        out = np.empty(len(events), EVENT_DTYPE)
        return out[: int(self._run(events, out))]

    @abstractmethod
    def _run(self, events: Events, out: Events) -> int:
        """Write what is kept into ``out``, and return how many events that is."""

    def state(self) -> State:
        """What is remembered, as the arrays themselves."""
        return {}

    def reset(self) -> None:  # noqa: B027 - most remember no times
        """Forget times: the stream's time starts anew. What was learned stays."""


@kernel(numba.int64(_READ_ONLY, _EVENTS, _TIMES, numba.int64))
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
    """Leave out a pixel's events within ``dead_us`` of its last one that was kept."""

    name = "refractory"

    def __init__(self, size: tuple[int, int], dead_us: int) -> None:
        super().__init__(size)
        self.dead_us = dead_us
        self._last = np.full((size[1], size[0]), NEVER, np.int64)

    def _run(self, events: Events, out: Events) -> int:
        return int(_refractory(events, out, self._last, self.dead_us))

    def state(self) -> State:
        """When each pixel's last event was kept."""
        return {"last": self._last}

    def reset(self) -> None:
        """Forget all times."""
        self._last[...] = NEVER


@kernel(numba.int64(_READ_ONLY, _EVENTS, _TIMES, numba.int64))
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
        """When something last happened around each pixel; with a border of one."""
        return {"near": self._near}

    def reset(self) -> None:
        """Forget all times."""
        self._near[...] = NEVER


@kernel(numba.void(_COUNTS, _FLAGS, _STATE, numba.int64, numba.int64))
def _judge(counts, hot, total, least, factor):  # type: ignore[no-untyped-def]
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
        _READ_ONLY, _EVENTS, _COUNTS, _FLAGS, _STATE, numba.int64, numba.int64, numba.int64,
    )
)  # fmt: skip
def _hot_pixels(events, out, counts, hot, state, window, least, factor):  # type: ignore[no-untyped-def]
    n = 0
    ends = state[0]
    for i in range(events.shape[0]):
        t, x, y = events[i].t, events[i].x, events[i].y
        if t >= ends:
            if ends != NEVER:
                _judge(counts, hot, state, least, factor)
            # On a grid of its own, so that a quiet stretch ends no window late.
            ends = (t // window + 1) * window
        counts[y, x] += np.int32(1)
        out[n] = events[i]
        n += np.int64(hot[y, x] == 0)
    state[0] = ends
    return n


class HotPixels(Filter):
    """Leave out pixels that fire on their own, found out as the stream goes.

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
    def found(self) -> list[tuple[int, int]]:
        """(x, y) of the pixels that are hot now."""
        return [(int(x), int(y)) for y, x in np.argwhere(self._hot)]

    def state(self) -> State:
        """Which pixels are hot, the counts of this second, and when it ends."""
        return {"hot": self._hot, "counts": self._counts, "window": self._window}

    def reset(self) -> None:
        """Begin a new second; hot pixels stay."""
        self._counts[...] = 0
        self._window[0] = NEVER


@kernel(numba.int64(_READ_ONLY, _EVENTS, numba.int64))
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


@kernel(numba.int64(_READ_ONLY, _EVENTS, numba.int64, numba.int64, numba.int64, numba.int64))
def _crop(events, out, left, top, width, height):  # type: ignore[no-untyped-def]
    n = 0
    for i in range(events.shape[0]):
        x, y = np.int64(events[i].x) - left, np.int64(events[i].y) - top
        out[n] = events[i]
        out[n].x = x
        out[n].y = y
        n += np.int64((x >= 0) & (x < width) & (y >= 0) & (y < height))
    return n


class Crop(Filter):
    """Keep a rectangle, which becomes the sensor."""

    name = "crop"

    def __init__(self, size: tuple[int, int], left: int, top: int, width: int, height: int) -> None:
        super().__init__((width, height))
        self._box = left, top, width, height

    def _run(self, events: Events, out: Events) -> int:
        return int(_crop(events, out, *self._box))


@kernel(numba.int64(_READ_ONLY, _EVENTS, numba.int64))
def _downsample(events, out, factor):  # type: ignore[no-untyped-def]
    by = np.uint32(factor)
    for i in range(events.shape[0]):
        out[i] = events[i]
        out[i].x = np.uint32(events[i].x) // by
        out[i].y = np.uint32(events[i].y) // by
    return events.shape[0]


class Downsample(Filter):
    """Join blocks of ``factor`` by ``factor`` pixels into one; no event is left out."""

    name = "downsample"

    def __init__(self, size: tuple[int, int], factor: int) -> None:
        super().__init__((-(-size[0] // factor), -(-size[1] // factor)))
        self.factor = factor

    def _run(self, events: Events, out: Events) -> int:
        return int(_downsample(events, out, self.factor))


@kernel(
    numba.int64(_READ_ONLY, _EVENTS, numba.int64, numba.int64, numba.boolean, numba.boolean,
                numba.boolean)
)  # fmt: skip
def _turn(events, out, right, bottom, flip_x, flip_y, transpose):  # type: ignore[no-untyped-def]
    for i in range(events.shape[0]):
        x, y = np.int64(events[i].x), np.int64(events[i].y)
        if flip_x:
            x = right - x
        if flip_y:
            y = bottom - y
        out[i] = events[i]
        out[i].x = y if transpose else x
        out[i].y = x if transpose else y
    return events.shape[0]


class Turn(Filter):
    """Mirror the image (``x``, ``y`` or both), then exchange its axes if ``transpose``."""

    name = "flip"

    def __init__(self, size: tuple[int, int], axes: str = "", *, transpose: bool = False) -> None:
        super().__init__((size[1], size[0]) if transpose else size)
        self._how = size[0] - 1, size[1] - 1, "x" in axes, "y" in axes, transpose

    def _run(self, events: Events, out: Events) -> int:
        return int(_turn(events, out, *self._how))


# Places in the state of the rate control.
_ENDS, _SEEN, _SHARE, _CREDIT, _KEPT = range(5)
_WHOLE = 1 << 16


@kernel(numba.int64(_READ_ONLY, _EVENTS, _STATE, numba.int64, numba.int64))
def _rate(events, out, state, wanted, window):  # type: ignore[no-untyped-def]
    ends, seen, share = state[_ENDS], state[_SEEN], state[_SHARE]
    credit, kept = state[_CREDIT], state[_KEPT]
    n = 0
    for i in range(events.shape[0]):
        t = events[i].t
        if t >= ends:
            now = (t // window + 1) * window
            # What comes next is expected to be like what was; nothing, after a quiet stretch.
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


class Chain:
    """Filters one after the other.

    Attributes
    ----------
    filters
        In their order.
    size
        (width, height) of what comes out.
    dropped
        Events left out, by filter.
    """

    def __init__(self, size: tuple[int, int], filters: list[Filter]) -> None:
        self.filters = filters
        self.size = filters[-1].size if filters else size
        self.dropped = dict.fromkeys((f"filter_{one.name}" for one in filters), 0)

    def apply(self, events: Events) -> Events:
        """Filter the next events of the stream."""
        for one in self.filters:
            before = len(events)
            if not before:
                break
            events = one.apply(events)
            self.dropped[f"filter_{one.name}"] += before - len(events)
        return events

    def reset(self) -> None:
        """Forget times: the stream's time starts anew."""
        for one in self.filters:
            one.reset()

    def save(self) -> dict[str, npt.NDArray[Any]]:
        """Copy what all filters remember."""
        return {
            f"{n}.{one.name}.{name}": array.copy()
            for n, one in enumerate(self.filters)
            for name, array in one.state().items()
        }

    def restore(self, saved: State) -> None:
        """Take over what filters of the same kind and size remembered; times are forgotten.

        Raises
        ------
        SensorError
            If they were others.
        """
        for n, one in enumerate(self.filters):
            for name, array in one.state().items():
                found = saved.get(f"{n}.{one.name}.{name}")
                if found is None or found.shape != array.shape or found.dtype != array.dtype:
                    raise SensorError(
                        f"The saved filters are not these: {one.name} has no {name} of "
                        f"{array.shape} there."
                    )
                array[...] = found
        self.reset()
