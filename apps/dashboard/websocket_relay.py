"""Between one browser's WebSocket and one connection of protocol 1: messages, unread."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from spikewire.runtime import Framer, ProtocolError, ServiceAddress, ServiceError, frame

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

FROM_SERVICE_BYTES = 4 * 1024 * 1024
"""The longest message carried to a browser; pictures are 33 kB at most."""
FROM_BROWSER_BYTES = 64 * 1024
"""The longest message carried to a service; what the page says is below 1 kB."""
_CHUNK = 256 * 1024
# What a service says within this time goes to the browser as one WebSocket message. A page redraws
# at 30 Hz or more; a service publishes 160 messages a second, each of which would wake both sides.
_GATHER_S = 0.02
_FAREWELL_S = 0.2
# A page with a last will repeats it each second. A phone that lost its Wi-Fi ends no connection:
# TCP finds out after 20 s, and whatever is shown meanwhile would be taught.
SILENCE_S = 3.0

NORMAL, GOING_AWAY, TRY_LATER = 1000, 1001, 1013


class Relay:
    """Carries messages both ways until either side ends.

    A binary WebSocket message from the browser is one message of protocol 1; one to the browser
    is one or more, back to back. A text message from the browser is its last will: a message of
    protocol 1, in hexadecimal digits, that the service is sent if the browser vanishes, or says
    nothing for three seconds: it repeats its will while that holds. An empty one takes it back.

    A browser that does not read stops the reading from the service, whose own policies act then.

    Parameters
    ----------
    websocket
        Accepted.
    address
        Where the service is.
    closing
        Set when the server ends.
    """

    def __init__(self, websocket: WebSocket, address: ServiceAddress, closing: trio.Event) -> None:
        self._websocket = websocket
        self._address = address
        self._closing = closing
        self._will = b""
        self._code = NORMAL

    async def run(self) -> None:
        """Connect to the service and carry; tells the browser if that cannot be done."""
        try:
            stream = await self._address.open()
        except ServiceError as error:
            await self._say({"type": "unreachable", "message": str(error)})
            await self._close(TRY_LATER)
            return
        async with stream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._to_service, stream, nursery.cancel_scope)
                nursery.start_soon(self._to_browser, stream, nursery.cancel_scope)
                nursery.start_soon(self._end, nursery.cancel_scope)
            await self._execute_will(stream)
        await self._close(self._code)

    async def _to_service(self, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        try:
            while (said := await self._hear(stream))["type"] == "websocket.receive":
                if (payload := said.get("bytes")) is not None:
                    await stream.send_all(frame(payload))
                else:
                    self._will = _unhex(said.get("text") or "")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # What the service had to say about it may still be on its way to the browser.
            return
        scope.cancel()

    async def _hear(self, stream: trio.abc.Stream) -> MutableMapping[str, Any]:
        if self._will:
            with trio.move_on_after(SILENCE_S):
                return await self._websocket.receive()
            # Nobody is there, or nobody who knows what is being done. The connection stays: a
            # browser that comes back is told by the service how things stand.
            await stream.send_all(frame(self._will))
            self._will = b""
        return await self._websocket.receive()

    async def _to_browser(self, stream: trio.abc.Stream, scope: trio.CancelScope) -> None:
        framer = Framer(FROM_SERVICE_BYTES)
        try:
            while data := await stream.receive_some(_CHUNK):
                framer.feed(data)
                if payloads := framer.take_raw():
                    await self._websocket.send_bytes(payloads)
                await trio.sleep(_GATHER_S)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except ProtocolError as error:
            await self._say({"type": "error", "code": error.code, "message": str(error)})
        scope.cancel()

    async def _end(self, scope: trio.CancelScope) -> None:
        await self._closing.wait()
        # A service that ends together with the server has said goodbye: it is still to be carried.
        await trio.sleep(_FAREWELL_S)
        self._code = GOING_AWAY
        scope.cancel()

    async def _execute_will(self, stream: trio.abc.Stream) -> None:
        if not self._will:
            return
        with trio.move_on_after(_FAREWELL_S, shield=True):
            try:
                await stream.send_all(frame(self._will))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _say(self, message: dict[str, Any]) -> None:
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
