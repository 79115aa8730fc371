"""Progress of scans: data sets whose recordings are opened one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

_T = TypeVar("_T")
_WATCHER: ContextVar[Callable[[int, int], None] | None] = ContextVar("watcher", default=None)


@contextmanager
def watch_scans(watcher: Callable[[int, int], None]) -> Iterator[None]:
    """Tell a function how far the scans within the block are.

    :func:`open_dataset` and :func:`find_recordings` open every recording where the format does not
    state the sensor's size, which takes minutes for large folders.

    Parameters
    ----------
    watcher
        Called with the number of recordings that were opened, and of all.

    Examples
    --------
    >>> from spikewire.sensors import find_recordings, watch_scans
    >>> with watch_scans(lambda opened, of: None):
    ...     recordings = find_recordings(".")
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def scanned(items: Sequence[_T]) -> Iterator[_T]:
    """Yield what is scanned, and tell the watcher."""
    watcher = _WATCHER.get()
    for number, item in enumerate(items):
        if watcher is not None:
            watcher(number, len(items))
        yield item
