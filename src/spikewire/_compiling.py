"""A word about kernels that are compiled when they are first called, for whoever waits.

Without Numba: a program that shows the word need not load the compiler before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
