"""TLS contexts of services and clients."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable

import trio

from spikewire.runtime.errors import ServiceError


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


async def over_tls(
    bare: trio.SocketStream,
    context: ssl.SSLContext,
    converse: Callable[[trio.SSLStream[trio.SocketStream]], Awaitable[None]],
) -> None:
    """Hold the service's side of a conversation over TLS, and free its TLS state at the end."""
    stream = trio.SSLStream(bare, context, server_side=True, https_compatible=True)
    try:
        await converse(stream)
    finally:
        await trio.aclose_forcefully(bare)
        # trio's stream refers to itself. The collector would free it much later: it does not know
        # that OpenSSL's state and buffers weigh 50 kB.
        vars(stream).clear()


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
