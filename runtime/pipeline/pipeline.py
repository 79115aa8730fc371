"""One source, one network and their topics, from start to end; isolated from its neighbours."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Collection
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import trio

from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.checkpoints import CheckpointStore
from spikewire.runtime.interfaces import (
    InThread,
    NetworkLike,
    Recorder,
    SourceLike,
)
from spikewire.runtime.pipeline.checkpoint_writer import CheckpointWriter
from spikewire.runtime.pipeline.failure import only_error
from spikewire.runtime.pipeline.input_queue import InputQueue, PendingRequest
from spikewire.runtime.pipeline.lease import EndLease, Lease
from spikewire.runtime.pipeline.network_task import NetworkTask
from spikewire.runtime.pipeline.playback import PlaybackRequests
from spikewire.runtime.pipeline.recording import RecordingControl
from spikewire.runtime.pipeline.requests import StatusHooks
from spikewire.runtime.pipeline.source_controls import SourceControls
from spikewire.runtime.pipeline.stats import StatsPublisher
from spikewire.runtime.pipeline.summary import Summary
from spikewire.runtime.pipeline.watchdog import Watchdog
from spikewire.runtime.protocol.messages import (
    Filter,
    Play,
    Replay,
    Request,
    Show,
    Sim,
    Upload,
    error_reply,
)
from spikewire.runtime.settings.settings import Settings
from spikewire.sensors import SensorError

log = logging.getLogger("spikewire.runtime")

ONLY = "main"
"""The name of a service's pipeline that has been given none."""
PIPELINE: ContextVar[str | None] = ContextVar("spikewire_pipeline", default=None)
"""The pipeline that a task, or a thread that works for it, belongs to; logs name it."""


