"""Admission of peers: places for clients, places for strangers, and the rights of a token."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Literal

import trio

from spikewire.runtime.settings.settings import Settings

Allowed = Literal["watch", "control"]
HELLO_BYTES = 4096
"""Longest frame of a peer that has not said hello. Nothing larger is ever held for a stranger."""

_HASTE = 5  # a crowd of strangers has this fraction of the time for a hello


class Admission:
    """Places of a service: those of clients, and those of strangers, which have not said hello.

    Strangers cannot take the places of clients. A new stranger takes the place of the oldest one,
    if there is no other.

    Parameters
    ----------
    settings
        Gives the service's settings.

    Attributes
    ----------
    clients
        Peers that said hello, with the right token where there is one.
    refused
        Peers that found all places of clients taken.
    refused_tokens
        Peers with no token or a wrong one.
    dropped_strangers
        Strangers that made room for newer ones.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self.clients = 0
        self.refused = 0
        self.refused_tokens = 0
        self.dropped_strangers = 0
        self._settings = settings
        self._strangers: dict[trio.CancelScope, None] = {}  # the oldest comes first

    @property
    def connections(self) -> int:
        """Connections that are open, of clients and of strangers."""
        return self.clients + len(self._strangers)

    @property
    def full(self) -> bool:
        """Whether all places of clients are taken."""
        return self.clients >= self._settings().connections

    @property
    def hello_s(self) -> float:
        """Seconds that a stranger has for its hello: fewer in a crowd."""
        settings = self._settings()
        crowded = 2 * len(self._strangers) > settings.strangers
        return settings.hello_s / _HASTE if crowded else settings.hello_s

    def meet(self, scope: trio.CancelScope) -> bool:
        """Give a stranger a place; return whether another one was dropped for it.

        Parameters
        ----------
        scope
            Ends the stranger's connection when it is cancelled.
        """
        dropped = False
        while len(self._strangers) >= self._settings().strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.cancel()
            self.dropped_strangers += 1
            dropped = True
        self._strangers[scope] = None
        return dropped

    def greet(self, scope: trio.CancelScope) -> bool:
        """Give a stranger the place of a client; return whether there was one."""
        if scope not in self._strangers or self.full:
            self.refused += 1
            return False
        del self._strangers[scope]
        self.clients += 1
        return True

    def leave(self, scope: trio.CancelScope, greeted: bool) -> None:
        """Free the place of a connection that has ended."""
        if greeted:
            self.clients -= 1
        self._strangers.pop(scope, None)

    def rights(self, token: str | None) -> Allowed | None:
        """Return the rights of a peer with this token; None: it is not admitted."""
        settings = self._settings()
        watch, control = settings.watch_token, settings.control_token
        if not settings.wants_token:
            return "control"
        given = (token or "").encode()
        # Both are compared always, each in constant time: the answer's delay tells nothing.
        controls = hmac.compare_digest(given, (control or "").encode()) and control is not None
        watches = hmac.compare_digest(given, (watch or "").encode()) and watch is not None
        if controls:
            return "control"
        if watches:
            return "watch"
        self.refused_tokens += 1
        return None
