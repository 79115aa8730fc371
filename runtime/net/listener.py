"""A listener that waits while there are no descriptors, and logs it once."""

from __future__ import annotations

import errno
import logging
import math

import trio

log = logging.getLogger("spikewire.runtime")

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_PAUSE_S = 0.1
_SILENCE_S = 60.0


class PatientListener(trio.abc.Listener[trio.SocketStream]):
    """Listener that goes on accepting when descriptors or memory are there again.

    trio logs a traceback for each attempt, ten in a second. Here a shortage is logged once a minute
    at most.

    Parameters
    ----------
    listener
        The listener of a socket.

    Attributes
    ----------
    socket
        The listening socket.
    """

    def __init__(self, listener: trio.SocketListener) -> None:
        self.socket = listener.socket
        self._listener = listener
        self._logged_at = -math.inf
        self._short = False

    async def accept(self) -> trio.SocketStream:
        """Accept a connection, however long there are no descriptors for it."""
        while True:
            try:
                stream = await self._listener.accept()
            except OSError as error:
                if error.errno not in _SHORTAGES:
                    raise
                self._note(error)
                await trio.sleep(_PAUSE_S)
                continue
            if self._short:
                self._short = False
                log.warning("new connections are accepted again")
            return stream

    def _note(self, error: OSError) -> None:
        now = trio.current_time()
        if now < self._logged_at + _SILENCE_S:
            return
        self._logged_at, self._short = now, True
        log.error("no new connection can be accepted for now: %s", error.strerror)

    async def aclose(self) -> None:
        """Close the socket."""
        await self._listener.aclose()
