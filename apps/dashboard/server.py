"""Web server of the dashboard, under Hypercorn's trio worker."""

from __future__ import annotations

import errno

import trio

from spikewire._tasks import background_tasks
from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cli.ports import PAGE_PORT
from spikewire.apps.dashboard.asgi import make_app
from spikewire.apps.dashboard.websocket_relay import FROM_BROWSER_BYTES
from spikewire.runtime import ServiceAddress, ServiceError

_MOST = 256
# The connection of a silent client, such as a phone that fell asleep, ends after this time.
_DEAD_MS = 20_000


async def serve_dashboard(
    connect_to: ServiceAddress,
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
        Address of the service. It need not run yet: the page waits for it.
    host
        Address to listen on.
    port
        0 takes a free one; None takes 7480, or a free one where that is in use.
    public
        Answer other machines as well, under this machine's name. The service must require a token:
        without one, everybody who reaches the page could teach it.

    Raises
    ------
    CommandError
        The extra ``http`` is not installed, the port cannot be had, or a public page's service
        is not there or wants no token.
    """
    if public:
        await _check_token(connect_to)
    from spikewire.runtime import AsgiServer, FanOut, address_of

    closing = trio.Event()
    fan_out = FanOut(connect_to)
    app = make_app(connect_to, host, public=public, closing=closing, fan_out=fan_out)
    listeners = await _listen(host, port)
    pages = AsgiServer(app, closing, websocket_bytes=FROM_BROWSER_BYTES, most=_MOST)
    async with background_tasks() as nursery:
        await nursery.start(fan_out.run)
        task_status.started(address_of(host, listeners[0]))
        await pages.serve(listeners, _DEAD_MS)


async def _check_token(address: ServiceAddress) -> None:
    try:
        protected = await address.requires_token("dashboard")
    except ServiceError as error:
        raise CommandError(
            f"{error} A public page needs one that runs already, to see that it wants a token."
        ) from None
    if not protected:
        raise CommandError(
            f"The service at {address} wants no token: whoever reaches a public page could teach"
            " it. Give it one with --control-token FILE."
        )


async def _listen(host: str, port: int | None) -> list[trio.SocketListener]:
    try:
        try:
            listeners = await trio.open_tcp_listeners(
                PAGE_PORT if port is None else port, host=host
            )
        except OSError as error:
            if port is not None or error.errno != errno.EADDRINUSE:
                raise
            listeners = await trio.open_tcp_listeners(0, host=host)
    except OSError as error:
        reason = error.strerror or str(error)
        at = PAGE_PORT if port is None else port
        raise CommandError(f"Cannot serve the page on {host}, port {at}: {reason}.") from None
    return listeners
