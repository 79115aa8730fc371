"""Checkpoints of a running network: when one is due, and the writing beside the computing."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from spikewire._whole_file import write_whole
from spikewire.runtime.checkpoints import CheckpointStore
from spikewire.runtime.errors import CheckpointError
from spikewire.runtime.interfaces import InThread, NetworkLike
from spikewire.runtime.pipeline.input_queue import PendingRequest
from spikewire.runtime.protocol.messages import error_reply

log = logging.getLogger("spikewire.runtime")


class CheckpointWriter:
    """Checkpoints of one pipeline. A write that fails is reported, and stops nothing.

    The network task takes the bytes at a tick boundary (:meth:`write`, while :attr:`due`); a task
    of its own writes them.

    Parameters
    ----------
    store
        The folder; None: there are no checkpoints. A caller that has claimed the folder already
        replaces it by its own.
    in_thread
        Runs a blocking call and awaits its result.
    wake
        Wakes the network task, which then looks whether a checkpoint is due.
    changed
        Called after every change that the status topic tells of.
    source_state
        Gives the source's own state, to be kept with each checkpoint.
    saved_as
        Stem of the files that clients ask for where there is no store; None: they may ask for none.

    Attributes
    ----------
    path, tick
        The last checkpoint that was written, and the tick it holds.
    error, failures
        Why the last attempt failed, or None; and how many have failed.
    """

    def __init__(
        self,
        store: CheckpointStore | None,
        in_thread: InThread,
        *,
        wake: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
        source_state: Callable[[], bytes | None] | None = None,
        saved_as: Path | None = None,
    ) -> None:
        self.path: str | None = None
        self.tick: int | None = None
        self.error: str | None = None
        self.failures = 0
        self.store = store
        self._in_thread = in_thread
        self._wake = wake
        self._changed = changed
        self._source_state = source_state
        self._saved_as = saved_as
        self._nursery: trio.Nursery | None = None
        self._wanted = self._writing = False
        self._waiting: list[PendingRequest] = []
        # Counts of changes of the network: so far, in the bytes being written, on the disk.
        self._changes = self._captured = self._saved = 0

    # -- the folder ------------------------------------------------------------------------------

    async def claim(self, network: NetworkLike) -> None:
        """Claim the folder, if there is one, for the learner ``network``.

        Raises
        ------
        CheckpointError
            The folder is in use, cannot be written, or holds another learner.
        """
        if self.store is not None:
            await self._in_thread(self.store.claim)
            await self._in_thread(partial(self.store.check_learner, network.to_bytes))

    def release(self) -> None:
        """Free the folder for others."""
        if self.store is not None:
            self.store.release()

    # -- when ------------------------------------------------------------------------------------

    @property
    def offered(self) -> bool:
        """Whether a client can ask for a checkpoint."""
        return self.store is not None or self._saved_as is not None

    @property
    def unsaved(self) -> bool:
        """Whether anything was computed, or changed otherwise, since the last checkpoint."""
        return self._changes != self._saved

    @property
    def due(self) -> bool:
        """Whether a checkpoint is wanted and none is being written."""
        return self._wanted and not self._writing

    def note_change(self) -> None:
        """Note that the network has changed."""
        self._changes += 1

    def want(self) -> None:
        """Write at the next tick boundary, unless nothing has changed since the last time."""
        if self.store is not None and self.unsaved:
            self._wanted = True
            self._wake()

    def ask(self, pending: PendingRequest, tick: int) -> None:
        """Write at the next tick boundary, and reply to the request then."""
        if not self.offered:
            why = "This service has no checkpoint folder."
            pending.reply({"tick": tick, **error_reply("no_checkpoints", why)})
            return
        self._waiting.append(pending)
        self._wanted = True

    def take_waiting(self) -> list[PendingRequest]:
        """Take the requests for a checkpoint that no write was begun for."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def take_settings(self, keep: int) -> None:
        """Keep this many checkpoints from now on."""
        if self.store is not None:
            self.store.keep = keep

    # -- writing ---------------------------------------------------------------------------------

    def begin(self, nursery: trio.Nursery) -> None:
        """Write in tasks of this nursery."""
        self._nursery = nursery

    async def write(self, network: NetworkLike, tick: int) -> None:
        """Take the network's bytes now, and write them in the background."""
        assert self._nursery is not None
        self._writing, self._wanted = True, False
        waiting, data = await self._capture(network)
        self._nursery.start_soon(self._write, data, tick, waiting)

    async def finish(self, network: NetworkLike, tick: int) -> None:
        """Write the last checkpoint, once the network task has ended, if anything has changed."""
        if self._waiting or (self.store is not None and self.unsaved):
            waiting, data = await self._capture(network)
            await self._write(data, tick, waiting)

    async def _capture(self, network: NetworkLike) -> tuple[list[PendingRequest], bytes]:
        self._captured = self._changes
        waiting = self.take_waiting()
        data: bytes = await self._in_thread(network.to_bytes)
        return waiting, data

    async def _write(self, data: bytes, tick: int, waiting: Sequence[PendingRequest]) -> None:
        answer: dict[str, Any]
        try:
            if self.store is None:
                path = await self._in_thread(partial(self._save, data))
            else:
                source_state = None if self._source_state is None else self._source_state()
                path = await self._in_thread(partial(self.store.write, data, source_state))
        except CheckpointError as error:
            self.error = str(error)
            self.failures += 1
            log.error("%s", error)
            answer = error_reply("checkpoint_failed", str(error))
        else:
            self.path, self.tick, self.error = str(path), tick, None
            self._saved = self._captured
            answer = {"ok": True, "path": str(path), "bytes": len(data)}
        self._writing = False
        self._wake()
        for pending in waiting:
            pending.reply({"tick": tick, **answer})
        self._changed()

    def _save(self, data: bytes) -> Path:
        """Write a file of its own that a client has asked for."""
        assert self._saved_as is not None
        stem = f"{self._saved_as.name}-{time.strftime('%Y%m%d-%H%M%S')}"
        folder, number = self._saved_as.parent, 1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while (path := folder / f"{stem}{'' if number == 1 else f'-{number}'}.model").exists():
                number += 1
            write_whole(path, data)
        except OSError as error:
            reason = error.strerror or str(error)
            raise CheckpointError(f"Nothing can be saved in {folder}: {reason}.") from error
        return path


@asynccontextmanager
async def hold_folders(
    learners: Iterable[tuple[CheckpointWriter, NetworkLike]],
) -> AsyncIterator[None]:
    """Hold the folders of learners from before the first event until all is saved.

    Raises
    ------
    CheckpointError
        A folder is in use, cannot be written, or holds another learner.
    """
    learners = list(learners)
    try:
        for checkpoints, network in learners:
            await checkpoints.claim(network)
        yield
    finally:
        for checkpoints, _ in learners:
            checkpoints.release()
