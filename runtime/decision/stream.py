"""Stream of decisions: bodies of the topic `decision`, from those of the topic `result`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spikewire.runtime.decision.filter import Decision, DecisionFilter, Standing
from spikewire.runtime.decision.rules import NOTHING, Rules

# Event time after which a decision that lasts is told again, with its present figures.
_EVERY_US = 100_000


class DecisionStream:
    """Makes a message for each change of the answer, and every 100 ms of event time between.

    The same results give the same messages. Services publish them; a client makes them for itself
    where it has rules of its own, or where an older service has none.

    Parameters
    ----------
    rules
        Rules of decision.
    """

    def __init__(self, rules: Rules) -> None:
        self._filter = DecisionFilter(rules)
        self._standing = Standing({})
        self._told: tuple[int, int] | None = None  # segment and time of the last message
        self._last: Mapping[str, Any] | None = None

    def take(self, result: Mapping[str, Any]) -> dict[str, Any] | None:
        """Take a result; return the message that is due, if one is."""
        if not result["scores"] or not result["spikes"]:
            return None
        segment, t_us = result["segment"], result["t_us"]
        first = self._filter.now is None
        ended = self._filter.take(
            segment, t_us, result["scores"], result["spikes"], result.get("events")
        )
        self._last = result
        changed = first or ended is not None or self._told is None or self._told[0] != segment
        if not changed and self._told is not None and 0 <= t_us - self._told[1] < _EVERY_US:
            return None
        return self._message(ended)

    @property
    def rates(self) -> tuple[int, int]:
        """The camera's rates at rest and in movement, in events per second."""
        return self._filter.rates

    def finish(self) -> dict[str, Any] | None:
        """Return the last decision as it stands; None if there is none, or it was told so."""
        last = self._last
        if last is None or self._told == (last["segment"], last["t_us"]):
            return None
        return self._message(None)

    def _message(self, ended: Decision | None) -> dict[str, Any]:
        if self._filter.settled or ended is not None:
            # While another answer is about to follow, the classes are told of as they were: shares
            # never contradict the answer beside them.
            self._standing = self._filter.standing()
        last, now, standing = self._last, self._filter.now, self._standing
        assert last is not None
        assert now is not None
        self._told = (last["segment"], last["t_us"])
        leading = standing.leading
        return {
            "tick": last.get("tick", 0), "t_us": last["t_us"], "segment": last["segment"],
            "class": now.name, "since_us": now.since_us, "decided_us": now.decided_us,
            "confidence": now.confidence, "overall": self._filter.overall(),
            "share": 0 if leading is None or now.name == NOTHING else standing.shares[leading],
            "shares": dict(standing.shares), "leading": leading, "runner_up": standing.runner_up,
            "margin": standing.margin, "scores": last["scores"], "truth": last["truth"],
            "label": last["label"] if last["teaching"] else None,
            "window_us": self._filter.rules.window_us,
            "ended": None if ended is None else facts(ended),
        }  # fmt: skip


def facts(decision: Decision) -> dict[str, Any]:
    """Return a decision that is over, as a message has it."""
    return {
        "class": decision.name, "segment": decision.segment, "since_us": decision.since_us,
        "decided_us": decision.decided_us, "until_us": decision.until_us,
        "confidence": decision.confidence,
    }  # fmt: skip
