"""Where a service is, and how a client gets there: TCP, TLS or a Unix socket."""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass

import trio

from spikewire.runtime.errors import ConnectionLost
from spikewire.runtime.net.tls import client_context
from spikewire.runtime.settings.settings import DEFAULT_PORT


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """A service's address.

    Attributes
    ----------
    host, port
        Where it listens.
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

    def __str__(self) -> str:
        return self.unix_path if self.unix_path is not None else f"{self.host}, port {self.port}"

    async def open(self, timeout_s: float) -> trio.abc.Stream:
        """Connect.

        Raises
        ------
        ConnectionLost
            Nobody answers there within ``timeout_s``, or not with a certificate that is trusted.
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
            raise self._unreachable(error) from error
        except trio.TooSlowError:
            raise ConnectionLost(f"No answer from {self} within {timeout_s:g} s.") from None

    def open_blocking(self, timeout_s: float | None) -> socket.socket:
        """Connect, from a thread that may wait; see :meth:`open` for what it raises."""
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
            if isinstance(error, ssl.SSLError):
                raise self._insecure(error) from None
            if isinstance(error, OSError):
                raise self._unreachable(error) from error
            raise
        return sock

    def _context(self) -> ssl.SSLContext | None:
        return client_context(self.ca) if self.tls and self.unix_path is None else None

    def _insecure(self, error: BaseException) -> ConnectionLost:
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or error
        return ConnectionLost(f"No secure connection to {self}: {reason}.")

    def _unreachable(self, error: OSError) -> ConnectionLost:
        causes = error.__cause__
        if isinstance(causes, BaseExceptionGroup) and isinstance(causes.exceptions[0], OSError):
            error = causes.exceptions[0]
        # A name that cannot be resolved has a number of its own kind, below 0.
        number = error.errno
        reason = os.strerror(number) if number is not None and number > 0 else error.strerror
        return ConnectionLost(f"Cannot reach a service at {self}: {reason or error}.")


async def _secured(
    stream: trio.SocketStream, context: ssl.SSLContext, host: str
) -> trio.abc.Stream:
    secure = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
    try:
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(secure)
        raise
    return secure
