"""Topics followed across lost connections and restarts of their service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Unpack

import trio

from spikewire._tasks import background_tasks
from spikewire.runtime.client.client import Client, dialled
from spikewire.runtime.client.message_buffer import Message, MessageBuffer
from spikewire.runtime.client.notices import (
    Away,
    back_notice,
    goodbye_error,
    lost_notice,
    unanswered,
)
from spikewire.runtime.client.options import FollowKeywords, LossOptions, split_options
from spikewire.runtime.client.requests import RequestMethods
from spikewire.runtime.client.resume import TopicPositions
from spikewire.runtime.client.retry import Outages, Retry
from spikewire.runtime.errors import ConnectionLost, ProtocolError, ServiceError
from spikewire.runtime.net.address import ServiceAddress
from spikewire.runtime.protocol.messages import Policy, matching
from spikewire.runtime.settings.settings import DEFAULT_PORT

Dial = Callable[[], AbstractAsyncContextManager[Client]]


class ReconnectingClient(RequestMethods):
    """Messages of topics, across lost connections; made by :func:`follow`.

    Attributes
    ----------
    hello
        The last hello.
    goodbye
        The last goodbye, until the service is back.
    """

    def __init__(
        self,
        dial: Dial,
        positions: TopicPositions,
        *,
        retry: Retry,
        loss: LossOptions,
        buffer: int,
    ) -> None:
        self._dial = dial
        self._positions = positions
        self._outages = Outages(retry)
        self._loss = loss
        self._buffer = MessageBuffer(buffer)
        self._client: Client | None = None
        self._failure: ServiceError | None = None
        self._over = False
        self._lost_at: float | None = None
        self._news = trio.lowlevel.ParkingLot()
        self.hello: Message = {}
        self.goodbye: Message | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client is not None and self._client.alive

    @property
    def missed(self) -> int:
        """Messages lost here, because they were not taken in time; a gap told of each."""
        return self._buffer.missed

    @property
    def run(self) -> str | None:
        """The service's run, of which :attr:`last_seq` is."""
        return self._positions.run

    @property
    def last_seq(self) -> dict[str, int]:
        """The number of each topic's last message that came: what :func:`follow` takes to go on."""
        return self._positions.last_seq

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """The next message, gap or notice, until the service says goodbye for good.

        Raises
        ------
        ConnectionLost
            The service could not be found again within the attempts allowed.
        ProtocolError
            The service said what trying again cannot help: a wrong token, another protocol.
        """
        await trio.lowlevel.checkpoint()
        while (message := self._buffer.pop()) is None:
            if self._over:
                if self._failure is not None:
                    raise self._failure
                raise StopAsyncIteration
            await self._news.park()
        return message

    async def request(self, kind: str, *, away: Away | None = None, **fields: Any) -> Message:
        """Make a request and return its answer; it is sent once, or not at all.

        Parameters
        ----------
        away
            What to do while there is no connection: ``wait`` for one, or ``fail``; None as
            :func:`follow` was told.

        Raises
        ------
        RequestRefused
            The service refused it.
        ConnectionLost
            There is no connection; or it was lost before the answer: the request may have been
            done, and is not sent again.
        """
        while not self.connected:
            if self._over:
                raise self._failure or ConnectionLost("The service has said goodbye.")
            if (away or self._loss.away) == "fail":
                raise ConnectionLost(f"The service is away: {kind} was not asked.")
            await self._news.park()
        assert self._client is not None
        try:
            return await self._client.request(kind, **fields)
        except ConnectionLost as error:
            raise unanswered(kind, error) from error

    # -- inside ----------------------------------------------------------------------------------

    async def _begun(self) -> None:
        """Wait for the first connection."""
        while not self.hello:
            if self._over:
                raise self._failure or ConnectionLost("The service said goodbye at once.")
            await self._news.park()

    async def _keep_up(self) -> None:
        try:
            while (error := await self._converse()) is not None:
                now = trio.current_time()
                pause = self._outages.pause(error, now)
                if self.hello and self._lost_at is None:
                    self._lost_at = now
                    self._tell(lost_notice(error, self.goodbye))
                await trio.sleep(pause)
        except ServiceError as error:
            self._failure = error
        finally:
            self._over = True
            self._news.unpark_all()

    async def _converse(self) -> ServiceError | None:
        """Follow over one connection; what ended it, or None where nothing shall come after."""
        client: Client | None = None
        try:
            async with self._dial() as client:
                new_run = self._positions.met(client.hello)
                replies = [
                    await client.request("subscribe", **fields)
                    for fields in self._positions.subscriptions(client.hello)
                ]
                self._arrived(client, new_run)
                for reply in replies:
                    self._put(*self._positions.answered(reply))
                async for message in client:
                    self._put(*self._positions.take(message))
        except (ConnectionLost, ProtocolError) as error:
            if client is None or client.goodbye is None:
                return error
        finally:
            self._client = None
        self.goodbye = client.goodbye or {}
        return None if self._loss.after_goodbye == "end" else goodbye_error(self.goodbye)

    def _arrived(self, client: Client, new_run: bool) -> None:
        now = trio.current_time()
        failed = self._outages.failed
        self._outages.connected(now)
        self._client, self.hello, self.goodbye = client, client.hello, None
        if self._lost_at is not None:
            self._tell(back_notice(client.hello, new_run, now - self._lost_at, failed + 1))
            self._lost_at = None
        self._news.unpark_all()

    def _tell(self, notice: Message) -> None:
        if self._loss.notices:
            self._put(notice)

    def _put(self, *messages: Message) -> None:
        for message in messages:
            self._buffer.put(message)
        if messages:
            self._news.unpark_all()


