"""Whether the rows, columns and polarities of MATLAB's events count from 1, as its arrays do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_ROWS_BY_CHANCE = 256
"""Events of which none may lie in the first row or column although these exist."""

SENSORS = frozenset(
    {
        (34, 34), (128, 128), (240, 180), (304, 240), (320, 240), (346, 260), (480, 360),
        (640, 480), (1280, 720),
    }
)  # fmt: skip
"""Widths and heights of usual sensors: what a last place that counts from 1 is."""


class Counting:
    """The extent of a recording's numbers, and the first numbers that it tells.

    N-MNIST's scripts add 1 to places and polarities; others add 1 to places only, or nothing.
    """

    def __init__(self) -> None:
        self._least = {"x": np.inf, "y": np.inf, "p": np.inf}
        self._most = {"x": -np.inf, "y": -np.inf, "p": -np.inf}
        self._count = 0

    def add(self, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take in the columns x, y and p of some events."""
        self._count += len(columns["p"])
        for name in self._least:
            self._least[name] = min(self._least[name], float(columns[name].min()))
            self._most[name] = max(self._most[name], float(columns[name].max()))

    def first(self) -> dict[str, int]:
        """Return the number of the first column, row and polarity: 0 or 1."""
        p = int(self._most["p"] == 2 and self._least["p"] >= 1)
        begin = self._least["x"], self._least["y"]
        place = min(begin) >= 1 and (
            bool(p)
            or (begin == (1, 1) and self._count >= MOST_ROWS_BY_CHANCE)
            or (self._most["x"], self._most["y"]) in SENSORS
        )
        return {"x": int(place), "y": int(place), "p": p}


def described(first: Mapping[str, int]) -> str:
    """Return a remark on the numbers that do not begin at 0, or an empty string."""
    if first["x"]:
        return f"places {'and polarities ' if first['p'] else ''}counted from 1"
    return "polarities counted from 1" if first["p"] else ""
