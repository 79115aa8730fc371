"""Jumps of event time: a step ahead too long to be a pause of one stream."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class JumpFinder:
    """Finds the events that follow a jump.

    The result depends on the events alone, not on how they are cut into packets.

    Parameters
    ----------
    jump_us
        A step ahead longer than this, in microseconds, is a jump.

    Attributes
    ----------
    count
        Jumps found so far.
    """

    def __init__(self, jump_us: int) -> None:
        self.jump_us = jump_us
        self.count = 0
        self._newest: int | None = None

    def begin(self) -> None:
        """Forget the time: the next event begins a segment."""
        self._newest = None

    def find(self, t: npt.NDArray[np.int64]) -> list[int]:
        """Return the indices of the events that follow a jump.

        Parameters
        ----------
        t
            int64[n]: the next events' times, in time order, inside the range of ``check_events``.
        """
        if not len(t):
            return []
        before = int(t[0]) if self._newest is None else self._newest
        self._newest = max(before, int(t[-1]))
        if self._newest - before <= self.jump_us:
            return []
        steps = np.diff(t, prepend=np.int64(before))
        found: list[int] = np.flatnonzero(steps > self.jump_us).tolist()
        self.count += len(found)
        return found
