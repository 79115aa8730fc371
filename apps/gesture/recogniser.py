"""Recogniser: the present decision and the last ones, from a service's messages."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from spikewire.apps.terminal.live_state import LiveState
from spikewire.apps.terminal.scene import Scene
from spikewire.runtime import Decision, DecisionStream, Rules

_HISTORY = 64


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that a screen shows at one moment.

    Attributes
    ----------
    scene
        Scores, rates and the like, as `watch` shows them.
    now
        The present decision; None before the first result.
    t_us
        Event time of the last result.
    history
        The last decided gestures, the newest first.
    begin_us
        Time of the first result by segment; displayed times count from there.
    quiet_s
        Time since the last result, by the clock.
    """

    scene: Scene
    now: Decision | None
    t_us: int
    history: tuple[Decision, ...]
    begin_us: Mapping[int, int]
    quiet_s: float = 0.0


class Recogniser:
    """Decisions from messages of protocol 1.

    Parameters
    ----------
    title
        Name of the service.
    rules
        Rules of decision; None takes the service's own decisions.
    raw
        Whether the network's scores are shown instead of shares.

    Attributes
    ----------
    now
        The present decision; None before the first.
    share
        Percentage of the leading class over the window.
    live_state
        Scores, rates and losses.
    time_by_answer
        Microseconds by answer.
    gestures
        Gestures that are over.
    results
        Results so far.
    """

    def __init__(self, title: str, rules: Rules | None = None, raw: bool = False) -> None:
        self.live_state = LiveState(title, raw)
        self.time_by_answer: Counter[str] = Counter()
        self.gestures = self.results = 0
        self.begin_us: dict[int, int] = {}
        self.now: Decision | None = None
        self.share = 0
        self._own = None if rules is None else DecisionStream(rules)
        self._overall = 0
        self._history: deque[Decision] = deque(maxlen=_HISTORY)
        self._segment: int | None = None
        self._joined: tuple[int, int] | None = None

    def decide(self, rules: Rules) -> None:
        """Make decisions here, of results, by these rules."""
        self._own = DecisionStream(rules)

    def take(self, message: Mapping[str, Any]) -> tuple[Decision | None, Mapping[str, Any] | None]:
        """Take in a message; return the decision that it ended, and the one that it told of."""
        self.live_state.take(message)
        told: Mapping[str, Any] | None = None
        if message.get("topic") == "result":
            self._count(message)
            told = None if self._own is None else self._own.take(message)
        elif message.get("topic") == "decision":
            told = message if self._own is None else None
        return (None, None) if told is None else (self._hear(told), told)

    def _count(self, result: Mapping[str, Any]) -> None:
        self.results += 1
        if result["segment"] != self._segment:
            self._segment = result["segment"]
            # A stream that never ends may have any number of segments.
            while len(self.begin_us) > _HISTORY:
                del self.begin_us[min(self.begin_us)]
            self.begin_us[result["segment"]] = result["t_us"]

    def _hear(self, told: Mapping[str, Any]) -> Decision | None:
        if told.get("topic") != "decision":
            self.live_state.take({"type": "message", "topic": "decision", **told})
        ended = told["ended"]
        if self._joined is None:
            # What was before belongs to others.
            self._joined, ended = (told["segment"], told["t_us"]), None
        self.now = Decision(
            told["class"], told["segment"], self._seen_since(told), told["decided_us"],
            told["confidence"],
        )  # fmt: skip
        self._overall, self.share = told["overall"], told["share"]
        if ended is None:
            return None
        return self._keep(
            Decision(
                ended["class"], ended["segment"], self._seen_since(ended), ended["decided_us"],
                ended["confidence"], ended["until_us"],
            )
        )  # fmt: skip

    def _seen_since(self, told: Mapping[str, Any]) -> int:
        assert self._joined is not None
        segment, since_us = self._joined
        begun: int = told["since_us"]
        return max(begun, since_us) if told["segment"] == segment else begun

    def end(self) -> Decision | None:
        """End the stream; return the last decision."""
        last = None if self._own is None else self._own.finish()
        if last is not None:
            self._hear(last)
        if self.now is None:
            return None
        until_us = max(self.live_state.t_us, self.now.since_us)
        share = self._overall if self.now.gesture else self.now.confidence
        ended, self.now = replace(self.now, confidence=share, until_us=until_us), None
        return self._keep(ended)

    def moment(self, quiet_s: float = 0.0, **more: Any) -> Moment:
        """Return the present moment; `more` goes to the scene."""
        scene = self.live_state.scene(labelled=0, **more)
        history = tuple(self._history)
        return Moment(scene, self.now, self.live_state.t_us, history, self.begin_us, quiet_s)

    def _keep(self, ended: Decision) -> Decision:
        self.time_by_answer[ended.name] += lasted_us(ended)
        if ended.gesture:
            self.gestures += 1
            self._history.appendleft(ended)
        return ended


def lasted_us(decision: Decision, t_us: int | None = None) -> int:
    """Return the length of a decision in microseconds, at its end or at a time."""
    end = decision.until_us if decision.until_us is not None else t_us
    return 0 if end is None else max(0, end - decision.since_us)


def describe_decision(decision: Decision, begin_us: Mapping[int, int]) -> tuple[str, str, str, str]:
    """Return start, duration, name and confidence as text.

    A gesture that went on when the first message came starts at 0.
    """
    start = max(0, decision.since_us - begin_us.get(decision.segment, decision.since_us))
    return (
        f"{start / 1e6:.2f} s",
        f"{lasted_us(decision) / 1e6:.2f} s",
        decision.name.replace("_", " "),
        f"{decision.confidence} %",
    )
