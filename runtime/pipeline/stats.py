"""What a service says of itself: the stats and status topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from spikewire.runtime.pipeline.pipeline import Pipeline


class Reporter:
    """Publishes stats at a steady pace, and makes the body of a status message."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._before: dict[str, int] | None = None
        self._at = 0.0
        self._began = 0.0

    async def run(self) -> None:
        """Publish stats every ``stats_every_s``."""
        self._began = self._at = trio.current_time()
        self._before = self._pipeline.owner.meter.totals()
        while True:
            await trio.sleep(self._pipeline.settings.stats_every_s)
            self.publish_stats()

    def publish_stats(self) -> None:
        """Publish what happened since the last time."""
        self._pipeline.broker.publish("stats", self._stats())

    def _stats(self) -> dict[str, Any]:
        pipeline, owner, inbox = self._pipeline, self._pipeline.owner, self._pipeline.inbox
        meter, settings, broker = owner.meter, pipeline.settings, pipeline.broker
        now = trio.current_time()
        totals = meter.totals()
        before = self._before or totals
        span = now - self._at
        self._before, self._at = totals, now

        def rate(name: str) -> float:
            return (totals[name] - before[name]) / span if span > 0 else 0.0

        return {
            "tick": owner.tick,
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
            "on_events": meter.on_events,
            "off_events": totals["events"] - meter.on_events,
            "replay": pipeline.replay,
            "updates": totals["updates"],
            "synaptic_ops": totals["synaptic_ops"],
            "queue": {
                "packets": inbox.packets,
                "events": inbox.events,
                "most_packets": settings.queue_packets,
                "most_events": settings.queue_events,
            },
            "drops": dict(inbox.drops),
            "dropped_packets": inbox.dropped_packets,
            "unlearned_events": meter.unlearned_events,
            "source": {str(k): int(v) for k, v in pipeline.source.counters.items()},
            "latency_us": meter.take_latencies(),
            **pipeline.facts(),
            "subscribers": {
                "connected": broker.subscribers,
                "dropped": broker.dropped,
                "cut_off": broker.cut_off,
            },
        }

    def status(self) -> dict[str, Any]:
        """The body of a status message: what holds now, without rates."""
        pipeline, owner, saver = self._pipeline, self._pipeline.owner, self._pipeline.saver
        return {
            "run": pipeline.run_id,
            "pipeline": pipeline.name,
            "state": pipeline.state,
            "tick": owner.tick,
            "classes": list(owner.classes),
            "labels": pipeline.settings.labels,
            "label": owner.label,
            "learn": owner.learning,
            "recording": owner.recordings.path,
            "source": {
                "name": pipeline.source.name,
                "live": bool(pipeline.source.live),
                "state": pipeline.source_state,
                "error": pipeline.source_error,
                "segment": None if owner.segment is None else owner.segment.number,
                "replay": pipeline.replay,
            },
            "checkpoint": {
                "folder": pipeline.settings.checkpoint_folder,
                "path": saver.path if saver is not None else None,
                "tick": saver.tick if saver is not None else None,
                "error": saver.error if saver is not None else None,
                "failures": saver.failures if saver is not None else 0,
            },
        }
