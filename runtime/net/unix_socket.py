"""Unix sockets that a service listens on."""

from __future__ import annotations

import os
import socket
import stat

import trio

from spikewire.runtime.errors import ServiceError


async def open_unix(path: str) -> trio.SocketListener:
    """Listen on a Unix socket that only this user may use.

    The socket of a service that was killed is replaced; that of a running one is not.

    Raises
    ------
    ServiceError
        Another kind of file is there, a service listens there, or the folder is not writable.
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
    raise ServiceError(f"Cannot listen on {path}: another service does already.")
