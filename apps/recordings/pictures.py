"""Events as pictures: accumulated by time or by number, in colours of polarity or of recency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Style = Literal["polarity", "surface"]
RGB = NDArray[np.uint8]

_LARGEST, _SMALLEST = 2048, 384
"""Longest side of a picture in pixels, and the side that small sensors are enlarged to."""

_BACK = np.array([16, 18, 24], np.float32)
# Blue and orange keep apart for every common kind of colour blindness.
_COLOURS = np.array([[230, 159, 0], [86, 180, 233]], np.float32)
_MEMORY = 3.0
"""A time surface fades to a third within so many pictures."""


class Picture:
    """A picture of the latest events.

    Parameters
    ----------
    size
        (width, height) of the sensor. Sensors larger than a screen are shown in fewer pixels.
    style
        ``"polarity"`` counts the events of each picture; ``"surface"`` shows how recent the last
        event of each pixel is, across pictures.
    """

    def __init__(self, size: tuple[int, int], style: Style = "polarity") -> None:
        self._shrunk = -(-max(size) // _LARGEST)
        self._shape = (-(-size[1] // self._shrunk), -(-size[0] // self._shrunk))
        self._enlarged = max(1, _SMALLEST // max(self._shape)) if self._shrunk == 1 else 1
        self._style = style
        self._counts = np.zeros((2, *self._shape), np.float32)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels; both are even, as videos need."""
        height, width = (side * self._enlarged for side in self._shape)
        return width + width % 2, height + height % 2

    def add(self, events: NDArray[Any]) -> None:
        """Add events to the picture."""
        height, width = self._shape
        x = events["x"].astype(np.int64) // self._shrunk
        y = events["y"].astype(np.int64) // self._shrunk
        places = (events["p"].astype(np.int64) * height + y) * width + x
        if self._style == "surface":
            flat = self._counts.reshape(-1)
            # The last event of a pixel decides, of whichever polarity.
            last = np.unique(places[::-1] % (height * width), return_index=True)[1]
            places = places[::-1][last]
            flat[places] = 1.0
            flat[(places + height * width) % (2 * height * width)] = 0.0
            return
        counts = np.bincount(places, minlength=self._counts.size)
        self._counts += counts.reshape(self._counts.shape)

    def draw(self) -> RGB:
        """Return the picture as an array of height, width and 3, and begin the next one."""
        total = self._counts.sum(0)
        if self._style == "surface":
            strength = total
        else:
            busy = total[total > 0]
            full = float(np.quantile(busy, 0.95)) if len(busy) else 1.0
            strength = np.sqrt(np.minimum(total / max(full, 1.0), 1.0))
        share = np.divide(
            self._counts[1], total, out=np.zeros_like(total), where=total > 0
        )[..., None]  # fmt: skip
        colour = _COLOURS[0] * (1 - share) + _COLOURS[1] * share
        image = _BACK + (colour - _BACK) * strength[..., None]
        self._counts *= (1 / 3) ** (1 / _MEMORY) if self._style == "surface" else 0.0
        whole = np.repeat(np.repeat(image, self._enlarged, 0), self._enlarged, 1)
        width, height = self.size
        canvas = np.empty((height, width, 3), np.uint8)
        canvas[:] = _BACK
        canvas[: whole.shape[0], : whole.shape[1]] = np.rint(whole)
        return canvas


def pictures(slices: Iterable[NDArray[Any]], size: tuple[int, int], style: Style) -> Iterator[RGB]:
    """Yield a picture for each slice of a recording."""
    picture = Picture(size, style)
    for events in slices:
        if len(events):
            picture.add(events)
        yield picture.draw()
