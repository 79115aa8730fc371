"""Pauses between attempts to reach something that is away."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Retry:
    """Schedule of the attempts to reach a lost service or server.

    The pauses before the attempts grow from ``first_s`` by ``factor`` up to ``most_s``. Each is
    shortened at random by up to a half, so that clients that lost one service do not all come back
    at the same moment.

    Attributes
    ----------
    first_s, factor, most_s
        The first pause in seconds, how much longer each next one is, and the longest.
    attempts
        Attempts in a row that may fail; None: any number.
    at_start
        Whether to wait for a service that is not there yet; else the first connection has to
        succeed at once.
    chance
        Source of the random numbers.
    """

    first_s: float = 0.2
    factor: float = 2.0
    most_s: float = 10.0
    attempts: int | None = None
    at_start: bool = False
    chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.most_s < float("inf"):
            raise ValueError(
                f"first_s is {self.first_s!r} and most_s {self.most_s!r}; allowed is "
                "0 < first_s <= most_s"
            )
        if not 1 <= self.factor < float("inf"):
            raise ValueError(f"factor is {self.factor!r}; allowed is a number from 1")
        if self.attempts is not None and self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts!r}; allowed is a number from 1, or None")

    def pauses(self) -> Iterator[float]:
        """Yield the pauses in seconds, without an end."""
        longest = self.first_s
        while True:
            yield longest * self.chance.uniform(0.5, 1.0)
            longest = min(longest * self.factor, self.most_s)
