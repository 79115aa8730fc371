"""The asyncio side of NATS: one connection, confirmed publishing, errors as sentences.

Only the thread of ``NatsLink`` runs this. The client's own reconnecting is
switched off: it would keep unsent messages in a buffer of its own, where what was half sent when
the connection broke cannot be told from what arrived. Here a batch is confirmed or it is not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from nats.aio.client import Client as NatsClient
from nats.aio.msg import Msg
from nats.errors import AuthorizationError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError
from nats.protocol.parser import AWAITING_CONTROL_LINE, AWAITING_MSG_PAYLOAD, Parser

from spikewire.sensors.errors import SourceError
from spikewire.sensors.sources.nats.address import BrokerError, NatsServer

CONNECT_S = 5
CONFIRM_S = 10.0
_PING_S = 20
_CLOSE_S = 2.0
MOST_BYTES = 64 * 1024 * 1024
"""Longest payload that is taken, whatever the server allows: the most that NATS can be set to."""
HEADER_BYTES = 64 * 1024
LINE_BYTES = 1024 * 1024
"""Longest line of a server, such as a list of its cluster."""

# Every fault is told by an exception; without a handler the library's log goes to the terminal.
logging.getLogger("nats").addHandler(logging.NullHandler())

Message = tuple[str, bytes, Mapping[str, str] | None]
"""Subject, payload, headers."""


class _PlainServerError(Exception):
    pass


class _AbsurdMessageError(OSError):
    """An announcement of more bytes than a server may send; the library ends the connection."""


class _Parser(Parser):
    """The library's parser, which believes any length and gathers bytes up to it."""

    async def parse(self, data: bytes = b"") -> None:
        """Parse what came; refuse what would be too much to hold."""
        await super().parse(data)
        most = min(int(self.nc.max_payload), MOST_BYTES) + HEADER_BYTES
        if self.state == AWAITING_MSG_PAYLOAD and self.needed > most:
            raise _AbsurdMessageError(f"announced a message of {self.needed} bytes")
        if self.state == AWAITING_CONTROL_LINE and len(self.buf) > LINE_BYTES:
            raise _AbsurdMessageError(f"sent a line of more than {LINE_BYTES} bytes")


class _Client(NatsClient):
    must_be_secure = False

    def __init__(self) -> None:
        super().__init__()
        self._ps = _Parser(self)

    @property
    def alive(self) -> bool:
        # The library takes a flush for done once nothing reads the answers any more.
        return (
            self.is_connected and self._reading_task is not None and not self._reading_task.done()
        )

    def _connect_command(self) -> bytes:
        # The last step before credentials leave. The library speaks TLS only if the server asks
        # for it, whatever the address says: one that does not would get them in the clear.
        if self.must_be_secure and not self._server_info.get("tls_required"):
            raise _PlainServerError
        return super()._connect_command()


