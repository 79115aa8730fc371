"""The stats and status topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import trio

from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.interfaces import NetworkLike, SourceLike
from spikewire.runtime.pipeline.checkpoint_writer import CheckpointWriter
from spikewire.runtime.pipeline.input_queue import InputQueue
from spikewire.runtime.pipeline.network_task import NetworkTask
from spikewire.runtime.pipeline.source_controls import SourceControls
from spikewire.runtime.settings.settings import Settings


class ReportedPipeline(Protocol):
    """The parts of a pipeline that its stats and status describe."""

    @property
    def name(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def source(self) -> SourceLike: ...
    @property
    def source_state(self) -> str: ...
    @property
    def source_error(self) -> str | None: ...
    @property
    def controls(self) -> SourceControls: ...
    @property
    def network(self) -> NetworkLike: ...
    @property
    def network_task(self) -> NetworkTask: ...
    @property
    def input_queue(self) -> InputQueue: ...
    @property
    def broker(self) -> Broker: ...
    @property
    def checkpoints(self) -> CheckpointWriter: ...
    @property
    def facts(self) -> Callable[[], dict[str, Any]]: ...


class StatsPublisher:
    """Publishes stats at equal intervals, and makes the body of a status message."""

    def __init__(self, pipeline: ReportedPipeline) -> None:
        self._pipeline = pipeline
        self._before: dict[str, int] | None = None
        self._at = 0.0
        self._began = 0.0

    async def run(self) -> None:
        """Publish stats every ``stats_every_s``."""
        self._began = self._at = trio.current_time()
        self._before = self._pipeline.network_task.counters.totals()
        while True:
            await trio.sleep(self._pipeline.settings.stats_every_s)
            self.publish_stats()

    def publish_stats(self) -> None:
        """Publish the counts and rates since the last time."""
        self._pipeline.broker.publish("stats", self._stats())

    def _stats(self) -> dict[str, Any]:
        pipeline, settings = self._pipeline, self._pipeline.settings
        task, queue, broker = pipeline.network_task, pipeline.input_queue, pipeline.broker
        counters = task.counters
        now = trio.current_time()
        totals = counters.totals()
        before = self._before or totals
        span = now - self._at
        self._before, self._at = totals, now

        def rate(name: str) -> float:
            return (totals[name] - before[name]) / span if span > 0 else 0.0

        return {
            "tick": task.tick,
            "uptime_s": now - self._began,
            "interval_s": span,
            "events_per_s": rate("events"),
            "ticks_per_s": rate("ticks"),
            "results_per_s": rate("results"),
            # Event time computed in a second of wall time.
            "real_time_factor": rate("ticks") * pipeline.network.tick_us / 1e6,
            "busy": min(1.0, rate("compute_ns") / 1e9),
            "packets": totals["packets"],
            "events": totals["events"],
            "ticks": totals["ticks"],
            "results": totals["results"],
            "on_events": counters.on_events,
            "off_events": totals["events"] - counters.on_events,
            "replay": pipeline.controls.replay,
            "updates": totals["updates"],
            "synaptic_ops": totals["synaptic_ops"],
            "queue": {
                "packets": queue.packets,
                "events": queue.events,
                "most_packets": settings.queue_packets,
                "most_events": settings.queue_events,
            },
            "drops": dict(queue.drops),
            "dropped_packets": queue.dropped_packets,
            "time_jumps": counters.time_jumps,
            "size_changes": counters.size_changes,
            "unlearned_events": counters.unlearned_events,
            "filters": pipeline.controls.filters,
            "source": {str(k): int(v) for k, v in pipeline.source.counters.items()},
            "latency_us": counters.take_latencies(),
            **pipeline.facts(),
            "subscribers": {
                "connected": broker.subscribers,
                "dropped": broker.dropped,
                "cut_off": broker.cut_off,
            },
        }

    def status(self) -> dict[str, Any]:
        """Make the body of a status message: the present state, without rates."""
        pipeline, task = self._pipeline, self._pipeline.network_task
        teaching, checkpoints = task.teaching, pipeline.checkpoints
        return {
            "run": pipeline.run_id,
            "pipeline": pipeline.name,
            "state": pipeline.state,
            "tick": task.tick,
            "classes": list(teaching.classes),
            "labels": pipeline.settings.labels,
            "label": teaching.taught,
            "teacher": None if teaching.teacher is None else teaching.teacher.facts(),
            "learn": teaching.learning,
            "recording": task.recordings.path,
            "recording_error": task.recordings.error,
            "source": {
                "name": pipeline.source.name,
                "live": bool(pipeline.source.live),
                "state": pipeline.source_state,
                "error": pipeline.source_error,
                "segment": None if task.segment is None else task.segment.number,
                "replay": pipeline.controls.replay,
                "sim": pipeline.controls.sim,
                "filters": pipeline.controls.filters,
                **pipeline.controls.choice,
            },
            "checkpoint": {
                "folder": pipeline.settings.checkpoint_folder or pipeline.settings.save_folder,
                "path": checkpoints.path,
                "tick": checkpoints.tick,
                "error": checkpoints.error,
                "failures": checkpoints.failures,
            },
        }
