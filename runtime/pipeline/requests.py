"""Requests of clients, applied to the network at a tick boundary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spikewire.runtime.interfaces import NetworkLike
from spikewire.runtime.pipeline.checkpoint_writer import CheckpointWriter
from spikewire.runtime.pipeline.input_queue import PendingRequest
from spikewire.runtime.pipeline.inspection import choose, inspect
from spikewire.runtime.pipeline.lease import EndLease, Lease
from spikewire.runtime.pipeline.preview import Previews
from spikewire.runtime.pipeline.recording import RecordingControl
from spikewire.runtime.pipeline.teaching import Teacher, Teaching
from spikewire.runtime.protocol.messages import (
    Checkpoint,
    Inspect,
    Learn,
    Probe,
    Record,
    Request,
    Status,
    Teach,
    Undo,
)


@dataclass(frozen=True, slots=True)
class StatusHooks:
    """Ties to the status topic.

    Attributes
    ----------
    make
        Makes the body of a status message.
    changed
        Called after every change that the status topic tells of.
    """

    make: Callable[[], dict[str, Any]] = dict
    changed: Callable[[], None] = lambda: None


class RequestHandler:
    """Applies requests and replies to them.

    Parameters
    ----------
    network, teaching, recordings, checkpoints, previews
        What the requests are about.
    status
        Ties to the status topic.

    Attributes
    ----------
    applying
        The request that is being applied.
    """

    def __init__(
        self,
        network: NetworkLike,
        teaching: Teaching,
        recordings: RecordingControl,
        checkpoints: CheckpointWriter,
        status: StatusHooks,
        previews: Previews,
    ) -> None:
        self.applying: PendingRequest | None = None
        self._network = network
        self._teaching = teaching
        self._recordings = recordings
        self._checkpoints = checkpoints
        self._status = status
        self._previews = previews

    async def apply(self, pending: PendingRequest, tick: int) -> None:
        """Apply one request; ``tick`` is where the network stands.

        The reply to a checkpoint comes when it is written.
        """
        self.applying = pending
        request = pending.request
        if isinstance(request, Checkpoint):
            self._checkpoints.ask(pending, tick)
        elif isinstance(request, Status):
            pending.reply({"ok": True, "tick": tick, "status": self._status.make()})
        elif isinstance(request, Inspect):
            pending.reply({"tick": tick, **inspect(self._network, request)})
        elif isinstance(request, Probe):
            pending.reply({"tick": tick, **choose(self._network, self._previews, request)})
        else:
            pending.reply({"tick": tick, **await self._change(request, pending.lease)})
            self._status.changed()
        self.applying = None

    async def _change(self, request: Request | EndLease, lease: Lease | None) -> dict[str, Any]:
        match request:
            case Teach(label=label):
                teacher = Teacher(lease, request.lasting, request.lease_s)
                return await self._teaching.teach(label, teacher)
            case EndLease(lease=ended):
                return await self._teaching.end_lease(ended)
            case Learn(on=on):
                return await self._teaching.learn(on)
            case Undo(lessons=lessons):
                return await self._teaching.undo(lessons)
            case Record(on=on):
                return await self._recordings.ask(on, self._network)
            case _:
                raise AssertionError(f"{type(request).__name__} is not for the network task")
