"""Messages of one peer: taken in order, read ahead during a long request, timed for its lease."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import trio

from spikewire.runtime.errors import ProtocolError
from spikewire.runtime.net.peer_socket import unacknowledged_s
from spikewire.runtime.protocol.frames import HEADER_BYTES, Framer
from spikewire.runtime.protocol.messages import Beat, ClientMessage, decode_message
from spikewire.runtime.server.admission import HELLO_BYTES
from spikewire.runtime.settings.settings import Settings

_CHUNK = 64 * 1024
# A stranger can make the service hold no more than this.
_HELLO_CHUNK = HEADER_BYTES + HELLO_BYTES
# Messages read ahead; beyond it the peer waits.
_AHEAD = 16
# How long a teacher's machine may leave data unacknowledged, and how often that is looked at.
DEAD_PEER_S = 15.0
_LOOK_EVERY_S = 2.5


class MessageReader:
    """Reads a peer's messages.

    Parameters
    ----------
    stream
        Where they come from.
    settings
        Gives the service's settings as they stand.
    on_silence
        Called when a peer that holds a lease is silent for too long, or its machine is gone.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        settings: Callable[[], Settings],
        on_silence: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._settings = settings
        self._on_silence = on_silence
        self._framer = Framer(HELLO_BYTES)
        self._chunk = _HELLO_CHUNK
        self._ahead: deque[ClientMessage] = deque()
        self._fault: Exception | None = None
        self._ended = False
        self._holds = False
        self._lease_s = math.inf
        self._heard = 0.0

    def greeted(self) -> None:
        """Take longer messages from now on: the peer is no stranger any more."""
        self._framer.limit = self._settings().frame_bytes
        self._chunk = _CHUNK

    def hold(self, lease_s: float | None) -> None:
        """Watch from now on that the peer lives: it teaches.

        ``lease_s`` is the silence allowed to a peer that sends beats; None: it sends none.
        """
        self._holds = True
        self._lease_s = math.inf if lease_s is None else lease_s

    def release(self) -> None:
        """Watch no more."""
        self._holds, self._lease_s = False, math.inf

    async def read(self) -> ClientMessage | None:
        """Take the peer's next message; None when it has sent its last one.

        Raises
        ------
        ProtocolError
            The bytes are no message, or came too late.
        trio.BrokenResourceError, trio.ClosedResourceError
            The connection broke.
        """
        if self._ahead:
            return self._ahead.popleft()
        if self._fault is not None:
            fault, self._fault = self._fault, None
            try:
                raise fault
            finally:
                del fault  # it holds this frame
        # Beats that came during a request wait in the kernel: the time begins anew.
        self._heard = trio.current_time()
        return None if self._ended else await self._next()

    async def read_ahead(self, left: trio.CancelScope) -> None:
        """Read on while a request is carried out; cancels ``left`` when the peer leaves."""
        self._heard = trio.current_time()
        try:
            while len(self._ahead) < _AHEAD:
                message = await self._next()
                if message is None:
                    self._ended = True
                    break
                if not isinstance(message, Beat):
                    self._ahead.append(message)
            else:
                return
        except (ProtocolError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._fault = error.with_traceback(None)
        left.cancel()

    async def _next(self) -> ClientMessage | None:
        late = math.inf
        while (payload := self._framer.take()) is None:
            if self._framer.partial and late == math.inf:
                late = trio.current_time() + self._settings().frame_s
            look = trio.current_time() + _LOOK_EVERY_S if self._holds else math.inf
            with trio.move_on_at(min(late, look, self._heard + self._lease_s)) as scope:
                data = await self._stream.receive_some(self._chunk)
            if scope.cancelled_caught:
                self._check_time(late)
                continue
            self._heard = trio.current_time()
            if not data:
                if self._framer.partial:
                    raise ProtocolError("truncated", "The connection ended inside a message.")
                return None
            self._framer.feed(data)
        return decode_message(payload)

    def _check_time(self, late: float) -> None:
        now = trio.current_time()
        if now >= late:
            raise ProtocolError(
                "frame_late",
                f"A message was begun and not finished within {self._settings().frame_s:g} s.",
            )
        silent = now >= self._heard + self._lease_s
        if self._holds and (silent or unacknowledged_s(self._stream) >= DEAD_PEER_S):
            self.release()
            self._on_silence()
