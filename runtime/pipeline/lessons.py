"""Lessons: labels and when they were taught, with copies of the network to undo them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio

from spikewire.runtime.broker.broker import Broker

_TELL_EVERY_S = 0.25
_RECENT = 8
"""Lessons that the topic lists."""


@dataclass(slots=True)
class Lesson:
    """A stretch of time in which one label was taught.

    Attributes
    ----------
    label
        What was taught.
    first_tick, end_tick
        [first, end); None while it lasts.
    before, updates
        The network's updates when it began, and those made in it.
    undone
        Whether it was taken back.
    """

    label: str
    first_tick: int
    before: int
    end_tick: int | None = None
    updates: int = 0
    undone: bool = False


class Lessons:
    """Keeps the last lessons, each with what was known before it.

    Parameters
    ----------
    broker
        Publishes the topic ``learning``.
    keep
        How many can be taken back.
    facts
        Says ``tick``, ``on``, ``updates`` as they stand.
    """

    def __init__(self, broker: Broker, keep: int, facts: Callable[[], dict[str, Any]]) -> None:
        self.count = 0
        self.last: Lesson | None = None
        self._broker, self._facts = broker, facts
        self._kept: deque[tuple[Lesson, Any]] = deque(maxlen=keep)
        self._recent: deque[Lesson] = deque(maxlen=_RECENT)
        self._reported_updates: int | None = None

    @property
    def label(self) -> str | None:
        """The label that is taught now."""
        going_on = self.last is not None and self.last.end_tick is None
        return self.last.label if going_on and self.last is not None else None

    @property
    def undoable(self) -> str | None:
        """The label of the lesson that :meth:`take_back` would take."""
        return self._kept[-1][0].label if self._kept else None

    @property
    def kept(self) -> int:
        """Number of lessons that can be taken back, one after the other."""
        return len(self._kept)

    @property
    def keeps(self) -> bool:
        """Whether lessons can be taken back at all."""
        return bool(self._kept.maxlen)

    def begin(self, label: str, before: Any) -> None:
        """Begin a lesson; ``before`` is a copy of the network (None: it cannot be undone)."""
        facts = self._facts()
        self.end()
        self.count += 1
        self.last = Lesson(label, facts["tick"], facts["updates"])
        self._recent.append(self.last)
        if before is not None:
            self._kept.append((self.last, before))
        self.publish()

    def end(self) -> None:
        """End the lesson that is going on, if there is one."""
        if self.last is None or self.last.end_tick is not None:
            return
        facts = self._facts()
        self.last.end_tick = facts["tick"]
        self.last.updates = facts["updates"] - self.last.before
        self.publish()

    def take_back(self) -> tuple[Lesson, Any]:
        """Undo the newest kept lesson; returns it and the copy of the network before it."""
        self.end()
        lesson, before = self._kept.pop()
        lesson.undone = True
        return lesson, before

    async def run(self) -> None:
        """Publish while the network learns, until cancelled."""
        while True:
            await trio.sleep(_TELL_EVERY_S)
            if self._facts()["updates"] != self._reported_updates:
                self.publish()

    def publish(self) -> None:
        """Publish the state of learning."""
        facts = self._facts()
        reported = facts["updates"] if self._reported_updates is None else self._reported_updates
        self._reported_updates = facts["updates"]
        self._broker.publish(
            "learning",
            {
                "tick": facts["tick"],
                "on": facts["on"],
                "label": self.label,
                "updates": facts["updates"],
                "updated": facts["updates"] - reported,
                "lessons": self.count,
                "lesson": self._lesson(self.last, facts["updates"]),
                "undo": self.undoable,
                "recent": self._list(facts["updates"]),
            },
        )

    def _list(self, updates: int) -> list[dict[str, Any]]:
        """Describe the last lessons, the newest last, each with what takes it back."""
        kept = [lesson for lesson, _ in self._kept]
        told = []
        for lesson in self._recent:
            place = next((n for n, one in enumerate(reversed(kept), 1) if one is lesson), None)
            told.append({**(self._lesson(lesson, updates) or {}), "undo": place})
        return told

    def _lesson(self, lesson: Lesson | None, updates: int) -> dict[str, Any] | None:
        if lesson is None:
            return None
        going_on = lesson.end_tick is None
        return {
            "label": lesson.label,
            "first_tick": lesson.first_tick,
            "end_tick": lesson.end_tick,
            "updates": updates - lesson.before if going_on else lesson.updates,
            "undone": lesson.undone,
        }
