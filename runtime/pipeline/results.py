"""Results: the class with the highest score, published with its scores and labels; decisions."""

from __future__ import annotations

import time
from dataclasses import dataclass

from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.decision.stream import DecisionStream
from spikewire.runtime.pipeline.compute import Computed
from spikewire.runtime.pipeline.counters import Counters
from spikewire.runtime.pipeline.segment import Segment


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of ticks that are computed in one go.

    Attributes
    ----------
    truth
        The source's label.
    label
        The label that counts (the source's or the client's, by the setting ``labels``), if it is a
        class of the network.
    teaching
        Whether the network learns that label.
    """

    truth: str | None
    label: str | None
    teaching: bool


class ResultPublisher:
    """Publishes results and the decisions that follow from them, and counts results.

    Parameters
    ----------
    broker, counters
        What it publishes to and counts with.
    decisions
        Makes decisions of results.
    """

    def __init__(self, broker: Broker, counters: Counters, decisions: DecisionStream) -> None:
        self._broker = broker
        self._counters = counters
        self._decisions = decisions
        self._segment, self._events = -1, 0

    def publish(
        self,
        segment: Segment,
        computed: Computed,
        classes: tuple[str, ...],
        labels: Labels,
        arrived_ns: int,
    ) -> None:
        """Publish the results of ticks of a segment.

        Parameters
        ----------
        segment, computed
            The segment, and what its ticks gave.
        classes
            Names of the scores.
        labels
            The ticks' labels.
        arrived_ns
            When the packet arrived that completed the ticks (monotonic clock).
        """
        if segment.number != self._segment:
            self._segment, self._events = segment.number, 0
        for tick, scores, spikes, events in zip(
            computed.tick.tolist(), computed.scores.tolist(), computed.spikes.tolist(),
            computed.events.tolist(), strict=True,
        ):  # fmt: skip
            latency_us = max(0, time.monotonic_ns() - arrived_ns) // 1000
            self._counters.published(latency_us)
            result = {
                "tick": tick,
                "t_us": segment.time_after(tick),
                "segment": segment.number,
                "class": winner(classes, scores),
                "scores": dict(zip(classes, scores, strict=True)),
                "spikes": spikes,
                "events": self._events + events,
                "truth": labels.truth,
                "label": labels.label,
                "teaching": labels.teaching,
                "latency_us": latency_us,
            }
            self._events = 0
            self._broker.publish("result", result)
            if (decision := self._decisions.take(result)) is not None:
                self._broker.publish("decision", decision)
        self._events += computed.events_after

    @property
    def rates(self) -> tuple[int, int]:
        """The camera's rates at rest and in movement, in events per second."""
        return self._decisions.rates

    def finish(self) -> None:
        """Publish the last decision as it stands, unless that has been done."""
        if (decision := self._decisions.finish()) is not None:
            self._broker.publish("decision", decision)


def winner(classes: tuple[str, ...], scores: list[int]) -> str | None:
    """Return the class with the highest score, the first of equals; None if all are the same."""
    best = max(scores, default=0)
    if not scores or (best == min(scores) and (len(scores) > 1 or best <= 0)):
        return None
    return classes[scores.index(best)]
