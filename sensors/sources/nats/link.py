"""NATS for trio: the asyncio client in one thread, behind calls that are awaited one by one.

The client is asyncio's, and trio owns this process. Guest mode would run both in one thread, and
then a fault of either loop, or a long step of a network, would stop the other; a thread with its
own loop shares nothing but these calls. A call returns when the server has confirmed it, so no
more than one batch is ever on the other side: what waits, waits in the caller's bounded queue.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from spikewire.sensors.errors import SourceError
from spikewire.sensors.sources.nats.address import BrokerError, NatsServer

if TYPE_CHECKING:
    from spikewire.sensors.sources.nats.client import Message, NatsConnection

_T = TypeVar("_T")
_JOIN_S = 3.0


def need_nats() -> None:
    """Raise a sentence if the extra is not installed."""
    try:
        import nats  # noqa: F401
        import nkeys  # noqa: F401
    except ImportError:
        raise SourceError(
            "NATS needs the packages of an extra: pip install 'spikewire[nats]'."
        ) from None


class NatsLink:
    """A connection to a NATS server that can be made again after it was lost.

    One task uses it at a time.

    Parameters
    ----------
    server
        Where it is.

    Attributes
    ----------
    max_payload
        The largest payload that the server takes, in bytes; known once connected.
    """

    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.max_payload = 1 << 20
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._connection: NatsConnection | None = None

    async def connect(self) -> None:
        """Connect, dropping the connection that was.

        Raises
        ------
        BrokerError
            No server of those named can be used; says why, of the last.
        SourceError
            The extra is not installed, or a file cannot be used.
        """
        need_nats()
        await self._call(self._connect())

    async def _connect(self) -> None:
        from spikewire.sensors.sources.nats.client import NatsConnection

        await self._disconnect()
        fault: BrokerError | None = None
        for url in self.server.urls:
            connection = NatsConnection(self.server)
            try:
                await connection.open(url)
            except BrokerError as error:
                fault = error
                await connection.close()
                continue
            self._connection = connection
            self.max_payload = connection.max_payload
            return
        assert fault is not None
        raise fault

    async def publish(self, batch: Sequence[Message], *, stored: bool = False) -> None:
        """Publish in order; returns when the server has taken all.

        Parameters
        ----------
        batch
            Subjects, payloads and headers; none: a mere round trip, which finds a lost connection.
        stored
            Wait until a JetStream stream has stored each.

        Raises
        ------
        BrokerError
            The connection was lost: the server may have taken some of the batch, or all.
        """
        await self._call(self._connected().publish(batch, stored))

    async def subscribe(self, subject: str, take: Callable[[Any], None]) -> None:
        """Call ``take`` with each message of a subject, in the other thread."""
        await self._call(self._connected().subscribe(subject, take))

    async def wait_lost(self) -> None:
        """Wait until the connection is lost, and say why by :class:`BrokerError`."""
        await self._call(self._connected().wait_lost())

    async def aclose(self) -> None:
        """Close the connection and end the thread; also when cancelled."""
        if self._loop is None or self._thread is None:
            return
        with trio.CancelScope(shield=True):
            with trio.move_on_after(_JOIN_S):
                await self._call(self._disconnect())
            self._loop.call_soon_threadsafe(self._loop.stop)
            await trio.to_thread.run_sync(self._thread.join, _JOIN_S)
        self._loop = self._thread = None

    # -- inside ----------------------------------------------------------------------------------

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _connected(self) -> NatsConnection:
        if self._connection is None:
            raise BrokerError(f"NATS at {self.server.name} is not connected.")
        return self._connection

    async def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the other thread; cancelling this cancels it."""
        token = trio.lowlevel.current_trio_token()
        done = trio.Event()

        def wake(_: object) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(done.set)

        future = asyncio.run_coroutine_threadsafe(work, self._running())
        future.add_done_callback(wake)
        try:
            await done.wait()
        except trio.Cancelled:
            future.cancel()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise BrokerError(f"The connection to NATS at {self.server.name} was lost.") from None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_run, args=(self._loop,), name="nats", daemon=True
            )
            self._thread.start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    # What the library's own tasks stumble over once a connection is lost concerns nobody any more.
    loop.set_exception_handler(lambda loop, context: None)
    try:
        loop.run_forever()
        loop.run_until_complete(_drop(asyncio.all_tasks(loop)))
    finally:
        loop.close()


async def _drop(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
