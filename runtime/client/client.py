"""The client for trio programs."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Unpack

import trio

from spikewire._names import without_controls
from spikewire._tasks import background_tasks
from spikewire.runtime.client.message_buffer import MessageBuffer
from spikewire.runtime.client.options import ClientKeywords, ClientOptions
from spikewire.runtime.client.requests import LEASE_S, RequestMethods, request_fields
from spikewire.runtime.errors import ConnectionLost, ProtocolError, RequestRefused
from spikewire.runtime.net.address import ServiceAddress
from spikewire.runtime.protocol.frames import CLIENT_FRAME_LIMIT, Framer, decode, encode
from spikewire.runtime.protocol.messages import Policy
from spikewire.runtime.protocol.service_messages import check_message, check_reply
from spikewire.runtime.settings.settings import DEFAULT_PORT

_CHUNK = 64 * 1024
_SILENT_BEATS = 3  # heartbeats that may be missing before a service is given up


class _Results:
    # Not an async generator: that would have to be closed after a break.
    def __init__(self, client: Client) -> None:
        self._client = client

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        while True:
            message = await anext(self._client)
            if message["type"] == "message" and message["topic"] == "result":
                return message


class Client(RequestMethods):
    """A conversation with a service; made by :func:`connect` or :func:`converse`.

    Requests may be made from several tasks. Messages are taken by iterating. Those that come
    meanwhile are kept up to a bound. Beyond it the oldest are lost: they are counted in
    :attr:`missed`, and a gap comes in their place.

    Attributes
    ----------
    hello
        The service's hello: ``classes``, ``tick_us``, ``input``, ``topics``, ``limits``, ...
    goodbye
        The service's goodbye, once it came.
    """

    def __init__(self, stream: trio.abc.Stream, buffer: int) -> None:
        self._stream = stream
        self._framer = Framer(CLIENT_FRAME_LIMIT)
        self._buffer = MessageBuffer(buffer)
        self._news = trio.lowlevel.ParkingLot()
        self._ended = False
        self._sending = trio.Lock()
        self._waiting: dict[int, trio.Event] = {}
        self._replies: dict[int, dict[str, Any]] = {}
        self._last_id = 0
        self._lost: Exception | None = None
        self._silence_limit_s = math.inf
        self._teaches = trio.Event()
        self.hello: dict[str, Any] = {}
        self.goodbye: dict[str, Any] | None = None

    @property
    def missed(self) -> int:
        """Messages lost here, because they were not taken in time."""
        return self._buffer.missed

    @property
    def alive(self) -> bool:
        """Whether the connection stands: neither lost nor ended by a goodbye."""
        return self._lost is None and self.goodbye is None

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        """Take the next message or gap (``type`` ``gap``), until the service says goodbye.

        Raises
        ------
        ConnectionLost
            The connection ended without a goodbye.
        ProtocolError
            The service closed the connection with an error.
        """
        await trio.lowlevel.checkpoint()
        while (message := self._buffer.pop()) is None:
            if self._lost is not None:
                raise self._lost
            if self._ended:
                raise StopAsyncIteration
            await self._news.park()
        return message

    def results(self) -> AsyncIterator[dict[str, Any]]:
        """Messages of the result topic only, until the service says goodbye."""
        return _Results(self)

    async def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Make a request and return its answer.

        Raises
        ------
        RequestRefused
            The service refused it.
        ConnectionLost, ProtocolError
            The connection ended before the answer.
        """
        self._last_id += 1
        number = self._last_id
        answered = self._waiting[number] = trio.Event()
        sent = request_fields(kind, fields, self.hello, beats=True)
        if "lease_s" in sent:
            self._teaches.set()
        try:
            await self._send({"type": kind, "id": number, **sent})
            if self._lost is None and self.goodbye is None:
                await answered.wait()
        finally:
            self._waiting.pop(number, None)
        reply = self._replies.pop(number, None)
        if reply is None:
            raise self._lost or ConnectionLost("The service said goodbye before it answered.")
        return accepted(kind, reply)

    async def subscribe(
        self,
        *topics: str,
        policy: Policy = "drop_oldest",
        last_seq: Mapping[str, int] | None = None,
        run: str | None = None,
    ) -> dict[str, Any]:
        """Take messages of these topics (or patterns, such as ``*``) from now on.

        Parameters
        ----------
        policy
            Treatment of messages that are not read in time.
        last_seq, run
            Number of each topic's last known message, and its run (``hello["run"]``). Messages
            missed since are sent first, as far as they are kept. The reply counts them under
            ``resume``, and the lost ones.
        """
        more = {} if last_seq is None else {"last_seq": dict(last_seq), "run": run}
        return await self.request("subscribe", topics=list(topics), policy=policy, **more)

    async def unsubscribe(self, *topics: str) -> dict[str, Any]:
        """Take messages of these topics no more."""
        return await self.request("unsubscribe", topics=list(topics))

    # -- inside ----------------------------------------------------------------------------------

    async def _send(self, message: Mapping[str, Any]) -> None:
        if self._lost is not None:
            raise self._lost
        async with self._sending:
            # When it breaks the reader knows why: an error or a goodbye may still be to be read.
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._stream.send_all(encode(message))

    async def _receive(self) -> dict[str, Any]:
        while (message := take_message(self._framer)) is None:
            try:
                with trio.move_on_after(self._silence_limit_s) as scope:
                    data = await self._stream.receive_some(_CHUNK)
                if scope.cancelled_caught:
                    limit_s = self._silence_limit_s
                    raise ConnectionLost(
                        f"The service was silent for {limit_s:g} s: not even a heartbeat."
                    )
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionLost(f"The connection broke: {error}.") from error
            if not data:
                raise ConnectionLost("The service closed the connection without a goodbye.")
            self._framer.feed(data)
        return message

    async def _handshake(self, hello: Mapping[str, Any], timeout_s: float | None) -> None:
        with trio.move_on_after(math.inf if timeout_s is None else timeout_s) as scope:
            await self._send(hello)
            self.hello = greeted(await self._receive())
        if scope.cancelled_caught:
            raise ConnectionLost(f"No hello from the service within {timeout_s:g} s.")
        self._silence_limit_s = silence_limit_s(self.hello)

    async def _beat(self) -> None:
        """Tell a service that the teacher lives, from the first lesson on."""
        await self._teaches.wait()
        while self.alive:
            await trio.sleep(LEASE_S / 3)
            with suppress(ConnectionLost, ProtocolError):
                await self._send({"type": "beat"})

    async def _read(self) -> None:
        try:
            while self.goodbye is None:
                message = await self._receive()
                match message.get("type"):
                    case "reply":
                        self._answered(message)
                    case "goodbye":
                        self.goodbye = message
                    case "beat":
                        pass
                    case _:
                        self._buffer.put(message)
                        self._news.unpark_all()
        except (ConnectionLost, ProtocolError) as error:
            self._lost = error
        finally:
            self._ended = True
            self._news.unpark_all()
            for event in self._waiting.values():
                event.set()

    def _answered(self, reply: dict[str, Any]) -> None:
        number = reply.get("id")
        if isinstance(number, int) and (event := self._waiting.get(number)) is not None:
            self._replies[number] = reply
            event.set()


