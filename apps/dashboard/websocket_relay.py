"""Relay of unread messages between a browser's WebSocket and a connection of protocol 1."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from spikewire.runtime import (
    Framer,
    ProtocolError,
    ServiceAddress,
    ServiceError,
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
_FAREWELL_S = 0.2
# A page with a last will repeats it each second. TCP notices a phone that lost its Wi-Fi only after
# 20 s, and everything shown in that time would be taught.
SILENCE_S = 3.0

NORMAL, GOING_AWAY, TRY_LATER = 1000, 1001, 1013


class Relay:
    """Relay of messages in both directions until either side ends.

    A binary WebSocket message from the browser is one message of protocol 1. A binary message to
    the browser holds one or more. A text message from the browser is its last will: a message of
    protocol 1 in hexadecimal digits. The relay sends it to the service if the browser vanishes, or
    is silent for three seconds. The browser repeats its last will in time. An empty text cancels
    it.

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
    """

    def __init__(self, websocket: WebSocket, address: ServiceAddress, closing: trio.Event) -> None:
        self._websocket = websocket
        self._address = address
        self._closing = closing
        self._last_will = b""
        self._code = NORMAL

    async def run(self) -> None:
        """Connect to the service and relay; a failure is reported to the browser."""
        try:
            stream = await self._address.open()
        except ServiceError as error:
            await self._send({"type": "unreachable", "message": str(error)})
            await self._close(TRY_LATER)
            return
        async with stream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._to_service, stream, nursery.cancel_scope)
                nursery.start_soon(self._to_browser, stream, nursery.cancel_scope)
                nursery.start_soon(self._end, nursery.cancel_scope)
            await self._send_last_will(stream)
        await self._close(self._code)

    async def _to_service(self, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        try:
            while (event := await self._receive(stream))["type"] == "websocket.receive":
                if (payload := event.get("bytes")) is not None:
                    await stream.send_all(frame(payload))
                else:
                    self._last_will = _unhex(event.get("text") or "")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The service's last messages may still be on their way to the browser.
            return
        scope.cancel()

    async def _receive(self, stream: trio.abc.Stream) -> MutableMapping[str, Any]:
        if self._last_will:
            with trio.move_on_after(SILENCE_S):
                return await self._websocket.receive()
            # The connection stays: a browser that comes back is informed by the service.
            await stream.send_all(frame(self._last_will))
            self._last_will = b""
        return await self._websocket.receive()

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
                if greeted and (payloads := first + framer.take_raw()):
                    await self._websocket.send_bytes(payloads)
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

    async def _send_last_will(self, stream: trio.abc.Stream) -> None:
        if not self._last_will:
            return
        with trio.move_on_after(_FAREWELL_S, shield=True):
            try:
                await stream.send_all(frame(self._last_will))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _send(self, message: dict[str, Any]) -> None:
        await self._websocket.send_bytes(msgspec.msgpack.encode(message))

    async def _close(self, code: int) -> None:
        from starlette.websockets import WebSocketState

        both = (self._websocket.client_state, self._websocket.application_state)
        if all(state is WebSocketState.CONNECTED for state in both):
            await self._websocket.close(code)


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
