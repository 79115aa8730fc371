"""Ways into a service besides plain TCP: TLS, and a Unix socket."""

from __future__ import annotations

import os
import socket
import ssl
import stat

import trio

from spikewire.runtime.errors import ServiceError

SEND_BYTES = 1 << 17
"""Room in the kernel for what a peer has not read: what waits there is out of the policies' reach.
Left alone it grows to megabytes, half a minute of results."""


def limit_sending(stream: trio.abc.Stream) -> None:
    """Hold the kernel's buffer of a connection small."""
    under = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    if isinstance(under, trio.SocketStream):
        under.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)


def server_context(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    """Make the TLS context of a certificate and its key; None without one.

    Raises
    ------
    ServiceError
        A file cannot be read, or is no certificate or not its key.
    """
    if cert is None or key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise ServiceError(f"The certificate {cert} with {key} cannot be used: {reason}.") from None
    return context


def reload_certificate(context: ssl.SSLContext | None, cert: str | None, key: str | None) -> None:
    """Show another certificate to those who connect from now on.

    Raises
    ------
    ServiceError
        A file cannot be read, or is no certificate or not its key: then nothing has changed.
    """
    if context is None or cert is None or key is None:
        return
    server_context(cert, key)
    context.load_cert_chain(cert, key)


def client_context(ca: str | None) -> ssl.SSLContext:
    """Make a client's TLS context: the system's authorities, or those in a PEM file.

    Raises
    ------
    ServiceError
        The file cannot be read, or holds no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise ServiceError(f"The certificates in {ca} cannot be used: {reason}.") from None


async def open_unix(path: str) -> trio.SocketListener:
    """Listen on a Unix socket that only this user may use.

    What a service that was killed has left behind is replaced; a living one's is not.

    Raises
    ------
    ServiceError
        Something else lies there, somebody listens there, or the folder cannot be written.
    """
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await _clear(path)
        before = os.umask(0o177)
        try:
            await sock.bind(path)
        finally:
            os.umask(before)
        sock.listen(64)
    except OSError as error:
        sock.close()
        reason = error.strerror or str(error)
        raise ServiceError(f"Cannot listen on {path}: {reason}.") from None
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(sock)


async def _clear(path: str) -> None:
    try:
        kind = os.stat(path, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ServiceError(f"Cannot listen on {path}: there is something else.")
    try:
        stream = await trio.open_unix_socket(path)
    except OSError:
        os.unlink(path)
        return
    await stream.aclose()
    raise ServiceError(f"Cannot listen on {path}: somebody does already.")
