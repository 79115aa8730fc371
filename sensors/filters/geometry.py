"""Filters of places: crop, downsample, flip and transpose."""

from __future__ import annotations

import numba
import numpy as np

from spikewire._jit import kernel
from spikewire.sensors.events import EVENT_ARRAY, READ_ONLY_EVENTS, Events
from spikewire.sensors.filters.base import Filter


@kernel(
    numba.int64(READ_ONLY_EVENTS, EVENT_ARRAY, numba.int64, numba.int64, numba.int64, numba.int64)
)
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


@kernel(numba.int64(READ_ONLY_EVENTS, EVENT_ARRAY, numba.int64))
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
    numba.int64(
        READ_ONLY_EVENTS, EVENT_ARRAY, numba.int64, numba.int64, numba.boolean, numba.boolean,
        numba.boolean,
    )
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
