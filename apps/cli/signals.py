"""Ctrl-C and SIGTERM as an ordinary end of the work, not as an exception out of nowhere."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from spikewire.apps.cli.errors import leaves

if TYPE_CHECKING:
    from spikewire.runtime import Service


async def stop_after(service: Service, seconds: float, reason: str = "stopped") -> None:
    """Stop a service in order once this time is over."""
    await trio.sleep(seconds)
    service.stop(reason)


def run_until_interrupted(work: Callable[[], Awaitable[None]]) -> bool:
    """Run `work` under trio; Ctrl-C or SIGTERM cancels it, and its clean-up runs.

    Returns
    -------
    bool
        Whether it was interrupted.
    """
    return trio.run(_until_interrupted, work)


async def _until_interrupted(work: Callable[[], Awaitable[None]]) -> bool:
    interrupted = False
    failed: BaseException | None = None
    async with trio.open_nursery() as nursery:

        async def listen(*, task_status: trio.TaskStatus[None]) -> None:
            nonlocal interrupted
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                task_status.started()
                async for _ in signals:
                    interrupted = True
                    nursery.cancel_scope.cancel()

        await nursery.start(listen)
        try:
            await work()
        except BaseException as error:
            # A nursery inside has made a group of several cancelled tasks.
            if all(isinstance(leaf, trio.Cancelled) for leaf in leaves(error)):
                raise
            # Carried around the nursery, which would wrap it in a group.
            failed = error
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return interrupted
