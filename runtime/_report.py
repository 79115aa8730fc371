"""What a service says of itself: the stats and status topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from runtime._service import Service


class Reporter:
    """Publishes stats at a steady pace, and makes the body of a status message."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._before: dict[str, int] | None = None
        self._at = 0.0
        self._began = 0.0

    async def run(self) -> None:
        """Publish stats every ``stats_every_s``."""
        self._began = self._at = trio.current_time()
        self._before = self._service.owner.meter.totals()
        while True:
            await trio.sleep(self._service.settings.stats_every_s)
            self.publish_stats()

    def publish_stats(self) -> None:
        """Publish what happened since the last time."""
        self._service.broker.publish("stats", self._stats())

    def _stats(self) -> dict[str, Any]:
        service, owner, inbox = self._service, self._service.owner, self._service.inbox
        meter, settings, broker = owner.meter, service.settings, service.broker
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
            "real_time_factor": rate("ticks") * service.network.tick_us / 1e6,
            "busy": min(1.0, rate("compute_ns") / 1e9),
            "packets": totals["packets"],
            "events": totals["events"],
            "ticks": totals["ticks"],
            "results": totals["results"],
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
            "source": {str(k): int(v) for k, v in service.source.counters.items()},
            "latency_us": meter.take_latencies(),
            "connections": service.connections,
            "refused_connections": service.refused,
            "refused_tokens": service.refused_tokens,
            "refused_requests": service.refused_requests,
            "subscribers": {
                "connected": broker.subscribers,
                "dropped": broker.dropped,
                "cut_off": broker.cut_off,
            },
        }

    def status(self) -> dict[str, Any]:
        """The body of a status message: what holds now, without rates."""
        service, owner, saver = self._service, self._service.owner, self._service.saver
        return {
            "run": service.run_id,
            "state": service.state,
            "tick": owner.tick,
            "classes": list(owner.classes),
            "labels": service.settings.labels,
            "label": owner.label,
            "learn": owner.learning,
            "source": {
                "name": service.source.name,
                "live": bool(service.source.live),
                "state": service.source_state,
                "error": service.source_error,
                "segment": None if owner.segment is None else owner.segment.number,
            },
            "checkpoint": {
                "folder": service.settings.checkpoint_folder,
                "path": saver.path if saver is not None else None,
                "tick": saver.tick if saver is not None else None,
                "error": saver.error if saver is not None else None,
                "failures": saver.failures if saver is not None else 0,
            },
        }
