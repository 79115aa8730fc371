"""What `gesture` keeps of a service's messages: the present decision and those before it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikewire.apps.gesture.decision import Decision, DecisionFilter, Rules
from spikewire.apps.terminal.live_state import LiveState
from spikewire.apps.terminal.scene import Scene

_HISTORY = 64


@dataclass(frozen=True, slots=True)
class Moment:
    """What is to be seen now.

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
        For each segment, the time of its first result: times are told from there.
    quiet_s
        How long ago the last result came, by the clock.
    """

    scene: Scene
    now: Decision | None
    t_us: int
    history: tuple[Decision, ...]
    begin_us: Mapping[int, int]
    quiet_s: float = 0.0


class Recogniser:
    """Takes messages of protocol 1 in, and decides.

    Attributes
    ----------
    decision_filter
        What decides.
    live_state
        The rest of what there is to tell.
    time_by_answer
        Answer to the microseconds that it was given for.
    gestures
        How many classes were decided so far, and are over.
    results
        How many results came.
    """

    def __init__(self, title: str, rules: Rules) -> None:
        self.decision_filter = DecisionFilter(rules)
        self.live_state = LiveState(title)
        self.time_by_answer: Counter[str] = Counter()
        self.gestures = self.results = 0
        self.begin_us: dict[int, int] = {}
        self._history: deque[Decision] = deque(maxlen=_HISTORY)
        self._segment: int | None = None

    def take(self, message: Mapping[str, Any]) -> Decision | None:
        """Take a message in; returns the decision that it ended, if it did."""
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
        """The stream is over: the last decision."""
        return self._keep(self.decision_filter.end())

    def moment(self, quiet_s: float = 0.0, **more: Any) -> Moment:
        """What is to be seen now; `more` goes to the scene."""
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
    """How long a decision lasted, or has lasted at a time (microseconds)."""
    end = decision.until_us if decision.until_us is not None else t_us
    return 0 if end is None else max(0, end - decision.since_us)


def describe_decision(decision: Decision, begin_us: Mapping[int, int]) -> tuple[str, str, str, str]:
    """Start, duration, name and confidence, as one reads them."""
    start = decision.since_us - begin_us.get(decision.segment, decision.since_us)
    return (
        f"{start / 1e6:.2f} s",
        f"{lasted_us(decision) / 1e6:.2f} s",
        decision.name.replace("_", " "),
        f"{decision.confidence} %",
    )
