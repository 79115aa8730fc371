"""TLS contexts of services and clients, and the send buffer of a connection."""

from __future__ import annotations

import socket
import ssl

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
    """Use another certificate for new connections.

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
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or str(error)
        raise ServiceError(f"The certificates in {ca} cannot be used: {reason}.") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
