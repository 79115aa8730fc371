"""The one task that touches the network."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio

from spikewire.qcore import ModelError
from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.interfaces import NetworkLike, PacketLike, Recorder
from spikewire.runtime.pipeline.batch_size import BatchSizer
from spikewire.runtime.pipeline.compute import Computed, compute_piece
from spikewire.runtime.pipeline.counters import Counters
from spikewire.runtime.pipeline.input_queue import InputQueue, PendingRequest
from spikewire.runtime.pipeline.lessons import Lessons
from spikewire.runtime.pipeline.preview import Previews
from spikewire.runtime.pipeline.recording import RecordingControl
from spikewire.runtime.pipeline.segment import NOTHING, EventColumns, Segment, TickRange, columns
from spikewire.runtime.protocol.messages import (
    Checkpoint,
    Learn,
    Record,
    Request,
    Status,
    Teach,
    Undo,
    error_reply,
)
from spikewire.runtime.settings.settings import Settings

log = logging.getLogger("spikewire.runtime")

# Below this many events a thread costs more than splitting columns.
_SMALL = 4096

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class Finished:
    """What is known of a segment that was computed to its end."""

    def __init__(self, segment: Segment, end_tick: int) -> None:
        self.first_tick = segment.origin_tick if segment.begun else end_tick
        self.end_tick = end_tick
        self.events = segment.events


class NetworkTask:
    """Takes packets and requests from the input queue, and publishes results.

    Parameters
    ----------
    network, input_queue, broker, settings
        What it works on.
    save
        Called with the learner's bytes and tick, and the requests to answer, when a checkpoint
        was asked for; it returns at once, and must call :meth:`saved` in the end.
    changed
        Called after every change that the status topic tells of.
    status
        Makes the body of a status message.
    in_thread
        Runs a blocking call and awaits its result.
    record
        Is given everything that is computed, in order.
    recorder
        Makes such a recorder when a client asks for one; None: none may be asked for.

    Attributes
    ----------
    tick, classes, learning, label
        As they stand; plain values that any task may read.
    busy_since
        When the batch that is computing began (trio's clock); infinite while none is.
    broken
        Whether a kernel failed, which leaves the network in no state worth saving.
    applying
        The request that is being applied.
    done
        Set when :meth:`run` has ended.
    """

    def __init__(
        self,
        network: NetworkLike,
        input_queue: InputQueue,
        broker: Broker,
        settings: Settings,
        *,
        save: Callable[[bytes, int, list[PendingRequest]], None] | None = None,
        changed: Callable[[], None] = lambda: None,
        status: Callable[[], dict[str, Any]] = dict,
        in_thread: InThread = trio.to_thread.run_sync,
        record: Recorder | None = None,
        recorder: Callable[[NetworkLike], Recorder] | None = None,
    ) -> None:
        self.recordings = RecordingControl(record, recorder, in_thread, changed)
        self.network = network
        self.classes = network.classes
        self.tick = network.tick
        self.learning = settings.learn
        self.label: str | None = None
        self.counters = Counters()
        self.previews = Previews(broker, network, lambda: self.settings.preview_per_s)
        self.lessons = Lessons(broker, settings.undo_lessons, self._learning_facts)
        self.busy_since = math.inf
        self.segment: Segment | None = None
        self.broken = False
        self.applying: PendingRequest | None = None
        self.on_finished: Callable[[int, Finished], None] = lambda number, finished: None
        self._input_queue = input_queue
        self._broker = broker
        self.settings = settings
        self._save = save
        self._changed = changed
        self._status = status
        self._in_thread = in_thread
        self._batch_sizer = BatchSizer()
        self._saving = False
        self._save_for: list[PendingRequest] = []
        self._save_wanted = False
        self._changes = self._captured = self._saved = 0
        self.done = trio.Event()
        self._result_every = max(1, int(network.spec.result_every))
        self._gap_ticks = -(-settings.gap_ms * 1000 // network.tick_us)
        self._note_counters()

    # -- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until the input queue is closed and empty; the last segment is computed whole."""
        while True:
            await self._attend()
            packet = self._input_queue.take_packet()
            if packet is not None:
                await self._take(packet)
            elif self._input_queue.closed:
                break
            elif self._input_queue.exhausted and self.segment is not None:
                await self._end_segment(time.monotonic_ns())
            else:
                await self._input_queue.wait()
        await self._end_segment(time.monotonic_ns())
        await self._attend()
        self.done.set()

    async def _take(self, packet: PacketLike) -> None:
        self.counters.packets += 1
        if self.segment is not None and packet.segment != self.segment.number:
            await self._end_segment(packet.arrived_ns)
        if self.segment is None:
            self.segment = Segment(
                packet.segment, packet.size, self.network.tick_us, self._next_origin
            )
        segment = self.segment
        events = await self._columns(packet)
        begun = segment.begun
        late = segment.add(packet, events)
        if late:
            self._input_queue.drops["late"] += late
        if segment.begun:
            if not begun:
                await self._rest(segment.origin_tick)
            await self._advance(segment, segment.complete(packet.watermark), packet.arrived_ns)
        if packet.last:
            await self._end_segment(packet.arrived_ns)

    async def _columns(self, packet: PacketLike) -> EventColumns:
        if not len(packet.events):
            return NOTHING
        if len(packet.events) <= _SMALL:
            return columns(packet.events)
        split: EventColumns = await self._in_thread(partial(columns, packet.events))
        return split

    # -- time ------------------------------------------------------------------------------------

    def _next_origin(self) -> int:
        """The tick at which a new segment begins: after a pause, and on the grid of results."""
        if self.tick == 0:
            return 0
        every = self._result_every
        return -(-(self.tick + self._gap_ticks) // every) * every

    async def _rest(self, until: int) -> None:
        """Let the network come to rest; what it says meanwhile belongs to no segment."""
        while self.tick < until:
            stop = min(until, self.tick + 16 * self._batch_sizer.ticks)
            await self._compute(None, TickRange(NOTHING, stop, None), -1)
            await self._attend()

    async def _end_segment(self, arrived_ns: int) -> None:
        segment = self.segment
        if segment is None:
            return
        if segment.begun:
            await self._advance(segment, segment.end(self._result_every), arrived_ns)
            await self.recordings.end_segment(segment.end_us)
        self.segment = None
        self.on_finished(segment.number, Finished(segment, self.tick))

    async def _advance(self, segment: Segment, until: int, arrived_ns: int) -> None:
        while self.tick < until:
            await self._attend()
            piece = segment.piece(until, self._batch_sizer.ticks, self._batch_sizer.events)
            name = piece.label if self.settings.labels == "source" else self.label
            label = await self._index(name, len(piece.events))
            if self.settings.labels == "source":
                await self._lesson(name if label >= 0 else None)
            first = self.tick
            steps = await self._compute(segment, piece, label)
            await self.recordings.note(
                segment, piece, first, name if label >= 0 else None, self.learning
            )
            self._publish(segment, steps, piece.label, name if label >= 0 else None, arrived_ns)
            self._preview(segment, steps, first)

    def _preview(self, segment: Segment, steps: Computed, first: int) -> None:
        if steps.picture is not None:
            self.previews.add_picture(
                steps.picture, tick=self.tick - 1, segment=segment.number,
                start_us=segment.time_after(first - 1), t_us=segment.time_after(self.tick - 1),
            )  # fmt: skip
        if steps.raster is not None:
            self.previews.add_raster(steps.raster)

    async def _index(self, name: str | None, events: int) -> int:
        if name is None:
            return -1
        adds = name not in self.classes and self._why_not(name) is None
        if adds and self.settings.labels == "source":
            # A class that a lesson adds is no part of what was known before it.
            await self._lesson(name)
        if await self._add_class(name) is not None:
            self.counters.unlearned_events += events
            return -1
        return self.classes.index(name)

    def _why_not(self, name: str) -> str | None:
        """Why ``name`` is no class and cannot be one, if so."""
        if name in self.classes:
            return None
        known = f"its classes are {', '.join(self.classes)}"
        if not self.settings.add_classes:
            return f"{name!r} is no class of this network, and none may be added; {known}."
        if len(self.classes) >= self.settings.most_classes:
            return f"{name!r} is no class of this network, which has all it may have; {known}."
        return None

    async def _add_class(self, name: str) -> str | None:
        """Make sure that ``name`` is a class; returns why it cannot be."""
        if name in self.classes:
            return None
        if (why := self._why_not(name)) is not None:
            return why
        try:
            await self._in_thread(partial(self.network.add_class, name))
        except ModelError as error:
            return str(error)
        self.classes = self.network.classes
        self._changes += 1
        self._changed()
        return None

    async def _compute(self, segment: Segment | None, piece: TickRange, label: int) -> Computed:
        began = time.perf_counter_ns()
        self.busy_since = trio.current_time()
        previews = self.previews
        job = partial(
            compute_piece, self.network, segment, piece, label, self.learning,
            previews.pictures, previews.probe,
        )  # fmt: skip
        try:
            steps: Computed = await self._in_thread(job)
        except Exception:
            self.broken = True
            raise
        finally:
            self.busy_since = math.inf
        took = time.perf_counter_ns() - began
        full = (
            piece.until - self.tick >= self._batch_sizer.ticks
            or len(piece.events) >= self._batch_sizer.events
        )
        self._batch_sizer.measured(took, full)
        self.counters.ticks += piece.until - self.tick
        self.counters.events += len(piece.events)
        self.counters.on_events += steps.on_events
        self.counters.compute_ns += took
        self.tick = piece.until
        self._changes += 1
        self._note_counters()
        return steps

    def _note_counters(self) -> None:
        # Copied between batches: nobody may look into the network while a kernel runs.
        self.counters.updates = self.network.updates
        self.counters.synaptic_ops = self.network.synaptic_ops

    # -- results ---------------------------------------------------------------------------------

    def _publish(
        self,
        segment: Segment,
        steps: Computed,
        truth: str | None,
        label: str | None,
        arrived_ns: int,
    ) -> None:
        teaching = self.learning and label is not None
        for tick, scores, spikes in zip(
            steps.tick.tolist(), steps.scores.tolist(), steps.spikes.tolist(), strict=True
        ):
            latency_us = max(0, time.monotonic_ns() - arrived_ns) // 1000
            self.counters.published(latency_us)
            self._broker.publish(
                "result",
                {
                    "tick": tick,
                    "t_us": segment.time_after(tick),
                    "segment": segment.number,
                    "class": winner(self.classes, scores),
                    "scores": dict(zip(self.classes, scores, strict=True)),
                    "spikes": spikes,
                    "truth": truth,
                    "label": label,
                    "teaching": teaching,
                    "latency_us": latency_us,
                },
            )

    # -- requests --------------------------------------------------------------------------------

    async def _attend(self) -> None:
        """Apply what was asked; the network stands at a tick boundary."""
        while (pending := self._input_queue.take_request()) is not None:
            self.applying = pending
            await self._apply(pending)
            self.applying = None
        if self._save_wanted and not self._saving:
            await self._begin_save()

    async def _apply(self, pending: PendingRequest) -> None:
        request: Request = pending.request
        match request:
            case Teach(label=label):
                pending.reply({"tick": self.tick, **await self._teach(label)})
                self._changed()
            case Learn(on=on):
                self.learning = on
                if self.settings.labels == "client":
                    await self._lesson(self.label)
                pending.reply({"ok": True, "tick": self.tick, "on": on})
                self.lessons.publish()
                self._changed()
            case Undo():
                pending.reply({"tick": self.tick, **await self._undo()})
                self._changed()
            case Record(on=on):
                pending.reply({"tick": self.tick, **await self.recordings.ask(on, self.network)})
                self._changed()
            case Status():
                pending.reply({"ok": True, "tick": self.tick, "status": self._status()})
            case Checkpoint():
                if self._save is None:
                    why = "This service has no checkpoint folder."
                    pending.reply({"tick": self.tick, **error_reply("no_checkpoints", why)})
                else:
                    self._save_for.append(pending)
                    self._save_wanted = True
            case _:
                raise AssertionError(
                    f"{type(request).__name__} is not for the network's network_task"
                )

    async def _teach(self, label: str | None) -> dict[str, Any]:
        if self.settings.labels == "source":
            return error_reply(
                "labels_from_source",
                "The source names the classes here (setting labels is 'source').",
            )
        before = await self._known(label if self.learning else None)
        if label is not None and (why := await self._add_class(label)) is not None:
            return error_reply("unknown_class", why)
        self.label = label
        await self._lesson(label, before)
        return {"ok": True, "label": label}

    # -- lessons ---------------------------------------------------------------------------------

    def _learning_facts(self) -> dict[str, Any]:
        return {"tick": self.tick, "on": self.learning, "updates": self.counters.updates}

    async def _known(self, label: str | None) -> Any:
        """What is known before a lesson of ``label``; None if it is none, or none is kept."""
        if label is None or label == self.lessons.label or not self.lessons.keeps:
            return None
        return await self._in_thread(self.network.snapshot)

    async def _lesson(self, label: str | None, before: Any = None) -> None:
        """Note what is taught from now on, if that is learned; None: nothing."""
        label = label if self.learning else None
        if label == self.lessons.label:
            return
        if label is None:
            self.lessons.end()
        else:
            self.lessons.begin(label, before if before is not None else await self._known(label))

    async def _undo(self) -> dict[str, Any]:
        if self.lessons.undoable is None:
            return error_reply("nothing_to_undo", "There is no lesson that could be taken back.")
        self.label = None
        lesson, before = self.lessons.take_back()
        await self._in_thread(partial(self.network.restore, before))
        self.classes = self.network.classes
        self._changes += 1
        self._note_counters()
        self.lessons.publish()
        return {"ok": True, "label": lesson.label}

    # -- checkpoints -----------------------------------------------------------------------------

    def want_checkpoint(self) -> None:
        """Save at the next tick boundary, unless nothing was computed since the last time."""
        if self._save is not None and self.unsaved:
            self._save_wanted = True
            self._input_queue.nudge()

    @property
    def unsaved(self) -> bool:
        """Whether anything was computed, or changed otherwise, since the last checkpoint."""
        return self._changes != self._saved

    def capture(self) -> None:
        """What is saved now is the network as it stands."""
        self._captured = self._changes

    def take_savers(self) -> list[PendingRequest]:
        """Requests for a checkpoint that no save was begun for."""
        waiting, self._save_for = self._save_for, []
        return waiting

    def saved(self, done: bool) -> None:
        """The save that ``save`` was called for is over."""
        self._saving = False
        if done:
            self._saved = self._captured
        self._input_queue.nudge()

    async def _begin_save(self) -> None:
        assert self._save is not None
        self._saving, self._save_wanted = True, False
        self.capture()
        waiting = self.take_savers()
        data: bytes = await self._in_thread(self.network.to_bytes)
        self._save(data, self.tick, waiting)


def winner(classes: tuple[str, ...], scores: list[int]) -> str | None:
    """The class with the highest score, the first of equals; None where all are the same."""
    best = max(scores, default=0)
    if not scores or (best == min(scores) and (len(scores) > 1 or best <= 0)):
        return None
    return classes[scores.index(best)]
