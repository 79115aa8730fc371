"""Recogniser: the present decision and the last ones, from a service's messages."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from spikewire.apps.gesture.decision import Decision, DecisionFilter, Rules, usual_motion
from spikewire.apps.terminal.live_state import LiveState
from spikewire.apps.terminal.scene import Scene

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

    Attributes
    ----------
    decision_filter
        The filter from results to decisions.
    live_state
        Scores, rates and losses.
    time_by_answer
        Microseconds by answer.
    gestures
        Gestures that are over.
    results
        Results so far.
    """

    def __init__(self, title: str, rules: Rules) -> None:
        self.decision_filter = DecisionFilter(rules)
        self.live_state = LiveState(title)
        self.time_by_answer: Counter[str] = Counter()
        self.gestures = self.results = 0
        self.begin_us: dict[int, int] = {}
        self._history: deque[Decision] = deque(maxlen=_HISTORY)
        self._segment: int | None = None

    def fit(self, tick_us: int) -> None:
        """Take the motion threshold that is usual for a network of such ticks."""
        rules = self.decision_filter.rules
        self.decision_filter.rules = replace(rules, motion_threshold=usual_motion(tick_us))

    def take(self, message: Mapping[str, Any]) -> Decision | None:
        """Take in a message; return the decision that it ended, if any."""
        self.live_state.take(message)
        if message.get("topic") != "result":
            return None
        self.results += 1
        if message["segment"] != self._segment:
            self._segment = message["segment"]
            # A stream that never ends may have any number of segments.
            while len(self.begin_us) > _HISTORY:
                del self.begin_us[min(self.begin_us)]
            self.begin_us[message["segment"]] = message["t_us"]
        ended = self.decision_filter.take(
            message["segment"], message["t_us"], message["scores"], message["spikes"]
        )
        return self._keep(ended)

    def end(self) -> Decision | None:
        """End the stream; return the last decision."""
        return self._keep(self.decision_filter.end())

    def moment(self, quiet_s: float = 0.0, **more: Any) -> Moment:
        """Return the present moment; `more` goes to the scene."""
        now = self.decision_filter.now
        named = now.name if now is not None and now.gesture else None
        scene = self.live_state.scene(recognised=named, labelled=0, **more)
        history = tuple(self._history)
        return Moment(scene, now, self.live_state.t_us, history, self.begin_us, quiet_s)

    def _keep(self, ended: Decision | None) -> Decision | None:
        if ended is None:
            return None
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
    """Return start, duration, name and confidence as text."""
    start = decision.since_us - begin_us.get(decision.segment, decision.since_us)
    return (
        f"{start / 1e6:.2f} s",
        f"{lasted_us(decision) / 1e6:.2f} s",
        decision.name.replace("_", " "),
        f"{decision.confidence} %",
    )
