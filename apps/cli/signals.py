"""Ctrl-C and SIGTERM as an ordinary end of a command's work, from its first moment to its last.

Loading takes seconds (a minute where kernels must be compiled first). A command that is stopped in
that time has nothing to deliver and nothing to save: it says so in one sentence and ends at once.
An exception thrown into the middle of an import or of the compiler would end it with a traceback.
Later signals end the work in order.

This module is imported before anything else, so it loads trio only where it is used.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trio

    from spikewire.runtime import Service

ENDLESS = frozenset({"start", "run", "demo", "watch", "bridge", "gesture", "dashboard"})
"""Commands that go on until they are told to stop: being told is how they succeed."""

IGNORE_SIGINT = "SPIKEWIRE_IGNORE_SIGINT"
"""The environment variable that, set to 1, makes every command ignore SIGINT."""

_BOTH = (signal.SIGINT, signal.SIGTERM)
_GARBAGE = gc.get_threshold()
"""How often Python looks for garbage by itself. This module is imported before that is changed."""


def endless(arguments: Sequence[str] | None = None) -> bool:
    """Tell whether a command line names a command that is ended by Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        return True  # spikewire alone is spikewire start
    return next((word in ENDLESS for word in given if not word.startswith("-")), False)


def prepare() -> None:
    """Set up SIGINT and SIGTERM for the command line of this process, before it is understood.

    A parent that ignores SIGINT (``nohup``, the background jobs of a script, many CI systems) hands
    that down. It means the parent's own work and not a command that Ctrl-C ends in order, so it is
    undone here; ``SPIKEWIRE_IGNORE_SIGINT=1`` asks for it. SIGHUP stays as ``nohup`` left it.
    """
    if os.environ.get(IGNORE_SIGINT) == "1":
        # Blocked for all threads and children, whatever handlers are installed later.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if endless():
        for number in _BOTH:
            signal.signal(number, _leave)
        return
    signal.signal(signal.SIGINT, _abandon)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def begin() -> None:
    """Hand Ctrl-C to a command with an end of its own, once its modules are loaded."""
    if signal.getsignal(signal.SIGINT) is _abandon:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process at once within the block, in which nothing is left half done."""
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _abandon)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def hand_back() -> None:
    """Hand Ctrl-C back to Python, and let SIGTERM mean the same: from here on there is clean-up.

    A command that stays looks for garbage as often as Python does by itself.
    """
    gc.set_threshold(*_GARBAGE)
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _interrupt)


def _leave(number: int, frame: FrameType | None) -> None:
    _say_interrupted()
    os._exit(0)


def _abandon(number: int, frame: FrameType | None) -> None:
    _say_interrupted()
    os._exit(1)


def _say_interrupted() -> None:
    # Past Python's buffers: the signal may have come in the middle of a line. The carriage return
    # and the rest clear a bar that stands there.
    clear = b"\r\x1b[K" if os.isatty(2) else b""
    with suppress(OSError):
        os.write(2, clear + b"spikewire: interrupted while loading\n")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM mean Ctrl-C within the block; other threads than the main one hear neither."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Keep SIGINT and SIGTERM back until the block is over: nothing is left half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda got, frame: received.append(got)) for number in _BOTH
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C in a Dask worker, which calls this before it takes work.

    A terminal sends Ctrl-C to every process in the foreground. The command closes its workers in
    order; were they interrupted as well, each would print a traceback of its own.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


async def stop_after(service: Service, seconds: float, reason: str = "stopped") -> None:
    """Stop a service in order once this time is over."""
    import trio

    await trio.sleep(seconds)
    service.stop(reason)


def run_until_interrupted(work: Callable[[], Awaitable[None]]) -> bool:
    """Run `work` under trio; Ctrl-C or SIGTERM cancels it, and its clean-up runs.

    Returns
    -------
    bool
        Whether it was interrupted.
    """
    import trio

    return trio.run(_with_signals, work, None)


def run_until_stopped(work: Callable[[], Awaitable[None]], stop: Callable[[], None]) -> bool:
    """Run `work` under trio; the first Ctrl-C or SIGTERM calls `stop`, the second cancels it.

    Returns
    -------
    bool
        Whether it was interrupted.
    """
    import trio

    return trio.run(_with_signals, work, stop)


async def listen_for_signals(
    heed: Callable[[int], None], *, task_status: trio.TaskStatus[None]
) -> None:
    """Call `heed` with each SIGINT or SIGTERM, until cancelled; a task to be started."""
    import trio

    with trio.open_signal_receiver(*_BOTH) as received:
        task_status.started()
        async for number in received:
            heed(number)


async def _with_signals(
    work: Callable[[], Awaitable[None]], stop: Callable[[], None] | None
) -> bool:
    from spikewire._tasks import background_tasks

    count = 0
    async with background_tasks() as nursery:

        def heed(number: int) -> None:
            nonlocal count
            count += 1
            if count == 1 and stop is not None:
                stop()
            else:
                nursery.cancel_scope.cancel()

        await nursery.start(listen_for_signals, heed)
        await work()
    return count > 0