class NatsConnection:
    """One connection to a NATS server, from :meth:`open` until it is lost or closed."""

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._client = _Client()
        self._client.must_be_secure = server.tls
        self._stored: JetStreamContext | None = None
        self._lost = asyncio.Event()
        self._fault: Exception | None = None
        self._open = False

    @property
    def max_payload(self) -> int:
        """The largest payload that the server takes, in bytes."""
        return int(self._client.max_payload)

    async def open(self, url: str) -> None:
        """Connect and prove it by a round trip."""
        options: dict[str, Any] = {}
        if self._server.tls:
            options["tls"] = self._authorities()
        if self._server.credentials is not None:
            options["user_credentials"] = self._server.credentials
        await self._confirm(self._connect(url, options), 2 * CONNECT_S)

    async def _connect(self, url: str, options: dict[str, Any]) -> None:
        await self._client.connect(
            url, name="spikewire", allow_reconnect=False, connect_timeout=CONNECT_S,
            ping_interval=_PING_S, error_cb=self._on_error, closed_cb=self._on_closed, **options,
        )  # fmt: skip
        self._open = True

    async def publish(self, batch: Sequence[Message], stored: bool) -> None:
        """Publish in order; returns when the server has taken all (or, ``stored``, kept all).

        Without a batch it is a mere round trip.
        """
        await self._confirm(
            self._publish_stored(batch) if stored else self._publish(batch), CONFIRM_S
        )

    async def _publish(self, batch: Sequence[Message]) -> None:
        for subject, payload, headers in batch:
            await self._client.publish(subject, payload, headers=_headers(headers))
        # The library's flush writes its PING ahead of publications that it still holds, so that the
        # answer would confirm nothing: seen in one batch of seven. These go out first.
        await self._client._flush_pending(force_flush=True)
        await self._client.flush(int(CONFIRM_S))

    async def _publish_stored(self, batch: Sequence[Message]) -> None:
        if self._stored is None:
            self._stored = self._client.jetstream(publish_async_max_pending=1 << 16)
        waiting = [
            await self._stored.publish_async(subject, payload, headers=_headers(headers))
            for subject, payload, headers in batch
        ]
        if not waiting:
            await self._client.flush(int(CONFIRM_S))
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        for one in outcomes:
            if isinstance(one, BaseException):
                raise one

    async def subscribe(self, subject: str, take: Callable[[Msg], None]) -> None:
        """Call ``take`` with each message of a subject, in this thread."""

        async def call(message: Msg) -> None:
            take(message)

        async def both() -> None:
            await self._client.subscribe(subject, cb=call)
            await self._client.flush(int(CONFIRM_S))

        await self._confirm(both(), CONFIRM_S)

    async def wait_lost(self) -> None:
        """Return when the connection is lost; says why by :class:`BrokerError`."""
        await self._lost.wait()
        raise self._sentence(self._fault or self._client.last_error or EOFError())

    async def close(self) -> None:
        """Close; never fails."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._client.close()
        except Exception:
            # What was not confirmed is known not to be: how the socket ends says nothing more.
            return

    # -- inside ----------------------------------------------------------------------------------

    async def _on_error(self, error: Exception) -> None:
        if not self._open:
            # While connecting the library would go on trying, without end.
            raise error
        self._fault = error

    async def _on_closed(self) -> None:
        self._lost.set()

    async def _confirm(self, work: Coroutine[Any, Any, None], limit_s: float) -> None:
        """Do it unless the connection is lost first; what goes wrong becomes a BrokerError."""
        task = asyncio.ensure_future(work)
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({task, lost}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise (
                    self._fault
                    or self._client.last_error
                    or (EOFError() if lost.done() else TimeoutError())
                )
            task.result()
            if self._fault is not None:
                # The server answers a publication it forbids before the round trip's end.
                raise self._fault
            if not self._client.alive:
                raise self._client.last_error or EOFError()
        except (Exception, asyncio.CancelledError) as error:
            raise self._sentence(error) from None
        finally:
            for one in (task, lost):
                one.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)

    def _authorities(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._server.ca)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or str(error)
            raise SourceError(
                f"The certificates in {self._server.ca} cannot be used: {reason}."
            ) from None

    def _sentence(self, error: BaseException) -> BrokerError:
        where = f"NATS at {self._server.name}"
        text = str(error).removeprefix("nats: ").strip("'. ")
        match error:
            case _PlainServerError():
                return BrokerError(
                    f"{where} speaks no TLS; tls:// sends nothing to it in the clear.", refused=True
                )
            case _AbsurdMessageError():
                return BrokerError(f"{where} {error}, which is too much; it is cut off.")
            case AuthorizationError():
                return BrokerError(f"{where} refuses these credentials.", refused=True)
            case NoStreamResponseError():
                return BrokerError(
                    f"{where} has no JetStream stream for these subjects, or none ready.",
                    refused=True,
                )
            case APIError():
                return BrokerError(f"JetStream of {where} refuses: {error.description}.")
            case ssl.SSLCertVerificationError():
                return BrokerError(
                    f"No secure connection to {where}: {error.verify_message}.", refused=True
                )
            case ssl.SSLError():
                return BrokerError(f"No secure connection to {where}: {error.reason}.")
            case TimeoutError():
                return BrokerError(f"{where} does not answer.")
            case NatsError() if "authorization" in text.lower():
                return BrokerError(f"{where} refuses these credentials.", refused=True)
            case NatsError() if "permissions" in text.lower():
                return BrokerError(f"{where} does not allow it: {text}.", refused=True)
            case NatsError() if "empty response" in text:
                return BrokerError(f"What answers at {self._server.name} is no NATS server.")
            case NatsError() if text:
                return BrokerError(f"The connection to {where} ended: {text}.")
            case OSError() if not self._open:
                return BrokerError(f"Cannot reach {where}: {_reason(error)}.")
            case _ if not self._open and not isinstance(error, EOFError | asyncio.CancelledError):
                # The keys of a credentials file raise errors of their own.
                return BrokerError(
                    f"Cannot connect to {where}: {text or type(error).__name__}.", refused=True
                )
        return BrokerError(f"The connection to {where} was lost.")


def _headers(headers: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if headers is None else dict(headers)


def _reason(error: OSError) -> str:
    # asyncio joins the failures of several addresses in one sentence; a number says it shorter.
    number = error.errno
    return os.strerror(number) if number is not None and number > 0 else str(error)
