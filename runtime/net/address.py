"""Address of a service, and the ways to reach it: TCP, TLS or a Unix socket."""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from spikewire.runtime.errors import ConnectionLost, ProtocolError
from spikewire.runtime.net.tls import client_context
from spikewire.runtime.protocol.frames import CLIENT_FRAME_LIMIT, Framer, decode, encode
from spikewire.runtime.protocol.messages import PROTOCOL
from spikewire.runtime.settings.settings import DEFAULT_PORT

if TYPE_CHECKING:
    import asyncio

_UNIX = "unix:"
_WITH_PORT = r"(\[[^\]]*\]|[^:]*):(\d{1,5})"
_TIMEOUT_S = 5.0
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Address of a service.

    Attributes
    ----------
    host, port
        Host name or IP address, and TCP port.
    unix_path
        A Unix socket, instead of host and port.
    tls, ca
        Speak TLS on the port, and trust the system's authorities or those of a PEM file.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    unix_path: str | None = None
    tls: bool = False
    ca: str | None = None

    @classmethod
    def parse(cls, text: str, *, tls: bool = False, ca: str | None = None) -> ServiceAddress:
        """Read an address as users write it.

        Parameters
        ----------
        text
            ``HOST:PORT``, ``[IPv6]:PORT``, ``:PORT`` for this machine, ``HOST`` for the default
            port, or ``unix:PATH``.
        tls, ca
            As the attributes.
        """
        if text.startswith(_UNIX):
            return cls(unix_path=text.removeprefix(_UNIX))
        match = re.fullmatch(_WITH_PORT, text)
        if match is None:
            return cls(text.strip("[]"), tls=tls, ca=ca)
        return cls(match[1].strip("[]") or "127.0.0.1", int(match[2]), tls=tls, ca=ca)

    def __str__(self) -> str:
        if self.unix_path is not None:
            return self.unix_path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    async def open(self, timeout_s: float = _TIMEOUT_S) -> trio.abc.Stream:
        """Connect.

        Raises
        ------
        ConnectionLost
            Nothing answers within ``timeout_s``, or not with a trusted certificate.
        ServiceError
            The file ``ca`` cannot be used.
        """
        context = self._context()
        try:
            with trio.fail_after(timeout_s):
                if self.unix_path is not None:
                    return await trio.open_unix_socket(self.unix_path)
                stream = await trio.open_tcp_stream(self.host, self.port)
                return stream if context is None else await _secured(stream, context, self.host)
        except trio.BrokenResourceError as error:
            raise self._insecure(error.__cause__ or error) from None
        except OSError as error:
            raise self._unreachable(_reason(error)) from error
        except ValueError as error:
            raise self._unreachable(_NO_NAME) from error
        except trio.TooSlowError:
            raise self._unreachable(f"no answer within {timeout_s:g} s") from None

    def open_blocking(self, timeout_s: float | None) -> socket.socket:
        """Connect, from a thread that may wait; see :meth:`open` for the errors."""
        context = self._context()
        sock: socket.socket | None = None
        try:
            if self.unix_path is not None:
                sock = socket.socket(socket.AF_UNIX)
                sock.settimeout(timeout_s)
                sock.connect(self.unix_path)
            else:
                sock = socket.create_connection((self.host, self.port), timeout=timeout_s)
                if context is not None:
                    sock = context.wrap_socket(sock, server_hostname=self.host)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, OSError | ValueError):
                raise self.failure(error) from error
            raise
        return sock

    async def open_asyncio(
        self, timeout_s: float | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, in an asyncio program; see :meth:`open` for the errors."""
        import asyncio

        context = self._context()
        if self.unix_path is not None:
            opening = asyncio.open_unix_connection(self.unix_path)
        else:
            opening = asyncio.open_connection(self.host, self.port, ssl=context)
        try:
            # wait_for of Python 3.11 forgets to be cancelled at the moment of opening.
            async with asyncio.timeout(timeout_s):
                return await opening
        except TimeoutError as error:
            if timeout_s is None:  # the operating system's own limit
                raise self.failure(error) from error
            raise self._unreachable(f"no answer within {timeout_s:g} s") from None
        except (OSError, ValueError) as error:
            raise self.failure(error) from error

    async def requires_token(self, client: str = "spikewire") -> bool:
        """Ask the service whether it admits a client without a token.

        Parameters
        ----------
        client
            Name of this client in the service's log.

        Raises
        ------
        ConnectionLost
            The service cannot be reached, speaks another protocol, or refuses for another reason.
        """
        try:
            async with await self.open() as stream:
                with trio.fail_after(_TIMEOUT_S):
                    await stream.send_all(
                        encode({"type": "hello", "protocol": PROTOCOL, "client": client})
                    )
                    answer = await _first_message(stream)
        except (trio.BrokenResourceError, trio.TooSlowError, ProtocolError):
            raise ConnectionLost(f"What answers at {self} is no service of protocol 1.") from None
        if answer.get("type") == "hello":
            return False
        if answer.get("type") == "error" and answer.get("code") == "wrong_token":
            return True
        reason = answer.get("message") or answer.get("code") or "it gave no reason"
        raise ConnectionLost(f"The service at {self} does not let the {client} in: {reason}")

    def failure(self, error: OSError | ValueError) -> ConnectionLost:
        """Make the error to raise where a connection could not be made."""
        if isinstance(error, ssl.SSLError):
            return self._insecure(error)
        return self._unreachable(_reason(error) if isinstance(error, OSError) else _NO_NAME)

    def _context(self) -> ssl.SSLContext | None:
        return client_context(self.ca) if self.tls and self.unix_path is None else None

    def _insecure(self, error: BaseException) -> ConnectionLost:
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or error
        return ConnectionLost(f"No secure connection to {self}: {reason}.")

    def _unreachable(self, reason: str) -> ConnectionLost:
        return ConnectionLost(f"Cannot reach a service at {self}: {reason}.")


# IDNA cannot encode it, or TLS cannot ask for it: a..b, .b, a name of 64 letters.
_NO_NAME = "that is no name of a machine"


def service_address(
    host: str | ServiceAddress,
    port: int = DEFAULT_PORT,
    unix_path: str | None = None,
    tls: bool = False,
    ca: str | None = None,
) -> ServiceAddress:
    """Make the address of a client's arguments.

    Parameters
    ----------
    host
        A host, text such as ``HOST:PORT`` or ``unix:PATH``, or an address, which is returned.
    port, unix_path, tls, ca
        As the attributes of :class:`ServiceAddress`.
    """
    if isinstance(host, ServiceAddress):
        return host
    if unix_path is None and (host.startswith(_UNIX) or re.fullmatch(_WITH_PORT, host)):
        return ServiceAddress.parse(host, tls=tls, ca=ca)
    return ServiceAddress(host, port, unix_path, tls, ca)


async def _first_message(stream: trio.abc.Stream) -> dict[str, object]:
    framer = Framer(CLIENT_FRAME_LIMIT)
    while (payload := framer.take()) is None:
        data = await stream.receive_some(_CHUNK)
        if not data:
            raise trio.BrokenResourceError
        framer.feed(data)
    return decode(payload)


def _reason(error: OSError) -> str:
    causes = error.__cause__
    if isinstance(causes, BaseExceptionGroup) and isinstance(causes.exceptions[0], OSError):
        error = causes.exceptions[0]
    # A name that cannot be resolved has a number of its own kind, below 0.
    number = error.errno
    reason = os.strerror(number) if number is not None and number > 0 else error.strerror
    return reason or str(error)


async def _secured(
    stream: trio.SocketStream, context: ssl.SSLContext, host: str
) -> trio.abc.Stream:
    try:
        secure = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secure
