"""Messages that a program has not taken yet: bounded, and losses told by gaps."""

from __future__ import annotations

from collections import deque
from typing import Any

from spikewire.runtime.client.resume import gap_of

Message = dict[str, Any]


class MessageBuffer:
    """A queue that never makes its writer wait.

    When it is full the oldest message makes room. A gap, as a service tells it, comes before the
    next message of the same topic. Notices about the connection are kept, unless they alone fill
    it twice.

    Parameters
    ----------
    most
        Messages kept.

    Attributes
    ----------
    missed
        Messages lost here.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Message] = deque()
        self._lost: dict[str, tuple[int, int, int]] = {}  # first, last, how many, by topic
        self.missed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Add a message, in the place of the oldest if need be."""
        while len(self._waiting) >= self._most and self._make_room():
            pass
        if len(self._waiting) >= 2 * self._most:
            self._waiting.popleft()
        self._waiting.append(message)

    def pop(self) -> Message | None:
        """Take the oldest message, or the gap before it; None if there is none."""
        if not self._waiting:
            return None
        topic = self._waiting[0].get("topic")
        if topic in self._lost:
            return gap_of(topic, *self._lost.pop(topic))
        return self._waiting.popleft()

    def _make_room(self) -> bool:
        for index, held in enumerate(self._waiting):
            if "topic" in held:
                del self._waiting[index]
                self._lose(held)
                return True
        return False

    def _lose(self, held: Message) -> None:
        if held["type"] == "gap":
            first, last, count = held["first"], held["last"], held["count"]
        else:
            first = last = held["seq"]
            count = 1
            self.missed += 1
        earlier = self._lost.get(held["topic"])
        if earlier is not None and earlier[1] < first:
            first, count = earlier[0], earlier[2] + count
        self._lost[held["topic"]] = (first, last, count)