class Pipeline:
    """A source, the network for its events, and the topics about both.

    Parameters
    ----------
    name
        What the protocol and the logs call it.
    source, network, settings
        What it works on.
    in_thread
        Runs a blocking call and awaits its result.
    record
        Is given everything that is computed.
    recorder
        Makes a recorder when a client asks for one.
    own
        Names of the settings that are this pipeline's own, which the service's do not change.

    Attributes
    ----------
    run_id
        Text that no other run shares.
    state
        ``starting``, ``running``, ``draining`` or ``stopped``.
    source_state, source_error
        As the topic ``status`` has them.
    failure
        What ended it, if that was an error.
    """

    def __init__(
        self,
        name: str,
        source: SourceLike,
        network: NetworkLike,
        settings: Settings,
        *,
        in_thread: InThread = trio.to_thread.run_sync,
        record: Recorder | None = None,
        recorder: Callable[[NetworkLike], Recorder] | None = None,
        own: Collection[str] = (),
    ) -> None:
        self.name = name
        self.own = frozenset(own)
        self.source = source
        self.network = network
        self.settings = settings
        self.run_id = secrets.token_hex(8)
        self.state = "starting"
        self.source_state = "starting"
        self.source_error: str | None = None
        self.failure: Exception | None = None
        self.broker = Broker(settings.history_messages, settings.history_bytes)
        self.input_queue = InputQueue(settings.queue_packets, settings.queue_events)
        self.stats_publisher = StatsPublisher(self)
        self.watchdog = Watchdog(self)
        self.facts: Callable[[], dict[str, Any]] = dict
        """Fields that the service adds to the stats."""
        folder, keep = settings.checkpoint_folder, settings.checkpoint_keep
        self.checkpoints = CheckpointWriter(
            None if folder is None else CheckpointStore(folder, keep),
            in_thread,
            wake=self.input_queue.nudge,
            changed=self.publish_status,
            source_state=getattr(source, "save", None),
            saved_as=None if settings.save_folder is None else Path(settings.save_folder) / name,
        )
        self.network_task = NetworkTask(
            network,
            self.input_queue,
            self.broker,
            settings,
            in_thread=in_thread,
            checkpoints=self.checkpoints,
            recordings=RecordingControl(record, recorder, in_thread, self.publish_status),
            status=StatusHooks(self.stats_publisher.status, self.publish_status),
        )
        getattr(source, "limit_jumps", lambda jump_us: None)(round(settings.jump_s * 1e6))
        self.record = record
        self.playback = PlaybackRequests(source)
        self.network_task.on_finished = self.playback.finished
        self.controls = SourceControls(
            source, lambda: self.source_state in ("running", "stalled"), self.publish_status,
            lambda: self.settings.upload_bytes,
        )  # fmt: skip
        self._stopping = trio.Event()
        self._source_scope = trio.CancelScope()
        self._reason = "source ended"
        self._hurried = False
        self._asking = 0
        self._asked = trio.Event()

    @property
    def offers(self) -> list[str]:
        """Requests that can be answered with more than a refusal."""
        there = {
            "checkpoint": self.checkpoints.offered,
            "play": self.playback.there,
            **self.controls.offers,
            "record": self.network_task.recordings.offered,
            "teach": self.settings.labels == "client",
            "undo": self.network_task.teaching.lessons.keeps,
        }
        return [
            "status",
            "inspect",
            "probe",
            "learn",
            *(name for name, can in there.items() if can),
        ]

    async def ask(self, request: Request, lease: Lease | None = None) -> dict[str, Any]:
        """Answer a request; the answer holds the tick at which it took effect.

        ``lease`` is that of the connection which asks.
        """
        self._asking += 1
        try:
            if isinstance(request, Play):
                answer = await self.playback.play(request)
                return {"tick": self.network_task.tick, **answer}
            if isinstance(request, Replay | Sim | Filter | Show | Upload):
                answer = await self.controls.answer(request)
                return {"tick": self.network_task.tick, **answer}
            if self.state == "stopped":
                return self._too_late()
            pending = PendingRequest(request, lease)
            self.input_queue.put_request(pending)
            return await pending.answer()
        finally:
            self._asking -= 1
            self._asked.set()
            self._asked = trio.Event()

    def end_lease(self, lease: Lease) -> None:
        """End the lesson of this lease, if it is the present one, at the next tick boundary."""
        self.input_queue.put_request(PendingRequest(EndLease(lease)))

    def _too_late(self) -> dict[str, Any]:
        return {
            "tick": self.network_task.tick,
            **error_reply("stopping", "The service is stopping."),
        }

    def stop(self, reason: str = "stopped") -> None:
        """Begin an ordered end: the source ends, received events are computed."""
        if self.state in ("starting", "running") and not self._stopping.is_set():
            self._reason = reason
            self._stopping.set()
            self._source_scope.cancel()

    def hurry(self) -> None:
        """End at once: the last tick computed is saved, and nobody is waited for."""
        self.stop()
        self._hurried = True
        self.network_task.give_up()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end, or is ending by itself."""
        return self._stopping.is_set() or self.state in ("draining", "stopped")

    async def run(
        self, *, task_status: trio.TaskStatus[Pipeline] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run until the source ends (setting ``at_end``) or :meth:`stop`.

        Never raises an error: what ends it is kept as :attr:`failure`, so that neighbours go on.
        """
        PIPELINE.set(self.name)
        begun = False

        def started(pipeline: Pipeline) -> None:
            nonlocal begun
            if not begun:
                begun = True
                task_status.started(pipeline)

        try:
            async with trio.open_nursery() as helpers:
                helpers.start_soon(self.stats_publisher.run)
                helpers.start_soon(self.playback.run)
                helpers.start_soon(self.network_task.previews.run)
                helpers.start_soon(self.network_task.picture.run)
                helpers.start_soon(self.network_task.teaching.lessons.run)
                self.input_queue.last_put = trio.current_time()
                helpers.start_soon(self.watchdog.run)
                if self.checkpoints.offered:
                    helpers.start_soon(self._save_now_and_then)
                await self._work(started)
                helpers.cancel_scope.cancel()
        except* Exception as group:
            # A fault of ours, or of what was given to us: it ends this pipeline alone.
            log.exception("the pipeline %s ended by an unforeseen error", self.name)
            self.failure = only_error(group)
            self._reason = "failed"
            self.source_state, self.source_error = "failed", str(self.failure)
            started(self)
            await self._salvage()
        self.state = "stopped"
        await self._finish_requests()
        self._say_goodbye()

    async def _salvage(self) -> None:
        """Save the network if a fault elsewhere has ended this, and answer open requests."""
        pending = self.checkpoints.take_waiting()
        if (applying := self.network_task.requests.applying) is not None:
            pending.append(applying)
        for request in pending:
            request.reply(self._too_late())
        await self.network_task.recordings.close()
        self.input_queue.give_up(self.network_task.in_hand)
        if not self.network_task.broken:
            await self.checkpoints.finish(self.network, self.network_task.tick)

    async def _work(self, started: Callable[[Pipeline], None]) -> None:
        self.state = "running"
        failure: Exception | None = None
        async with trio.open_nursery() as saves:
            self.checkpoints.begin(saves)
            async with trio.open_nursery() as work:
                work.start_soon(self.network_task.run)
                self.network_task.teaching.lessons.publish()
                started(self)
                failure = await self._run_source()
                self.input_queue.end()
                if self.settings.at_end == "stay":
                    await self._stopping.wait()
                self.state = "draining"
                self.publish_status()
                self.input_queue.close()
                work.start_soon(self._limit_drain)
        await self.network_task.recordings.close()
        await self.checkpoints.finish(self.network, self.network_task.tick)
        if failure is not None and self.settings.at_end == "exit":
            self.failure = failure

    async def _run_source(self) -> Exception | None:
        deliver = (
            self.input_queue.put_dropping if self.source.live else self.input_queue.put_waiting
        )
        failure: Exception | None = None
        self.source_state = "running"
        self.publish_status()
        with self._source_scope:
            try:
                await self.source.run(deliver)
            except Exception as error:
                # Whatever ends a source, what it has delivered is computed and kept.
                failure = error
                self.source_error = str(error)
                if isinstance(error, SensorError):
                    log.error("the source failed: %s", error)
                else:
                    log.exception("the source failed by an unforeseen error")
        self.playback.source_over()
        stopped = self._source_scope.cancelled_caught
        self.source_state = "failed" if failure else "stopped" if stopped else "ended"
        self.publish_status()
        return failure

    async def _limit_drain(self) -> None:
        with trio.move_on_after(self.settings.drain_s):
            await self.network_task.done.wait()
            return
        self.network_task.give_up()

    async def _finish_requests(self) -> None:
        """Answer open requests, before the goodbye ends the queues."""
        self.playback.abandon()
        while (pending := self.input_queue.take_request()) is not None:
            pending.reply(self._too_late())
        with trio.move_on_after(0 if self._hurried else self.settings.goodbye_s):
            while self._asking:
                await self._asked.wait()

    def _say_goodbye(self) -> None:
        self.stats_publisher.publish_stats()
        self.publish_status()
        self.broker.finish(
            {"type": "goodbye", "reason": self._reason, "tick": self.network_task.tick}
        )

    async def _save_now_and_then(self) -> None:
        saved = trio.current_time()
        while True:
            # The schedule may be another after a reload: looked at once a second at least.
            every = self.settings.checkpoint_every_s or math.inf
            await trio.sleep(max(0.0, min(1.0, saved + every - trio.current_time())))
            if trio.current_time() >= saved + every:
                saved = trio.current_time()
                self.checkpoints.want()

    def take_settings(self, settings: Settings) -> None:
        """Go on with other settings, as far as they can change while it runs."""
        self.checkpoints.take_settings(settings.checkpoint_keep)
        self.settings = self.network_task.settings = settings

    def publish_status(self) -> None:
        """Publish the present state."""
        self.broker.publish("status", self.stats_publisher.status())

    def summary(self) -> Summary:
        """Return the totals."""
        counters = self.network_task.counters
        return Summary(
            pipeline=self.name,
            reason=self._reason,
            tick=self.network_task.tick,
            packets=counters.packets,
            events=counters.events,
            results=counters.results,
            updates=counters.updates,
            time_jumps=counters.time_jumps,
            drops=dict(self.input_queue.drops),
            checkpoint=self.checkpoints.path,
            checkpoint_error=self.checkpoints.error,
            recording_error=self.network_task.recordings.error,
        )
