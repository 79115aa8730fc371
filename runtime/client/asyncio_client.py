"""The client for asyncio programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Unpack

from spikewire.runtime.client.client import accepted, greeted, silence_limit_s, take_message
from spikewire.runtime.client.message_buffer import MessageBuffer
from spikewire.runtime.client.options import ClientKeywords, ClientOptions
from spikewire.runtime.client.requests import LEASE_S, RequestMethods, request_fields
from spikewire.runtime.errors import ConnectionLost, ServiceError
from spikewire.runtime.net.address import ServiceAddress
from spikewire.runtime.protocol.frames import CLIENT_FRAME_LIMIT, Framer, encode
from spikewire.runtime.protocol.messages import Policy
from spikewire.runtime.settings.settings import DEFAULT_PORT


class AsyncioClient(RequestMethods):
    """A conversation with a service; made by :func:`connect_asyncio`.

    Messages and gaps are taken by iterating, until the service says goodbye. Iterations and
    requests raise ConnectionLost or ProtocolError when the connection ends without one.

    Attributes
    ----------
    hello, goodbye
        The service's first message, and its last one once it came.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, buffer: int
    ) -> None:
        self._reader, self._writer = reader, writer
        self._framer = Framer(CLIENT_FRAME_LIMIT)
        self._buffer = MessageBuffer(buffer)
        self._news = asyncio.Event()
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = 0
        self._end: ServiceError | None = None
        self._teaches = asyncio.Event()
        self.hello: dict[str, Any] = {}
        self.goodbye: dict[str, Any] | None = None

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        while (message := self._buffer.pop()) is None:
            if self.goodbye is not None:
                raise StopAsyncIteration
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        return message

    async def subscribe(self, *topics: str, policy: Policy = "drop_oldest") -> dict[str, Any]:
        """Take messages of these topics (or patterns, such as ``*``) from now on."""
        return await self.request("subscribe", topics=list(topics), policy=policy)

    async def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Make a request and return its answer; raises RequestRefused if the service refuses."""
        if self._end is not None:
            raise self._end
        self._last_id += 1
        reply = self._replies[self._last_id] = asyncio.get_running_loop().create_future()
        sent = request_fields(kind, fields, self.hello, beats=True)
        if "lease_s" in sent:
            self._teaches.set()
        self._writer.write(encode({"type": kind, "id": self._last_id, **sent}))
        return accepted(kind, await reply)

    async def _receive(self, limit_s: float | None) -> dict[str, Any]:
        while (message := take_message(self._framer)) is None:
            try:
                # wait_for of Python 3.11 forgets to be cancelled where data come at that moment.
                async with asyncio.timeout(limit_s):
                    data = await self._reader.read(64 * 1024)
            except TimeoutError:
                raise ConnectionLost(f"The service was silent for {limit_s:g} s.") from None
            except OSError as error:
                raise ConnectionLost(f"The connection broke: {error}.") from error
            if not data:
                raise ConnectionLost("The service closed the connection without a goodbye.")
            self._framer.feed(data)
        return message

    async def _beat(self) -> None:
        """Tell a service that the teacher lives, from the first lesson on."""
        await self._teaches.wait()
        while self._end is None:
            await asyncio.sleep(LEASE_S / 3)
            self._writer.write(encode({"type": "beat"}))

    async def _read(self) -> None:
        limit_s = silence_limit_s(self.hello)
        try:
            while self.goodbye is None:
                message = await self._receive(limit_s)
                kind = message.get("type")
                if kind == "reply":
                    reply = self._replies.pop(message.get("id", 0), None)
                    if reply is not None and not reply.done():
                        reply.set_result(message)
                elif kind == "goodbye":
                    self.goodbye = message
                elif kind != "beat":
                    self._buffer.put(message)
                    self._news.set()
            self._end = ConnectionLost("The service said goodbye.")
        except ServiceError as error:
            self._end = error
        finally:
            self._end = self._end or ConnectionLost("The client is closed.")
            self._news.set()
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(self._end)


@asynccontextmanager
async def connect_asyncio(
    host: str | ServiceAddress = "127.0.0.1",
    port: int = DEFAULT_PORT,
    *,
    subscribe: Iterable[str] = (),
    policy: Policy = "drop_oldest",
    **options: Unpack[ClientKeywords],
) -> AsyncGenerator[AsyncioClient]:
    """Connect to a service from an asyncio program::

        async with connect_asyncio("127.0.0.1", 7462, subscribe=["result"]) as client:
            await client.teach("wave")
            async for message in client:
                print(message)

    The arguments and the errors are those of :func:`connect`.
    """
    chosen = ClientOptions(**options)
    address = chosen.address(host, port)
    reader, writer = await address.open_asyncio(chosen.timeout_s)
    client = AsyncioClient(reader, writer, chosen.buffer)
    try:
        writer.write(encode(chosen.hello()))
        client.hello = greeted(await client._receive(chosen.timeout_s))
        tasks = [asyncio.create_task(client._read()), asyncio.create_task(client._beat())]
        try:
            if topics := list(subscribe):
                await client.subscribe(*topics, policy=policy)
            yield client
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
