"""An ASGI application over HTTP, whose server neither a peer's fault nor a peer's silence holds up.

Hypercorn speaks the protocols, under trio, but only its worker for one connection is used: its own
server lets what a worker raises end it (half a WebSocket handshake is enough), and shields what it
sends from cancellation, so that it would wait forever for a peer that does not read.
"""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import trio

from spikewire.runtime.net.listener import PatientListener

_FAREWELL_S = 0.6
_MOST = 64

log = logging.getLogger("spikewire.http")


class AsgiServer:
    """Serves the connections of one application.

    Parameters
    ----------
    app
        An ASGI application.
    closing
        Set when the server ends; the application may wait for it.
    websocket_bytes
        The longest message that a WebSocket may send.
    request_s
        How long a peer may take to send a whole request, and to read an answer; None: for ever.
    most
        Connections at a time. A newer one takes the place of the oldest one without a request; if
        all have one, it is closed.
    """

    def __init__(
        self,
        app: Any,
        closing: trio.Event | None = None,
        *,
        websocket_bytes: int = 1024,
        request_s: float | None = None,
        most: int = _MOST,
    ) -> None:
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.config import Config
        from hypercorn.trio.worker_context import WorkerContext

        self._app = ASGIWrapper(quiet_protocol_errors(app))
        self._config = Config()
        self._config.accesslog = None
        self._config.errorlog = log
        self._config.include_server_header = False
        self._config.websocket_max_message_size = websocket_bytes
        self._request_s = math.inf if request_s is None else request_s
        self._context = WorkerContext(None)
        self._closing = trio.Event() if closing is None else closing
        self._most = most
        self._open: dict[trio.SocketStream, _Peer] = {}  # the oldest comes first
        self._left = trio.Event()

    async def serve(self, listeners: list[trio.SocketListener], dead_ms: int) -> None:
        """Serve until cancelled, and then for as long as last words take: under a second.

        Parameters
        ----------
        listeners
            Where connections come from.
        dead_ms
            After this time without a sign of life, a peer's connection ends.
        """
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            for listener in listeners:
                # Connections inherit it.
                listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, dead_ms)
        async with trio.open_nursery() as handlers:
            try:
                patient = [PatientListener(one) for one in listeners]
                await trio.serve_listeners(self._handle, patient, handler_nursery=handlers)
            finally:
                handlers.start_soon(self._end)

    async def _handle(self, stream: trio.SocketStream) -> None:
        """Serve one connection; being cancelled, it has until :meth:`_end` says so."""
        from hypercorn.trio.tcp_server import TCPServer
        from hypercorn.typing import ConnectionState

        if self._closing.is_set() or not self._make_room():
            await trio.aclose_forcefully(stream)
            return
        with trio.CancelScope(shield=True) as scope:
            peer = self._open[stream] = _Peer(scope, self._request_s)
            _PEER.set(peer)
            peer.listen()
            try:
                worker: Any = TCPServer
                await worker(self._app, self._config, self._context, ConnectionState({}), stream)
            except Exception as error:
                # Hypercorn raises what a peer did wrong: its connection ends, and no other.
                log.info("a connection ended by its peer's fault: %r", error)
                await trio.aclose_forcefully(stream)
            finally:
                self._open.pop(stream, None)
                self._left.set()
        stream.socket.close()

    def _make_room(self) -> bool:
        if len(self._open) < self._most:
            return True
        for stream, peer in self._open.items():
            if not peer.asked:
                # It is no longer counted: a newer one need not wait for its end.
                del self._open[stream]
                peer.scope.cancel()
                return True
        return False

    async def _end(self) -> None:
        """Let the connections say their last words, for a moment at most, and close them."""
        self._closing.set()
        with trio.move_on_after(_FAREWELL_S, shield=True):
            await self._context.terminated.set()
            while self._open:
                self._left = trio.Event()
                await self._left.wait()
        for stream, peer in self._open.items():
            peer.scope.cancel()
            stream.socket.close()


class _Peer:
    """A connection: how many of its requests are being answered, and how long it may be silent."""

    def __init__(self, scope: trio.CancelScope, request_s: float) -> None:
        self.scope = scope
        self.asked = 0
        self._request_s = request_s

    def listen(self) -> None:
        """Begin the time that the peer has for a request."""
        self.scope.deadline = trio.current_time() + self._request_s

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Answer a request within the block."""
        self.asked += 1
        self.listen()
        try:
            yield
        finally:
            self.asked -= 1
            self.listen()


_PEER: ContextVar[_Peer] = ContextVar("peer")


def quiet_protocol_errors(app: Any) -> Any:
    """Keep out of the log how a peer broke the protocol while it was answered.

    Hypercorn answers a broken handshake, and then lets the application answer again.
    """
    from h11 import LocalProtocolError as HttpError
    from wsproto.utilities import LocalProtocolError as WebSocketError

    async def quiet(scope: Any, receive: Any, send: Any) -> None:
        try:
            with _PEER.get().answered():
                await app(scope, receive, send)
        except (HttpError, WebSocketError) as error:
            log.info("a peer broke the protocol: %s", error)

    return quiet


def address_of(host: str, listener: trio.SocketListener) -> str:
    """The address of a page, as a browser on this machine would write it."""
    port = listener.socket.getsockname()[1]
    # A browser on this machine cannot go to "all addresses".
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
