"""Present state of a service, from its messages to scenes for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spikewire.apps.terminal.accuracy import AccuracyCounter
from spikewire.apps.terminal.scene import Scene


class LiveState:
    """State of a service, updated by messages of protocol 1.

    Attributes
    ----------
    counts
        Accuracy over all results outside lessons.
    missed
        Messages that the service dropped because they were not read in time.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.counts = AccuracyCounter()
        self.missed = 0
        self._result: Mapping[str, Any] = {}
        self._rate: float | None = None
        self._dropped = 0

    def take(self, message: Mapping[str, Any]) -> None:
        """Take in one message: results, stats and gaps count, others are ignored."""
        if message["type"] == "gap":
            self.missed += message["count"]
        elif message.get("topic") == "result":
            self._result = message
            # Results during a lesson are not evaluated.
            truth = None if message["teaching"] else message["truth"]
            self.counts.add(message["class"], truth, message["latency_us"])
        elif message.get("topic") == "stats":
            self._rate = message["events_per_s"]
            self._dropped = sum(message["drops"].values())

    @property
    def t_us(self) -> int:
        """Event time of the last result, in microseconds."""
        return int(self._result.get("t_us", 0))

    def scene(self, **more: Any) -> Scene:
        """Return the present scene; `more` overrides or adds fields."""
        result = self._result
        teaching = result.get("label") if result.get("teaching") else None
        fields: dict[str, Any] = {
            "title": self.title,
            "scores": result.get("scores", {}),
            "recognised": result.get("class"),
            "truth": result.get("truth"),
            "teaching": teaching,
            "rate": self._rate,
            "latency_us": self.counts.latency_us(),
            "dropped": self._dropped + self.missed,
            "correct": self.counts.correct,
            "labelled": self.counts.labelled,
        }
        return Scene(**{**fields, **more})
