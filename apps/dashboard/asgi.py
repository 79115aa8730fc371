"""ASGI application of the dashboard: static files and the WebSocket."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any

import trio

from spikewire._hosts import host_allowed, own_names
from spikewire.apps.cli.errors import CommandError
from spikewire.apps.dashboard.security import SECURITY_HEADERS, origin_allowed
from spikewire.apps.dashboard.websocket_relay import Relay
from spikewire.runtime import FanOut, ServiceAddress

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}


def static_files() -> dict[str, bytes]:
    """Read the static files of the page, by name."""
    folder = resources.files("spikewire.apps.dashboard") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def make_app(
    address: ServiceAddress,
    host: str = "127.0.0.1",
    *,
    public: bool = False,
    closing: trio.Event | None = None,
    fan_out: FanOut | None = None,
) -> Any:
    """Make the application of a dashboard.

    Parameters
    ----------
    address
        Address of the service.
    host
        The name or address that the server listens on.
    public
        Whether to answer other machines.
    closing
        Set when the server ends: its WebSockets close.
    fan_out
        The shared connections to the service; None: each page has its own.

    Raises
    ------
    CommandError
        If the extra ``http`` is not installed.
    """
    try:
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse, Response
        from starlette.routing import Route, WebSocketRoute
    except ImportError:
        raise CommandError("The dashboard needs pip install 'spikewire[http]'.") from None
    files = static_files()
    tags = {name: f'"{hashlib.sha256(data).hexdigest()[:20]}"' for name, data in files.items()}
    names = own_names(host, public)
    ends = closing if closing is not None else trio.Event()

    async def page(request: Request) -> Response:
        if not host_allowed(request.headers.get("host"), names):
            return PlainTextResponse("This server has another name.", 421, SECURITY_HEADERS)
        name = request.path_params.get("name") or "index.html"
        if name not in files:
            return PlainTextResponse(f"There is no {name} here.", 404, SECURITY_HEADERS)
        headers = {**SECURITY_HEADERS, "etag": tags[name], "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tags[name]:
            return Response(status_code=304, headers=headers)
        headers["content-type"] = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
        return Response(files[name], headers=headers)

    async def wire(websocket: WebSocket) -> None:
        host = websocket.headers.get("host")
        if not host_allowed(host, names) or not origin_allowed(
            websocket.headers.get("origin"), host
        ):
            await websocket.close()  # before it is accepted: 403
            return
        await websocket.accept()
        await Relay(websocket, address, ends, fan_out).run()

    return Starlette(routes=[WebSocketRoute("/ws", wire), Route("/", page), Route("/{name}", page)])
