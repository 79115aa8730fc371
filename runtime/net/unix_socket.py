"""Unix sockets that a service listens on."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from spikewire.runtime.errors import ServiceError
from spikewire.runtime.net.listener import PatientListener

# A folder that something else keeps locked for longer is used all the same.
_TRIES = 50


class UnixListener(trio.abc.Listener[trio.SocketStream]):
    """A Unix socket that only this user may use, and whose file only this listener removes.

    Parameters
    ----------
    sock
        The listening socket.
    path
        Its file.
    """

    def __init__(self, sock: trio.socket.SocketType, path: str) -> None:
        self._listener = PatientListener(trio.SocketListener(sock))
        self._path = os.path.abspath(path)
        self._identity = _identity(path)

    async def accept(self) -> trio.SocketStream:
        """Wait for a connection."""
        return await self._listener.accept()

    async def aclose(self) -> None:
        """Close the socket, and remove its file unless another service's has taken its place."""
        # Before closing: until then no other file can have the same inode.
        with suppress(OSError):
            if _identity(self._path) == self._identity:
                os.unlink(self._path)
        await self._listener.aclose()


async def open_unix(path: str) -> UnixListener:
    """Listen on a Unix socket that only this user may use.

    The socket of a service that was killed is replaced; that of a running one is not.

    Raises
    ------
    ServiceError
        Another kind of file is there, a service listens there, or the folder is not writable.
    """
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Of two services that start at one time, the second sees the first one's socket.
        with _locked_folder(path):
            _clear(path)
            before = os.umask(0o177)
            try:
                await sock.bind(path)
            finally:
                os.umask(before)
            sock.listen(64)
            return UnixListener(sock, path)
    except OSError as error:
        sock.close()
        reason = error.strerror or str(error)
        raise ServiceError(f"Cannot listen on {path}: {reason}.") from None
    except BaseException:
        sock.close()
        raise


@contextmanager
def _locked_folder(path: str) -> Iterator[None]:
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(_TRIES):
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)  # another service is starting; it takes less than this
            except OSError:
                break  # some file systems know no locks of folders
            else:
                break
        yield
    finally:
        os.close(folder)


def _identity(path: str) -> tuple[int, int]:
    there = os.stat(path, follow_symlinks=False)
    return there.st_dev, there.st_ino


def _clear(path: str) -> None:
    try:
        kind = os.stat(path, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ServiceError(f"Cannot listen on {path}: there is something else.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            pass  # somebody listens, with a full queue
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise ServiceError(f"Cannot listen on {path}: another service does already.")
