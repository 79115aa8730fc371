"""A progress bar for work on recordings, which appears when the work takes a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import TaskID

from spikewire.apps.cli.output import progress_bar

MOMENT_S = 0.7
"""Work that is done sooner shows no bar."""

REDRAW_S = 0.1


@contextmanager
def file_bar(text: str, total: float = 1.0) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error, if that is a terminal and the block takes a moment.

    Parameters
    ----------
    text
        What is done.
    total
        What the work amounts to: 1, or a number of files.

    Yields
    ------
    Callable
        To be called with what is done so far.
    """
    bar = progress_bar()
    began = drawn = time.monotonic()
    task: TaskID | None = None

    def move(done: float) -> None:
        nonlocal task, drawn
        now = time.monotonic()
        if task is None:
            if now - began < MOMENT_S:
                return
            bar.start()
            task = bar.add_task(text, total=total)
        elif now - drawn < REDRAW_S:
            return
        drawn = now
        bar.update(task, completed=done)

    try:
        yield move
    finally:
        if task is not None:
            bar.stop()


@contextmanager
def scan_bar() -> Iterator[None]:
    """Show a bar while a data set is scanned within the block, if that takes a moment."""
    from spikewire.sensors import watch_scans

    with (
        file_bar("looking through the recordings") as moved,
        watch_scans(lambda opened, of: moved(opened / of)),
    ):
        yield
