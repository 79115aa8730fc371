"""Serves a dashboard under Hypercorn's trio worker, and ends promptly."""

from __future__ import annotations

import errno
import logging
import socket
from typing import Any

import trio

from apps._errors import CommandError
from apps.dashboard._app import make_app
from apps.dashboard._door import Door, UnreachableError
from apps.dashboard._relay import FROM_BROWSER_BYTES

DASHBOARD_PORT = 7480
_FAREWELL_S = 0.6
# A phone that fell asleep takes nothing and says nothing: its connection ends after this time.
_DEAD_MS = 20_000


async def serve_dashboard(
    connect_to: Door,
    host: str = "127.0.0.1",
    port: int | None = None,
    *,
    public: bool = False,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the page of a service until cancelled; started with the page's address.

    Parameters
    ----------
    connect_to
        Where the service is. It need not run yet: the page waits for it.
    host
        Where to listen.
    port
        0 takes a free one; None takes 7480, or a free one where that is in use.
    public
        Other machines may ask: this machine's name is answered to, too, and a service that wants
        no token is refused, for whoever reached the page could teach it.

    Raises
    ------
    CommandError
        The extra ``http`` is not installed, the port cannot be had, or a public page's service
        is not there or wants no token.
    """
    if public:
        await _check_door(connect_to)
    closing = trio.Event()
    app = make_app(connect_to, host, public=public, closing=closing)
    listeners = await _listen(host, port)
    serving = _Serving(app, closing)
    async with trio.open_nursery() as handlers:
        try:
            task_status.started(_address(host, listeners[0]))
            await trio.serve_listeners(serving.handle, listeners, handler_nursery=handlers)
        finally:
            handlers.start_soon(serving.end)


class _Serving:
    """The connections of one server.

    Hypercorn shields what it sends from cancellation: its own server would wait forever for a
    browser that does not read. So only its worker for one connection is used here, and the
    connections are held, to be closed under it.
    """

    def __init__(self, app: Any, closing: trio.Event) -> None:
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.config import Config
        from hypercorn.trio.worker_context import WorkerContext

        self._app = ASGIWrapper(app)
        self._config = Config()
        self._config.accesslog = None
        self._config.errorlog = logging.getLogger("spikewire.dashboard")
        self._config.include_server_header = False
        self._config.websocket_max_message_size = FROM_BROWSER_BYTES
        self._context = WorkerContext(None)
        self._closing = closing
        self._open: dict[trio.SocketStream, trio.CancelScope] = {}
        self._left = trio.Event()

    async def handle(self, stream: trio.SocketStream) -> None:
        """Serve one connection; being cancelled, it has until :meth:`end` says so."""
        from hypercorn.trio.tcp_server import TCPServer
        from hypercorn.typing import ConnectionState

        if self._closing.is_set():
            await trio.aclose_forcefully(stream)
            return
        with trio.CancelScope(shield=True) as scope:
            self._open[stream] = scope
            try:
                worker: Any = TCPServer
                await worker(self._app, self._config, self._context, ConnectionState({}), stream)
            finally:
                del self._open[stream]
                self._left.set()

    async def end(self) -> None:
        """Let the connections say their last words, for a second at most, and close them."""
        self._closing.set()
        with trio.move_on_after(_FAREWELL_S, shield=True):
            await self._context.terminated.set()
            while self._open:
                self._left = trio.Event()
                await self._left.wait()
        for stream, scope in self._open.items():
            scope.cancel()
            stream.socket.close()


async def _check_door(door: Door) -> None:
    try:
        anybody = await door.lets_anybody_in()
    except UnreachableError as error:
        raise CommandError(f"{error} A public page needs one that runs already.") from None
    if anybody:
        raise CommandError(
            f"The service at {door} wants no token: whoever reaches a public page could teach it."
            " Give it one with --control-token FILE."
        )


async def _listen(host: str, port: int | None) -> list[trio.SocketListener]:
    try:
        try:
            listeners = await trio.open_tcp_listeners(
                DASHBOARD_PORT if port is None else port, host=host
            )
        except OSError as error:
            if port is not None or error.errno != errno.EADDRINUSE:
                raise
            listeners = await trio.open_tcp_listeners(0, host=host)
    except OSError as error:
        reason = error.strerror or str(error)
        at = DASHBOARD_PORT if port is None else port
        raise CommandError(f"Cannot serve the page on {host}, port {at}: {reason}.") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        for listener in listeners:
            # Connections inherit it.
            listener.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_MS)
    return listeners


def _address(host: str, listener: trio.SocketListener) -> str:
    port = listener.socket.getsockname()[1]
    # A browser on this machine cannot go to "all addresses".
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
