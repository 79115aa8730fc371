"""Present state of a service, from its messages to scenes for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spikewire.apps.terminal.accuracy import AccuracyCounter
from spikewire.apps.terminal.scene import Scene, display_name
from spikewire.runtime import NOTHING, OTHER, UNKNOWN

# Margins in hundredths of the spread: below the one a leading class is hardly ahead; from the other
# on a gesture would also be named anew.
_NEAR, _CLEAR = 50, 150


class LiveState:
    """State of a service, updated by messages of protocol 1.

    Attributes
    ----------
    counts
        Accuracy over all results outside lessons.
    missed
        Messages that the service dropped because they were not read in time.
    raw
        Whether the network's scores are shown instead of shares.
    """

    def __init__(self, title: str, raw: bool = False) -> None:
        self.title, self.raw = title, raw
        self.counts = AccuracyCounter()
        self.missed = 0
        self._result: Mapping[str, Any] = {}
        self._decision: Mapping[str, Any] = {}
        self._rate: float | None = None
        self._dropped = 0

    def take(self, message: Mapping[str, Any]) -> None:
        """Take in one message: results, decisions, stats and gaps count."""
        if message["type"] == "gap":
            self.missed += message["count"]
        elif message.get("topic") == "result":
            self._result = message
            # Results during a lesson are not evaluated.
            truth = None if message["teaching"] else message["truth"]
            self.counts.add(message["class"], truth, message["latency_us"])
        elif message.get("topic") == "decision":
            self._decision = message
        elif message.get("topic") == "stats":
            self._rate = message["events_per_s"]
            self._dropped = sum(message["drops"].values())

    @property
    def t_us(self) -> int:
        """Event time of the last result, in microseconds."""
        return int(self._result.get("t_us", 0))

    def scene(self, **more: Any) -> Scene:
        """Return the present scene; `more` overrides or adds fields."""
        result, decision = self._result, self._decision
        teaching = result.get("label") if result.get("teaching") else None
        fields: dict[str, Any] = {
            "title": self.title,
            "scores": result.get("scores", {}),
            "shares": {} if self.raw else decision.get("shares", {}),
            "recognised": decision.get("class", result.get("class")),
            "share": decision.get("share"),
            "standing": describe_standing(decision),
            "truth": result.get("truth"),
            "teaching": teaching,
            "rate": self._rate,
            "latency_us": self.counts.latency_us(),
            "behind_us": result.get("latency_us", 0),
            "dropped": self._dropped + self.missed,
            "correct": self.counts.correct,
            "labelled": self.counts.labelled,
        }
        return Scene(**{**fields, **more})


def describe_standing(decision: Mapping[str, Any]) -> str:
    """Return the relation of the first two classes in words; empty where nothing moves."""
    leading, second, margin = (decision.get(key) for key in ("leading", "runner_up", "margin"))
    if leading is None or second is None or margin is None or decision["class"] == NOTHING:
        return ""
    first, next_one = display_name(leading), display_name(second)
    if decision["class"] == UNKNOWN:
        if leading in OTHER:
            return "none of the known gestures"
        return f"like {first}, or {next_one}" if margin < _NEAR else f"most like {first}"
    return f"{'close to' if margin < _CLEAR else 'clearly ahead of'} {next_one}"
