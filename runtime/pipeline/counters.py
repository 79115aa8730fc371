"""Counters of a pipeline, and the latencies since the last stats message."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from spikewire.runtime.interfaces import NetworkLike

# Latencies of results kept for one message of the stats topic.
_MOST_LATENCIES = 8192


LATENCY_BOUNDS_US = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000)


class Counters:
    """Counts of the network task.

    Attributes
    ----------
    packets, events, ticks, results
        Taken, computed, published since the start.
    on_events
        Of the events computed, those of polarity 1.
    compute_ns
        Time spent in kernels.
    time_jumps
        Jumps of event time, each of which began a segment.
    size_changes
        Changes of the events' size within a segment of the source, each of which began a segment.
    unlearned_events
        Computed under a label that is no class, and could not become one.
    latency_us, latencies
        Sum of the results' latencies, and how many were up to each of ``LATENCY_BOUNDS_US``, then
        how many were more.
    updates, synaptic_ops
        The network's own counters, as of the last batch.
    """

    def __init__(self) -> None:
        self.packets = self.events = self.on_events = self.ticks = self.results = 0
        self.compute_ns = 0
        self.updates = self.synaptic_ops = 0
        self.unlearned_events = 0
        self.time_jumps = self.size_changes = 0
        self.latency_us = 0
        self.latencies = [0] * (len(LATENCY_BOUNDS_US) + 1)
        self._latencies: deque[int] = deque(maxlen=_MOST_LATENCIES)

    def published(self, latency_us: int) -> None:
        """Count a result."""
        self.results += 1
        self.latency_us += latency_us
        self.latencies[bisect_left(LATENCY_BOUNDS_US, latency_us)] += 1
        self._latencies.append(latency_us)

    def computed(self, ticks: int, events: int, on_events: int, took_ns: int) -> None:
        """Count a batch."""
        self.ticks += ticks
        self.events += events
        self.on_events += on_events
        self.compute_ns += took_ns

    def read_network(self, network: NetworkLike) -> None:
        """Copy the network's own counters."""
        self.updates = network.updates
        self.synaptic_ops = network.synaptic_ops

    def totals(self) -> dict[str, int]:
        """The counters, to be subtracted from later ones."""
        return {
            "packets": self.packets,
            "events": self.events,
            "ticks": self.ticks,
            "results": self.results,
            "updates": self.updates,
            "synaptic_ops": self.synaptic_ops,
            "compute_ns": self.compute_ns,
        }

    def take_latencies(self) -> dict[str, int] | None:
        """Percentiles in microseconds since the last call; None without results."""
        ordered = sorted(self._latencies)
        self._latencies.clear()
        if not ordered:
            return None
        return {"p50": quantile(ordered, 0.5), "p99": quantile(ordered, 0.99), "max": ordered[-1]}


def quantile(ordered: Sequence[int], share: float) -> int:
    """Return the value below which ``share`` of ``ordered`` lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