@asynccontextmanager
async def follow(
    host: str | ServiceAddress = "127.0.0.1",
    port: int = DEFAULT_PORT,
    *,
    subscribe: Iterable[str] = (),
    policy: Policy = "drop_oldest",
    retry: Retry | None = None,
    last_seq: Mapping[str, int] | None = None,
    run: str | None = None,
    **options: Unpack[FollowKeywords],
) -> AsyncGenerator[ReconnectingClient]:
    """Follow topics of a service, across lost connections::

        async with follow("127.0.0.1", 7462, subscribe=["result"]) as client:
            async for message in client:
                print(message)

    After a loss the connection is made again and each topic goes on where it was: nothing comes
    twice. Messages that the service does not keep any more are told by a gap. In another run of the
    service the numbers begin anew.

    Parameters
    ----------
    host, port
        As for :func:`connect`.
    subscribe, policy
        Topics to take, and what happens to messages that are not read in time.
    retry
        Schedule of the attempts to find a lost service. By default they go on for ever, with pauses
        of up to 10 s, once the service was there.
    last_seq, run
        The ``last_seq`` and ``run`` of an earlier client, to go on from there.
    **options
        Those of :func:`connect`, and:

        - ``after_goodbye``: whether a goodbye is the ``end``, or to ``wait`` for the service to
          come back;
        - ``away``: whether requests made while there is no connection ``wait`` for one or ``fail``;
        - ``notices``: deliver ``{"type": "lost", "reason"}`` (with the ``goodbye`` if there was
          one) and ``{"type": "back", "hello", "new_run", "away_s", "attempts"}`` among the
          messages.

    Raises
    ------
    ConnectionLost, ProtocolError
        As :func:`connect` does, where ``retry`` does not say to wait at the start.
    """
    if isinstance(host, str) and matching([host]):
        raise TypeError(f"{host!r} is a topic: topics are given as subscribe=[{host!r}]")
    client_options, loss = split_options({**options})
    address = client_options.address(host, port)

    def dial() -> AbstractAsyncContextManager[Client]:
        return dialled(address, client_options)

    positions = TopicPositions(last_seq, run)
    positions.want(subscribe, policy)
    client = ReconnectingClient(
        dial, positions, retry=retry or Retry(), loss=loss, buffer=client_options.buffer
    )
    async with keeping_up(client):
        yield client


@asynccontextmanager
async def keeping_up(client: ReconnectingClient) -> AsyncGenerator[None]:
    """Hold the connection of a :class:`ReconnectingClient` within the block."""
    async with background_tasks() as nursery:
        nursery.start_soon(client._keep_up)
        await client._begun()
        yield