def take_message(framer: Framer) -> dict[str, Any] | None:
    """Take the next message of a service; None until more bytes came.

    Messages of an unknown type are left out.

    Raises
    ------
    ProtocolError
        It is no message, or the error that ends the connection.
    """
    while (payload := framer.take()) is not None:
        message = decode(payload)
        if not check_message(message):
            continue
        if message["type"] == "error":
            raise ProtocolError(message["code"], without_controls(message["message"]))
        return message
    return None


def accepted(kind: str, reply: dict[str, Any]) -> dict[str, Any]:
    """Check that a service carried a request out; returns the reply.

    Raises
    ------
    RequestRefused
        It did not.
    ProtocolError
        The reply lacks fields.
    """
    check_reply(kind, reply)
    if not reply["ok"]:
        raise RequestRefused(reply)
    return reply


def greeted(message: dict[str, Any]) -> dict[str, Any]:
    """Check that a service's first message is its hello."""
    if message.get("type") != "hello":
        raise ProtocolError("hello_first", "The service did not begin with a hello.")
    return message


def silence_limit_s(hello: Mapping[str, Any]) -> float:
    """Seconds of silence after which a service that sends heartbeats is lost."""
    beats = hello.get("limits", {}).get("heartbeat_s", 0)
    known = isinstance(beats, int | float) and beats > 0
    return _SILENT_BEATS * float(beats) + 1 if known else math.inf


