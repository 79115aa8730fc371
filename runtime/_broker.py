"""From one publisher to many subscribers, without ever waiting for any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from runtime._frames import encode
from runtime._messages import TOPICS
from runtime._outbox import Outbox

# A new subscriber is sent the last message of these topics at once.
RETAINED = frozenset({"status"})


class Broker:
    """Numbers messages and hands each, encoded once, to every subscriber's outbox.

    Attributes
    ----------
    seq
        The number of each topic's last message; 0 before the first.
    cut_off
        Subscribers that were disconnected for reading too slowly.
    left
        Set when the next subscriber leaves.
    """

    def __init__(self) -> None:
        self.seq = dict.fromkeys(TOPICS, 0)
        self._outboxes: set[Outbox] = set()
        self._retained: dict[str, bytes] = {}
        self._gone_dropped = 0
        self.cut_off = 0
        self.left = trio.Event()

    @property
    def dropped(self) -> int:
        """Messages lost by slow subscribers, those who left included."""
        return self._gone_dropped + sum(box.dropped for box in self._outboxes)

    @property
    def subscribers(self) -> int:
        """Connections that have said hello."""
        return len(self._outboxes)

    def attach(self, outbox: Outbox) -> None:
        """Begin to serve an outbox."""
        self._outboxes.add(outbox)

    def detach(self, outbox: Outbox) -> None:
        """Stop serving an outbox."""
        if outbox in self._outboxes:
            self._outboxes.remove(outbox)
            self._gone_dropped += outbox.dropped
            self.cut_off += outbox.cut
            self.left.set()
            self.left = trio.Event()

    def retained(self, topic: str) -> tuple[int, bytes] | None:
        """The last message of a retained topic, with its number."""
        frame = self._retained.get(topic)
        return None if frame is None else (self.seq[topic], frame)

    def publish(self, topic: str, body: Mapping[str, Any]) -> None:
        """Send ``body`` to all who subscribed to ``topic``."""
        self.seq[topic] += 1
        seq = self.seq[topic]
        wanted = [box for box in self._outboxes if topic in box.topics]
        if not wanted and topic not in RETAINED:
            return
        frame = encode({"type": "message", "topic": topic, "seq": seq, **body})
        if topic in RETAINED:
            self._retained[topic] = frame
        for box in wanted:
            box.offer(topic, seq, frame)

    def finish(self, message: Mapping[str, Any]) -> None:
        """Let every outbox send what waits, then ``message``, then end."""
        frame = encode(message)
        for box in list(self._outboxes):
            box.finish(frame)
