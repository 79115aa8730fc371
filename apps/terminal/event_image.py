"""Events as a small picture of braille dots, which any terminal with UTF-8 can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

# Blue and orange keep apart for every common kind of colour blindness.
ON_STYLE, OFF_STYLE = "#56b4e9", "#e69f00"

# Unicode braille, U+2800 + bits: the bit of the dot at (row, column) of a 4x2 cell.
_DOT_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint16)
_BLANK = 0x2800


class EventImage:
    """Counts of recent events per dot, by polarity, fading as time passes.

    Parameters
    ----------
    size
        Width and height of the sensor in pixels.
    columns, rows
        Size of the picture in characters of 2 by 4 dots.
    """

    def __init__(self, size: tuple[int, int], columns: int = 32, rows: int = 16) -> None:
        self.columns, self.rows = columns, rows
        self._dots = (columns * 2, rows * 4)
        self._size = size
        self._counts = np.zeros((2, rows * 4, columns * 2), np.float32)

    def add(self, events: NDArray[np.void]) -> None:
        """Count events (fields x, y, p) into their dots."""
        width, height = self._size
        # Integer scaling keeps every pixel inside the picture, whatever the sensor's shape.
        x = events["x"].astype(np.int64) * self._dots[0] // width
        y = events["y"].astype(np.int64) * self._dots[1] // height
        flat = (events["p"].astype(np.int64) * self._dots[1] + y) * self._dots[0] + x
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(self._counts.shape)

    def fade(self, keep: float = 0.5) -> None:
        """Weaken everything drawn so far, so that old events leave the picture."""
        self._counts *= keep

    def render(self) -> Text:
        """Return the picture as coloured braille text, `rows` lines of `columns` characters."""
        total = self._counts.sum(axis=0)
        # A dot is lit from one whole recent event up; where much moves, noise stays dark.
        busy = total[total >= 1.0]
        lit = total >= max(1.0, float(np.quantile(busy, 0.95)) * 0.25 if busy.size else 1.0)
        cells = lit.reshape(self.rows, 4, self.columns, 2)
        codes = (cells * _DOT_BITS[None, :, None, :]).sum(axis=(1, 3)) + _BLANK
        polarity = (self._counts[1] - self._counts[0]).reshape(self.rows, 4, self.columns, 2)
        on = polarity.sum(axis=(1, 3)) >= 0
        text = Text(no_wrap=True)
        for row in range(self.rows):
            for column in range(self.columns):
                style = ON_STYLE if on[row, column] else OFF_STYLE
                text.append(chr(int(codes[row, column])), style)
            if row + 1 < self.rows:
                text.append("\n")
        return text
