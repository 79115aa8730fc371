"""A small WebSocket browser, and a dashboard before an invented service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    Ping,
    Request,
    TextMessage,
)

from spikewire.apps.dashboard import serve_dashboard
from spikewire.runtime import ServiceAddress
from tests.support.patience import patience


class Browser:
    """The least a browser does: an upgrade, and messages."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.events: Any = iter(())

    async def hear(self) -> Any:
        while True:
            for event in self.events:
                if isinstance(event, Ping):
                    await self.stream.send_all(self.protocol.send(event.response()))
                    continue
                return event
            data = await self.stream.receive_some(65536)
            self.protocol.receive_data(data or None)
            self.events = self.protocol.events()

    async def message(self) -> bytes:
        whole = b""
        while True:
            event = await self.hear()
            assert isinstance(event, BytesMessage), event
            whole += event.data
            if event.message_finished:
                return whole

    async def say(self, data: bytes | str) -> None:
        event = BytesMessage(data) if isinstance(data, bytes) else TextMessage(data)
        await self.stream.send_all(self.protocol.send(event))


async def browse(url: str, **headers: str) -> Browser:
    host, port = url.removeprefix("http://").rsplit(":", 1)
    browser = Browser(await trio.open_tcp_stream(host, int(port)))
    OPEN.append(browser.stream)
    headers = {"origin": url, **headers}
    asked = Request(
        host=headers.pop("host", f"{host}:{port}"), target="/ws",
        extra_headers=[(name.encode(), value.encode()) for name, value in headers.items() if value],
    )  # fmt: skip
    await browser.stream.send_all(browser.protocol.send(asked))
    return browser


async def opened(url: str, **headers: str) -> Browser:
    browser = await browse(url, **headers)
    assert isinstance(await browser.hear(), AcceptConnection)
    return browser


OPEN: list[trio.SocketStream] = []


Talk = Callable[[trio.SocketStream], Any]


@asynccontextmanager
async def serving(talk: Talk | None = None, **how: Any) -> AsyncIterator[str]:
    """A dashboard, before a service that talks like that; without one nobody listens."""
    async with trio.open_nursery() as nursery:
        port = 1
        if talk is not None:
            start = partial(trio.serve_tcp, talk, 0, host="127.0.0.1")
            port = (await nursery.start(start))[0].socket.getsockname()[1]
        door = ServiceAddress("127.0.0.1", port)
        url = await nursery.start(partial(serve_dashboard, door, port=0, **how))
        with trio.fail_after(patience(20)):
            yield url
        while OPEN:
            await trio.aclose_forcefully(OPEN.pop())
        nursery.cancel_scope.cancel()


async def echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)


async def get(url: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    host, port = url.removeprefix("http://").rsplit(":", 1)
    stream = await trio.open_tcp_stream(host, int(port))
    lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    if "host" not in headers:
        lines.append(f"host: {host}:{port}")
    await stream.send_all(("\r\n".join([*lines, "connection: close", "", ""])).encode())
    async with stream:
        answer = b"".join([data async for data in stream])
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    told = dict(line.lower().split(": ", 1) for line in rest)
    return int(first.split()[1]), told, body
