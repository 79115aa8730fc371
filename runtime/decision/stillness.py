"""Stillness relative to the camera: its event rates at rest and in movement, learned while it runs.

Cameras and rooms differ by a factor of a hundred in their rates. A rate counts as movement from
three fifths of the geometric mean of the camera's two rates on. Each of them follows the rates that
were counted to its side. Integers over event time only.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

FIRST_REST_HZ, FIRST_LIVELY_HZ = 300, 6_000
"""Rates before any are learned: 800 events per second are movement, as of the least sensitive
cameras. A sensitive one has more at rest, which it learns with the first movement."""

_LEAST_HZ = 20
_CONTRAST, _MOST_CONTRAST = 12, 24
_RISE_US, _REST_US, _FALL_US, _FADE_US = 300_000, 1_000_000, 5_000_000, 60_000_000
_LONGEST_US = 100_000


@dataclass(slots=True)
class Stillness:
    """The two rates of a camera, in events per second.

    Attributes
    ----------
    rest_hz
        Rate at rest: that of noise and of a person who stands still.
    lively_hz
        Rate in movement, 12 to 24 times that at rest.
    """

    rest_hz: int = FIRST_REST_HZ
    lively_hz: int = FIRST_LIVELY_HZ

    @property
    def threshold_hz(self) -> int:
        """Least rate of movement: three fifths of the geometric mean of the two."""
        return 3 * isqrt(self.rest_hz * self.lively_hz) // 5

    def learn(self, rate_hz: int, covers_us: int) -> None:
        """Learn from a rate that lasted for a time.

        The rate in movement rises within 0.3 s and falls within 5 s of movement; the rate at rest
        follows within 1 s of rest. At rest the rate in movement fades within minutes, so that
        a camera that became less sensitive is heard again.

        Parameters
        ----------
        rate_hz
            Events per second.
        covers_us
            Time since the rate before; at most 0.1 s count.
        """
        covers_us = min(covers_us, _LONGEST_US)
        if rate_hz >= self.threshold_hz:
            over_us = _RISE_US if rate_hz > self.lively_hz else _FALL_US
            self.lively_hz += _part(rate_hz - self.lively_hz, covers_us, over_us)
        else:
            self.rest_hz += _part(rate_hz - self.rest_hz, covers_us, _REST_US)
            fallen = _CONTRAST * self.rest_hz - self.lively_hz
            self.lively_hz += _part(min(fallen, 0), covers_us, _FADE_US)
        self.lively_hz = max(self.lively_hz, _CONTRAST * self.rest_hz, _CONTRAST * _LEAST_HZ)
        self.rest_hz = max(self.rest_hz, self.lively_hz // _MOST_CONTRAST, _LEAST_HZ)


def _part(away: int, covers_us: int, over_us: int) -> int:
    """Return the part of a distance that is gone in a time, rounded toward zero."""
    step = abs(away) * covers_us // over_us
    return step if away > 0 else -step
