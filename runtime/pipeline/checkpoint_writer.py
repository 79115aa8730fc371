"""Writes the learner's bytes to disk beside the work, and remembers how that went."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import trio

from spikewire.runtime.checkpoints import CheckpointStore
from spikewire.runtime.errors import CheckpointError
from spikewire.runtime.interfaces import NetworkLike
from spikewire.runtime.pipeline.input_queue import PendingRequest
from spikewire.runtime.pipeline.network_task import InThread, NetworkTask
from spikewire.runtime.protocol.messages import error_reply

log = logging.getLogger("spikewire.runtime")


class CheckpointWriter:
    """One service's checkpoints. A write that fails is reported, and stops nothing.

    ``beside`` gives what the source remembers, to be kept with each.

    Attributes
    ----------
    path, tick
        The last checkpoint that was written, and the tick it holds.
    error, failures
        Why the last attempt failed, or None; and how many have failed.
    """

    def __init__(
        self,
        store: CheckpointStore,
        changed: Callable[[], None],
        in_thread: InThread,
        beside: Callable[[], bytes] | None = None,
    ) -> None:
        self.path: str | None = None
        self.tick: int | None = None
        self.error: str | None = None
        self.failures = 0
        self._store = store
        self._changed = changed
        self._in_thread = in_thread
        self._beside = beside
        self._nursery: trio.Nursery | None = None
        self._network_task: NetworkTask | None = None

    def begin(self, nursery: trio.Nursery, network_task: NetworkTask) -> None:
        """Write in tasks of this nursery; tell this task when they are done."""
        self._nursery, self._network_task = nursery, network_task

    def save(self, data: bytes, tick: int, pending: list[PendingRequest]) -> None:
        """Write in the background, then answer those who asked for it."""
        assert self._nursery is not None
        self._nursery.start_soon(self._write, data, tick, pending)

    async def finish(self, network: NetworkLike) -> None:
        """Write where the network stands, now that its task has ended."""
        assert self._network_task is not None
        waiting = self._network_task.take_savers()
        if waiting or self._network_task.unsaved:
            self._network_task.capture()
            data: bytes = await self._in_thread(network.to_bytes)
            await self._write(data, self._network_task.tick, waiting)

    async def _write(self, data: bytes, tick: int, pending: Sequence[PendingRequest]) -> None:
        assert self._network_task is not None
        answer: dict[str, Any]
        try:
            beside = None if self._beside is None else self._beside()
            path = await self._in_thread(partial(self._store.write, data, beside))
        except CheckpointError as error:
            self.error = str(error)
            self.failures += 1
            log.error("%s", error)
            answer = error_reply("checkpoint_failed", str(error))
        else:
            self.path, self.tick, self.error = str(path), tick, None
            answer = {"ok": True, "path": str(path), "bytes": len(data)}
        self._network_task.saved(self.error is None)
        for request in pending:
            request.reply({"tick": tick, **answer})
        self._changed()
