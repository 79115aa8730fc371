"""What `gesture` keeps of a service's messages: the present decision and those before it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikewire.apps.gesture.decision import Decider, Decision, Rules
from spikewire.apps.terminal.live_state import Follower
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
    decider
        What decides.
    follower
        The rest of what there is to tell.
    spent
        Answer to the microseconds that it was given for.
    gestures
        How many classes were decided so far, and are over.
    results
        How many results came.
    """

    def __init__(self, title: str, rules: Rules) -> None:
        self.decider = Decider(rules)
        self.follower = Follower(title)
        self.spent: Counter[str] = Counter()
        self.gestures = self.results = 0
        self.begin_us: dict[int, int] = {}
        self._history: deque[Decision] = deque(maxlen=_HISTORY)
        self._segment: int | None = None

    def take(self, message: Mapping[str, Any]) -> Decision | None:
        """Take a message in; returns the decision that it ended, if it did."""
        self.follower.take(message)
        if message.get("topic") != "result":
            return None
        self.results += 1
        if message["segment"] != self._segment:
            self._segment = message["segment"]
            # A stream that never ends may have any number of segments.
            while len(self.begin_us) > _HISTORY:
                del self.begin_us[min(self.begin_us)]
            self.begin_us[message["segment"]] = message["t_us"]
        ended = self.decider.take(
            message["segment"], message["t_us"], message["scores"], message["spikes"]
        )
        return self._keep(ended)

    def end(self) -> Decision | None:
        """The stream is over: the last decision."""
        return self._keep(self.decider.end())

    def moment(self, quiet_s: float = 0.0, **more: Any) -> Moment:
        """What is to be seen now; `more` goes to the scene."""
        now = self.decider.now
        named = now.name if now is not None and now.gesture else None
        scene = self.follower.scene(recognised=named, judged=0, **more)
        history = tuple(self._history)
        return Moment(scene, now, self.follower.t_us, history, self.begin_us, quiet_s)

    def _keep(self, ended: Decision | None) -> Decision | None:
        if ended is None:
            return None
        self.spent[ended.name] += lasted_us(ended)
        if ended.gesture:
            self.gestures += 1
            self._history.appendleft(ended)
        return ended


def lasted_us(decision: Decision, t_us: int | None = None) -> int:
    """How long a decision lasted, or has lasted at a time (microseconds)."""
    end = decision.until_us if decision.until_us is not None else t_us
    return 0 if end is None else max(0, end - decision.since_us)


def told(decision: Decision, begin_us: Mapping[int, int]) -> tuple[str, str, str, str]:
    """Start, duration, name and confidence, as one reads them."""
    start = decision.since_us - begin_us.get(decision.segment, decision.since_us)
    return (
        f"{start / 1e6:.2f} s",
        f"{lasted_us(decision) / 1e6:.2f} s",
        decision.name.replace("_", " "),
        f"{decision.confidence} %",
    )
