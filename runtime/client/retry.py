"""When to try again: pauses that grow, and what trying again cannot help."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from spikewire.runtime.errors import ConnectionLost, ProtocolError, ServiceError

_PASSING = frozenset(
    {
        "empty_frame", "frame_late", "frame_too_large", "hello_late", "malformed",
        "too_many_connections", "too_slow", "truncated",
    }
)  # fmt: skip
"""Errors of the protocol that another connection may not meet: the service is full or overloaded,
or something else (a proxy whose service is away) answers in its place."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How a lost service is looked for.

    The pauses before the attempts grow from ``first_s`` by ``factor`` up to ``most_s``. Each is
    shortened by up to a half, by chance: many clients that lost one service come back one by one.

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
        Where the shortening is drawn from.
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


class Outages:
    """Counts attempts, and says how long to wait before the next.

    A service that dies soon after each start is not rushed at: pauses begin anew only after a
    connection that lasted ``retry.most_s``. Attempts are counted anew after any.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._next = retry.first_s
        self._ever = False
        self._began: float | None = None
        self.failed = 0

    def connected(self, now: float) -> None:
        """A connection stands, at this time in seconds."""
        self._ever = True
        self._began = now
        self.failed = 0

    def pause(self, error: ServiceError, now: float) -> float:
        """Seconds to wait before the next attempt.

        Parameters
        ----------
        error
            What ended the connection, or the attempt to make one.
        now
            The present time in seconds.

        Raises
        ------
        ServiceError
            The error itself, where trying again cannot help or is not wanted; ConnectionLost, after
            the last attempt.
        """
        if not passing(error) or not (self._ever or self._retry.at_start):
            raise error
        if self._began is None:
            self.failed += 1
            if self.failed == self._retry.attempts:
                raise ConnectionLost(
                    f"Given up after {self.failed} attempts; the last one: {error}"
                ) from error
        elif now - self._began >= self._retry.most_s:
            self._next = self._retry.first_s
        self._began = None
        pause = self._next * self._retry.chance.uniform(0.5, 1.0)
        self._next = min(self._next * self._retry.factor, self._retry.most_s)
        return pause


def passing(error: ServiceError) -> bool:
    """Whether another connection may not meet this error."""
    if isinstance(error, ProtocolError):
        return error.code in _PASSING
    return isinstance(error, ConnectionLost)
