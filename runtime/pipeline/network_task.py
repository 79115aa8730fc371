"""The one task that touches the network."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import trio

from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.decision.rules import Rules
from spikewire.runtime.decision.stillness import FIRST_LIVELY_HZ, FIRST_REST_HZ
from spikewire.runtime.decision.stream import DecisionStream
from spikewire.runtime.interfaces import InThread, NetworkLike, PacketLike
from spikewire.runtime.pipeline.checkpoint_writer import CheckpointWriter
from spikewire.runtime.pipeline.compute import BatchSizer, Computed, compute_piece
from spikewire.runtime.pipeline.counters import Counters
from spikewire.runtime.pipeline.event_parts import NOTHING, EventParts
from spikewire.runtime.pipeline.input_queue import InputQueue
from spikewire.runtime.pipeline.intervals import IntervalTopic
from spikewire.runtime.pipeline.picture import PictureTopic
from spikewire.runtime.pipeline.preview import Previews
from spikewire.runtime.pipeline.recording import RecordingControl
from spikewire.runtime.pipeline.requests import RequestHandler, StatusHooks
from spikewire.runtime.pipeline.results import Labels, ResultPublisher
from spikewire.runtime.pipeline.segment import FinishedSegment, Segment, TickRange
from spikewire.runtime.pipeline.teaching import Teaching, known
from spikewire.runtime.settings.settings import Settings
from spikewire.sensors import MOST_TIME_US, JumpFinder


class NetworkTask:
    """Takes packets and requests from the input queue, and publishes results.

    Parameters
    ----------
    network, queue, broker, settings
        What it works on.
    in_thread
        Runs a blocking call and awaits its result.
    checkpoints
        Writes checkpoints; None: there are none.
    recordings
        Records the input; None: nothing is recorded.
    status
        Ties to the status topic; None: there are none.

    Attributes
    ----------
    tick
        Where the network stands; a plain value that any task may read.
    teaching
        Classes, labels and lessons.
    in_hand
        Events taken from the queue, and neither computed nor dropped yet.
    busy_since
        When the batch that is computing began (trio's clock); infinite while none is.
    broken
        Whether a kernel failed, which leaves the network in no state worth saving.
    done
        Set when :meth:`run` has ended.
    """

    def __init__(
        self,
        network: NetworkLike,
        queue: InputQueue,
        broker: Broker,
        settings: Settings,
        *,
        in_thread: InThread = trio.to_thread.run_sync,
        checkpoints: CheckpointWriter | None = None,
        recordings: RecordingControl | None = None,
        status: StatusHooks | None = None,
    ) -> None:
        status = status or StatusHooks()
        network.layers_learn = settings.learn_layers
        self.network = network
        self.tick = network.tick
        self.counters = Counters()
        self.segment: Segment | None = None
        self.in_hand = 0
        self.busy_since = math.inf
        self.broken = False
        self.done = trio.Event()
        self.on_finished: Callable[[int, FinishedSegment], None] = lambda number, finished: None
        self.checkpoints = checkpoints or CheckpointWriter(None, in_thread)
        self.recordings = recordings or RecordingControl(None, None, in_thread, status.changed)
        self.previews = Previews(broker, network, lambda: self.settings.preview_per_s)
        self.intervals = IntervalTopic(broker)
        self.picture = PictureTopic(
            broker, in_thread, lambda: self.settings.preview_per_s,
            lambda: self.settings.picture_bytes_per_s,
        )  # fmt: skip
        self.teaching = Teaching(
            network, broker, settings, self.counters, in_thread=in_thread,
            tick=lambda: self.tick, edited=self._note_change, changed=status.changed,
        )  # fmt: skip
        self.requests = RequestHandler(
            network, self.teaching, self.recordings, self.checkpoints, status, self.previews
        )
        self._queue = queue
        self._in_thread = in_thread
        rules = Rules.of(
            network.tick_us, round(1000 * settings.steady_ms), settings.unknown, settings.still,
            network.calibration,
        )  # fmt: skip
        self._results = ResultPublisher(broker, self.counters, DecisionStream(rules))
        self._batch_sizer = BatchSizer()
        self._result_every = max(1, int(network.spec.result_every))
        self._gap_ticks = -(-settings.gap_ms * 1000 // network.tick_us)
        self._jumps = JumpFinder(round(settings.jump_s * 1e6))
        self._source_segment: int | None = None
        self._finished: FinishedSegment | None = None
        self._given_up = False
        self.counters.read_network(network)

    @property
    def settings(self) -> Settings:
        """Settings as they stand."""
        return self.teaching.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.teaching.settings = settings

    # -- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until the input queue is closed and empty; the last segment is computed whole."""
        while True:
            await self._attend()
            packet = self._queue.take_packet()
            if packet is not None:
                await self._take(packet)
            elif self._queue.closed:
                break
            elif self._queue.exhausted and self._source_segment is not None:
                await self._end_source_segment(time.monotonic_ns())
            else:
                await self._queue.wait()
        await self._end_source_segment(time.monotonic_ns())
        await self._attend()
        self._results.finish()
        self.done.set()

    def give_up(self) -> None:
        """Stop computing at the next tick boundary; events not computed yet are dropped, counted.

        The network stays whole: it can be saved.
        """
        self._given_up = True
        self._queue.discard()

    async def _attend(self) -> None:
        """Apply requests, and begin a checkpoint that is due: the network is between two ticks."""
        while (pending := self._queue.take_request()) is not None:
            await self.requests.apply(pending, self.tick)
        if self.checkpoints.due:
            await self.checkpoints.write(self.network, self.tick)

    async def _take(self, packet: PacketLike) -> None:
        self.counters.packets += 1
        self.in_hand += len(packet.events)
        if self._source_segment not in (None, packet.segment):
            await self._end_source_segment(packet.arrived_ns)
        self._source_segment = packet.segment
        if self.segment is not None and self.segment.size != packet.size:
            # A filter that crops, say, was set: places before and after cannot be compared.
            await self._end_segment(packet.arrived_ns)
            self.counters.size_changes += 1
        jumps = self._jumps.find(packet.events["t"])
        for n, (start, stop) in enumerate(itertools.pairwise([0, *jumps, len(packet.events)])):
            if n:
                await self._end_segment(packet.arrived_ns)
                self.counters.time_jumps += 1
            if n or start < stop or not jumps:
                part = EventParts.of(packet.events[start:stop])
                await self._take_part(packet, part, whole=stop == len(packet.events))
        if packet.last:
            await self._end_source_segment(packet.arrived_ns)

    async def _take_part(self, packet: PacketLike, events: EventParts, *, whole: bool) -> None:
        """Take in the part of a packet that lies between two jumps; most packets have one."""
        if self._given_up:
            self._drop("not_computed", len(events))
            return
        watermark = min(packet.watermark, MOST_TIME_US) if whole else events.last_us
        segment = self.segment
        if segment is None:
            counters = self.counters
            number = packet.segment + counters.time_jumps + counters.size_changes
            segment = Segment(number, packet.size, self.network.tick_us, self._next_origin)
            self.segment = segment
        begun = segment.begun
        late = segment.add(packet, events, watermark)
        if late:
            self._drop("late", late)
        if segment.begun:
            if not begun:
                await self._rest(segment.origin_tick)
            await self._advance(segment, segment.complete(watermark), packet.arrived_ns)

    def _drop(self, reason: str, events: int) -> None:
        self._queue.drops[reason] += events
        self.in_hand -= events

    # -- time ------------------------------------------------------------------------------------

    def _next_origin(self) -> int:
        """Return the tick at which a new segment begins: after a pause, on the grid of results."""
        if self.tick == 0:
            return 0
        every = self._result_every
        return -(-(self.tick + self._gap_ticks) // every) * every

    async def _rest(self, until: int) -> None:
        """Let the network come to rest; its output meanwhile belongs to no segment."""
        while self.tick < until and not self._given_up:
            stop = until
            if not self.network.at_rest:
                stop = min(until, self.tick + 16 * self._batch_sizer.ticks)
            await self._compute(None, TickRange(NOTHING, stop, None), -1)
            await self._attend()

    async def _end_segment(self, arrived_ns: int) -> None:
        segment = self.segment
        if segment is None:
            return
        if segment.begun:
            await self._advance(segment, segment.end(self._result_every), arrived_ns)
            end_us = segment.end_us
            if self._given_up:
                end_us = min(end_us, segment.time_after(self.tick - 1))
            await self.recordings.end_segment(end_us)
        self.segment = None
        finished = FinishedSegment.of(segment, self.tick)
        self._finished = finished if self._finished is None else self._finished.then(finished)

    async def _end_source_segment(self, arrived_ns: int) -> None:
        await self._end_segment(arrived_ns)
        number, finished = self._source_segment, self._finished
        self._source_segment = self._finished = None
        self._jumps.begin()
        if number is not None and finished is not None:
            self.on_finished(number, finished)

    async def _advance(self, segment: Segment, until: int, arrived_ns: int) -> None:
        while self.tick < until:
            await self._attend()
            if self._given_up:
                self._drop("not_computed", segment.give_up())
                return
            teaching, first = self.teaching, self.tick
            piece = segment.piece(
                until, self._batch_sizer.ticks, self._batch_sizer.events,
                at_rest=self.network.at_rest,
            )  # fmt: skip
            label = teaching.label(piece.truth)
            class_index = await teaching.class_index(label, len(piece.events))
            if class_index < 0:
                label = None
            computed = await self._compute(segment, piece, class_index)
            await self.recordings.note(segment, piece, first, label, teaching.learning)
            labels = Labels(known(piece.truth), label, teaching.learning and label is not None)
            self._results.publish(segment, computed, teaching.classes, labels, arrived_ns)
            self._keep_rates()
            self._preview(segment, computed, first)

    async def _compute(
        self, segment: Segment | None, piece: TickRange, class_index: int
    ) -> Computed:
        began = time.perf_counter_ns()
        self.busy_since = trio.current_time()
        previews, counts, intervals = self.previews, None, None
        if segment is not None and len(piece.events):
            counts = self.picture.open(segment.size, segment.number)
            intervals = self.intervals.open(segment.size, segment.number)
        job = partial(
            compute_piece, self.network, segment, piece, class_index, self.teaching.learning,
            previews.pictures, previews.probe, previews.place, counts, intervals,
        )  # fmt: skip
        try:
            computed: Computed = await self._in_thread(job)
        except Exception:
            self.broken = True
            raise
        finally:
            self.busy_since = math.inf
        took = time.perf_counter_ns() - began
        sizer, ticks = self._batch_sizer, piece.until - self.tick
        sizer.measured(took, full=ticks >= sizer.ticks or len(piece.events) >= sizer.events)
        self.counters.computed(ticks, len(piece.events), computed.on_events, took)
        self.in_hand -= len(piece.events)
        if segment is not None and counts is not None:
            start_us, t_us = segment.time_after(self.tick - 1), segment.time_after(piece.until - 1)
            self.picture.close(tick=piece.until - 1, start_us=start_us, t_us=t_us)
        if segment is not None and intervals is not None:
            self.intervals.close(tick=piece.until - 1, t_us=segment.time_after(piece.until - 1))
        self.tick = piece.until
        self._note_change()
        return computed

    def _keep_rates(self) -> None:
        """Keep the camera's rates with the network, for its next checkpoint."""
        rest_hz, lively_hz = self._results.rates
        if (rest_hz, lively_hz) != (FIRST_REST_HZ, FIRST_LIVELY_HZ):
            self.network.calibration = replace(
                self.network.calibration, rest_hz=rest_hz, lively_hz=lively_hz
            )

    def _note_change(self) -> None:
        # Copied between batches: nobody may look into the network while a kernel runs.
        self.counters.read_network(self.network)
        self.checkpoints.note_change()

    def _preview(self, segment: Segment, computed: Computed, first: int) -> None:
        if computed.picture is not None:
            self.previews.add_picture(
                computed.picture, tick=self.tick - 1, segment=segment.number,
                start_us=segment.time_after(first - 1), t_us=segment.time_after(self.tick - 1),
            )  # fmt: skip
        if computed.raster is not None:
            self.previews.add_raster(computed.raster)
        if computed.membrane is not None:
            self.previews.add_membrane(computed.membrane)
