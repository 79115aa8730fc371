"""Schedule of reconnecting: growing pauses, and permanent errors."""

from __future__ import annotations

from spikewire._retry import Retry
from spikewire.runtime.errors import ConnectionLost, ProtocolError, ServiceError

__all__ = ["Outages", "Retry", "passing"]

_PASSING = frozenset(
    {
        "empty_frame", "frame_late", "frame_too_large", "hello_late", "malformed",
        "too_many_connections", "too_slow", "truncated",
    }
)  # fmt: skip
"""Errors of the protocol that another connection may not meet: the service is full or overloaded,
or something else (a proxy whose service is away) answers in its place."""


class Outages:
    """Counts attempts, and says how long to wait before the next.

    A service that dies soon after each start is not rushed at: pauses begin anew only after a
    connection that lasted ``retry.most_s``. Attempts are counted anew after any.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._pauses = retry.pauses()
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
            self._pauses = self._retry.pauses()
        self._began = None
        return next(self._pauses)


def passing(error: ServiceError) -> bool:
    """Tell whether an error is temporary: another connection may not meet it."""
    if isinstance(error, ProtocolError):
        return error.code in _PASSING
    return isinstance(error, ConnectionLost)
