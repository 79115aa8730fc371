"""A word about kernels that are compiled when they are first called, for whoever waits.

Without Numba: a program that shows the word need not load the compiler before it is needed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ANNOUNCED = "compiling"
"""A file that is locked while kernels are compiled. The lock goes when its process does."""

_tell: Callable[[], None] | None = None


def tell_with(tell: Callable[[], None] | None) -> None:
    """Call ``tell`` before each kernel that is compiled unforeseen; None: nobody is told."""
    global _tell
    _tell = tell


def compiling() -> None:
    """Say that a kernel is compiled now."""
    if _tell is not None:
        _tell()


@contextmanager
def told_otherwise() -> Iterator[None]:
    """Say nothing meanwhile: the compiling is shown in another way."""
    global _tell
    before, _tell = _tell, None
    try:
        yield
    finally:
        _tell = before


def cache_root() -> Path:
    """Return the folder of all that is compiled, in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")) / "spikewire"


@contextmanager
def announced() -> Iterator[None]:
    """Let :func:`announced_here` say so to other processes of this user, until this one ends it."""
    handle = None
    with suppress(OSError):  # then nobody is told
        cache_root().mkdir(parents=True, exist_ok=True)
        handle = os.open(cache_root() / _ANNOUNCED, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def announced_here() -> bool:
    """Tell whether a process of this user compiles what it needs to start."""
    try:
        handle = os.open(cache_root() / _ANNOUNCED, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