@asynccontextmanager
async def converse(
    stream: trio.abc.Stream,
    *,
    token: str | None = None,
    pipeline: str | None = None,
    name: str = "spikewire",
    timeout_s: float = 10.0,
    buffer: int = 4096,
) -> AsyncGenerator[Client]:
    """Speak protocol 1 over a stream that is connected already.

    Parameters
    ----------
    stream
        Closed at the end.
    token, pipeline, name, timeout_s, buffer
        As for :func:`connect`; ``timeout_s`` limits the wait for the hello.

    Raises
    ------
    ConnectionLost
        There was no hello within ``timeout_s``.
    ProtocolError
        The other side does not speak protocol 1, or refuses the connection.
    """
    options = ClientOptions(
        token=token, pipeline=pipeline, name=name, timeout_s=timeout_s, buffer=buffer
    )
    async with _conversation(stream, options) as client:
        yield client


@asynccontextmanager
async def dialled(address: ServiceAddress, options: ClientOptions) -> AsyncGenerator[Client]:
    """Connect to an address; the errors are those of :func:`connect`."""
    limit_s = math.inf if options.timeout_s is None else options.timeout_s
    async with _conversation(await address.open(limit_s), options) as client:
        yield client


@asynccontextmanager
async def _conversation(stream: trio.abc.Stream, options: ClientOptions) -> AsyncGenerator[Client]:
    client = Client(stream, options.buffer)
    async with stream:
        await client._handshake(options.hello(), options.timeout_s)
        async with background_tasks() as nursery:
            nursery.start_soon(client._read)
            nursery.start_soon(client._beat)
            yield client


@asynccontextmanager
async def connect(
    host: str | ServiceAddress = "127.0.0.1",
    port: int = DEFAULT_PORT,
    *,
    subscribe: Iterable[str] = (),
    policy: Policy = "drop_oldest",
    **options: Unpack[ClientKeywords],
) -> AsyncGenerator[Client]:
    """Connect to a service over TCP, TLS or a Unix socket::

        async with connect("127.0.0.1", 7462, subscribe=["result"]) as client:
            await client.teach("wave")
            async for message in client:
                print(message)

    Parameters
    ----------
    host, port
        Address of the service. ``host`` may also be text such as ``127.0.0.1:7462`` or
        ``unix:PATH``, or a :class:`ServiceAddress`.
    subscribe, policy
        Topics to take from the start, and what to do when they come too fast.
    **options
        Keyword arguments with these names:

        - ``token``: secret that admits the client (default: ``SPIKEWIRE_TOKEN`` from the
          environment);
        - ``pipeline``: pipeline of the service (default: its first);
        - ``name``: name of this client in the service's log;
        - ``tls``, ``ca``: speak TLS, and trust the system's authorities or those of a PEM file;
        - ``unix_path``: a Unix socket, instead of host and port;
        - ``timeout_s``: seconds that the service has to answer (10);
        - ``buffer``: messages kept until they are taken (4,096). Beyond it the oldest are lost, and
          a gap says so.

    Raises
    ------
    ConnectionLost
        Nothing answers there within ``timeout_s``.
    ProtocolError
        The other side does not speak protocol 1, or refuses the connection.
    """
    chosen = ClientOptions(**options)
    async with dialled(chosen.address(host, port), chosen) as client:
        topics = list(subscribe)
        if topics:
            await client.subscribe(*topics, policy=policy)
        yield client
