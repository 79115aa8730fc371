"""Relay of unread messages between a browser's WebSocket and a connection of protocol 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import trio

from spikewire.runtime import (
    FanOut,
    Framer,
    ProtocolError,
    ServiceAddress,
    ServiceError,
    SharedPage,
    check_greeting,
    frame,
)

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

FROM_SERVICE_BYTES = 4 * 1024 * 1024
"""Size limit of messages to a browser; pictures are 33 kB at most."""
FROM_BROWSER_BYTES = 64 * 1024
"""Size limit of messages to a service; those of the page are below 1 kB."""
_CHUNK = 256 * 1024
# Messages of a service within this time go to the browser as one WebSocket message. A page redraws
# at 30 Hz or more; a service publishes 160 messages a second, each of which would wake both sides.
_GATHER_S = 0.02
# A page is drawn 25 to 30 times a second.
_GATHER_TOPICS_S = 0.04
_FAREWELL_S = 0.2

NORMAL, GOING_AWAY, TRY_LATER = 1000, 1001, 1013


class _Head(msgspec.Struct):
    """The part of a page's message that tells where it goes."""

    type: str
    token: str | None = None
    pipeline: str | None = None


_head = msgspec.msgpack.Decoder(_Head)


class Relay:
    """Relay of messages in both directions until either side ends.

    Subscriptions go to the connection that all pages with the same token share, if there is a
    ``fan_out``; everything else to one of the page's own, so that leases end with it.

    A binary WebSocket message from the browser is one message of protocol 1. A binary message to
    the browser holds one or more. Text messages are ignored.

    While a browser does not read, the relay does not read from the service, whose policies for slow
    subscribers apply.

    Parameters
    ----------
    websocket
        The accepted WebSocket.
    address
        Address of the service.
    closing
        Set when the server ends.
    fan_out
        The shared connections to the service; None: there are none.
    """

    def __init__(
        self,
        websocket: WebSocket,
        address: ServiceAddress,
        closing: trio.Event,
        fan_out: FanOut | None = None,
    ) -> None:
        self._websocket = websocket
        self._address = address
        self._closing = closing
        self._code = NORMAL
        self._fan_out = fan_out
        self._hello: _Head | None = None
        self._greeted = trio.Event()
        self._page: SharedPage | None = None
        self._page_known = trio.Event()
        self._sending = trio.Lock()

    async def run(self) -> None:
        """Connect to the service and relay; a failure is reported to the browser."""
        try:
            stream = await self._address.open()
        except ServiceError as error:
            await self._send({"type": "unreachable", "message": str(error)})
            await self._close(TRY_LATER)
            return
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(self._to_service, stream, nursery.cancel_scope)
            nursery.start_soon(self._to_browser, stream, nursery.cancel_scope)
            nursery.start_soon(self._end, nursery.cancel_scope)
            nursery.start_soon(self._share, nursery.cancel_scope)
        await self._close(self._code)

    async def _to_service(self, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        try:
            while (event := await self._websocket.receive())["type"] == "websocket.receive":
                payload = event.get("bytes")
                if payload is not None and not await self._shared(payload):
                    await stream.send_all(frame(payload))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The service's last messages may still be on their way to the browser.
            return
        scope.cancel()

    async def _shared(self, payload: bytes) -> bool:
        """Let the shared connection carry a message out; False if it is not its."""
        try:
            head = _head.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False  # the service says what is wrong with it
        if head.type == "hello" and self._hello is None:
            self._hello = head
        if self._fan_out is None or head.type not in ("subscribe", "unsubscribe"):
            return False
        if self._hello is None:
            return False
        await self._page_known.wait()
        return self._page is not None and await self._page.ask(payload)

    async def _share(self, scope: trio.CancelScope) -> None:
        """Hand on what the shared connection brings, once the page's own hello was accepted."""
        if self._fan_out is None:
            return
        await self._greeted.wait()
        hello = self._hello
        if hello is None:
            return
        async with self._fan_out.page(hello.token, hello.pipeline) as page:
            self._page = page
            self._page_known.set()
            if page is None:
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._from_shared, page)
                await page.stream.ended.wait()
                # Its last messages, and the service's goodbye, are still on their way.
                await trio.sleep(_FAREWELL_S)
                nursery.cancel_scope.cancel()
        scope.cancel()

    async def _from_shared(self, page: SharedPage) -> None:
        while True:
            if payloads := await page.receive(_GATHER_TOPICS_S):
                await self._send_bytes(payloads)

    async def _to_browser(self, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        framer = Framer(FROM_SERVICE_BYTES)
        greeted = False
        try:
            while data := await stream.receive_some(_CHUNK):
                framer.feed(data)
                first = b"" if greeted else framer.take() or b""
                if first:
                    check_greeting(first)
                    greeted = True
                    self._greeted.set()
                if greeted and (payloads := first + framer.take_raw()):
                    await self._send_bytes(payloads)
                await trio.sleep(_GATHER_S)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except ProtocolError as error:
            await self._send({"type": "error", "code": error.code, "message": str(error)})
        scope.cancel()

    async def _end(self, scope: trio.CancelScope) -> None:
        await self._closing.wait()
        # The goodbye of a service that ends together with the server is still to be relayed.
        await trio.sleep(_FAREWELL_S)
        self._code = GOING_AWAY
        scope.cancel()

    async def _send(self, message: dict[str, Any]) -> None:
        await self._send_bytes(msgspec.msgpack.encode(message))

    async def _send_bytes(self, payloads: bytes) -> None:
        async with self._sending:
            await self._websocket.send_bytes(payloads)

    async def _close(self, code: int) -> None:
        from starlette.websockets import WebSocketState

        both = (self._websocket.client_state, self._websocket.application_state)
        if all(state is WebSocketState.CONNECTED for state in both):
            await self._websocket.close(code)
