"""Locks on folders: a process holds one, and its death frees it."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

from spikewire.runtime.errors import CheckpointError

NAME = ".lock"
# These file systems know no locks.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS})

log = logging.getLogger("spikewire.runtime")


class FolderLock:
    """An exclusive lock on a folder (flock on the file ``.lock`` in it).

    The kernel frees the lock when the process ends, however it ends. The file holds the process and
    the host, for the message to others.

    Parameters
    ----------
    folder
        The folder, which need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether the lock is held, on the folder that has this path now."""
        return self._file is not None and self._is_in_place(self._file)

    def acquire(self) -> None:
        """Take the lock, unless it is held already.

        Raises
        ------
        CheckpointError
            Another process, or another part of this one, holds it.
        OSError
            The lock file cannot be opened.
        """
        if self.held:
            return
        self.release()  # of a folder that was moved or removed
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                self._lock(file)
                in_place = self._is_in_place(file)
            except BaseException:
                os.close(file)
                raise
            if in_place:
                break
            os.close(file)  # the holder before removed it between the two calls
        self._file = file
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Free the lock, and remove its file."""
        file, self._file = self._file, None
        if file is None:
            return
        if self._is_in_place(file):
            with suppress(OSError):
                os.unlink(self._path)
        os.close(file)

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(
                f"The checkpoint folder {self._folder} is in use by {_holder(file)}: stop that one "
                "first, or give this one another folder."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log.warning(
                "the checkpoint folder %s is on a file system without locks: no other service may "
                "use it",
                self._folder,
            )

    def _is_in_place(self, file: int) -> bool:
        try:
            there = os.stat(self._path, follow_symlinks=False)
        except OSError:
            return False
        ours = os.fstat(file)
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _holder(file: int) -> str:
    pid, _, host = os.pread(file, 300, 0).decode("utf-8", "replace").strip().partition(" ")
    if not pid.isdecimal():
        return "another process"
    if host != socket.gethostname():
        return f"process {pid} on another host"
    if int(pid) == os.getpid():
        return f"another pipeline of this process ({pid})"
    return f"process {pid}"
