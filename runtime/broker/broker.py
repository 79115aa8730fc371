"""From one publisher to many subscribers, without ever waiting for any of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

from spikewire.runtime.broker.subscriber_queue import SubscriberQueue
from spikewire.runtime.protocol.frames import encode
from spikewire.runtime.protocol.messages import TOPICS

# A new subscriber is sent the last message of these topics at once.
RETAINED = frozenset({"status", "learning", "decision"})
# Of these the last messages are kept for subscribers that come back.
HISTORY_TOPICS = ("result", "stats", "decision")


class History:
    """A topic's last messages, bounded in number and in bytes."""

    def __init__(self, most_messages: int, most_bytes: int) -> None:
        self._most_messages, self._most_bytes = most_messages, most_bytes
        self._messages: deque[tuple[int, bytes]] = deque()
        self._size = 0

    def add(self, seq: int, frame: bytes) -> None:
        """Keep a message, in the place of the oldest if need be."""
        self._messages.append((seq, frame))
        self._size += len(frame)
        while self._messages and (
            len(self._messages) > self._most_messages or self._size > self._most_bytes
        ):
            self._size -= len(self._messages.popleft()[1])

    def after(self, seq: int) -> list[tuple[int, bytes]]:
        """Messages kept that are newer than ``seq``, in their order."""
        return [entry for entry in self._messages if entry[0] > seq]


class Broker:
    """Numbers messages and hands each, encoded once, to every subscriber's queue.

    Parameters
    ----------
    history_messages, history_bytes
        Bounds of each topic's history for subscribers that come back.

    Attributes
    ----------
    seq
        The number of each topic's last message; 0 before the first.
    cut_off
        Subscribers that were disconnected for reading too slowly.
    left
        Set when the next subscriber leaves.
    """

    def __init__(self, history_messages: int = 0, history_bytes: int = 0) -> None:
        self._keeps = history_messages > 0 and history_bytes > 0
        self._history = {t: History(history_messages, history_bytes) for t in HISTORY_TOPICS}
        self.seq = dict.fromkeys(TOPICS, 0)
        self._queues: set[SubscriberQueue] = set()
        self._retained: dict[str, bytes] = {}
        self._gone_dropped = 0
        self._last: bytes | None = None
        self.cut_off = 0
        self.left = trio.Event()

    @property
    def dropped(self) -> int:
        """Messages lost by slow subscribers, including those that have left."""
        return self._gone_dropped + sum(box.dropped for box in self._queues)

    @property
    def subscribers(self) -> int:
        """Connections that have said hello."""
        return len(self._queues)

    def wanted(self, topic: str) -> bool:
        """Whether ``topic`` has subscribers."""
        return any(box.takes(topic) for box in self._queues)

    def attach(self, queue: SubscriberQueue) -> None:
        """Begin to serve an queue."""
        self._queues.add(queue)
        if self._last is not None:
            queue.finish(self._last)

    def detach(self, queue: SubscriberQueue) -> None:
        """Stop serving an queue."""
        if queue in self._queues:
            self._queues.remove(queue)
            self._gone_dropped += queue.dropped
            self.cut_off += queue.disconnected
            self.left.set()
            self.left = trio.Event()

    def retained(self, topic: str) -> tuple[int, bytes] | None:
        """The last message of a retained topic, with its number."""
        frame = self._retained.get(topic)
        return None if frame is None else (self.seq[topic], frame)

    def missed(
        self, topic: str, last_seq: int, same_run: bool
    ) -> tuple[dict[str, Any], list[tuple[int, bytes]]]:
        """Return the reply to a subscriber that comes back, and the messages that it missed.

        Parameters
        ----------
        topic
            One with a history, or without a last message that new subscribers are sent.
        last_seq
            The number of the last message that it has.
        same_run
            Whether that was in this run; the numbers of another run say nothing.
        """
        seen = last_seq if same_run and last_seq <= self.seq[topic] else 0
        messages = self._history[topic].after(seen) if topic in self._history else []
        first = messages[0][0] if messages else self.seq[topic] + 1
        if first == seen + 1:
            return {"resumed": len(messages)}, messages
        return {"gap": {"first": seen + 1, "last": first - 1}, "resumed": len(messages)}, messages

    def publish(self, topic: str, body: Mapping[str, Any]) -> None:
        """Send ``body`` to all subscribers of ``topic``."""
        self.seq[topic] += 1
        seq = self.seq[topic]
        keeps = self._keeps and topic in self._history
        if not keeps and topic not in RETAINED and not self.wanted(topic):
            return
        frame = encode({"type": "message", "topic": topic, "seq": seq, **body})
        self.hand_out(topic, seq, frame)

    def hand_out(self, topic: str, seq: int, frame: bytes) -> None:
        """Send a frame, which is the topic's message of that number, to all subscribers."""
        self.seq[topic] = seq
        if topic in RETAINED:
            self._retained[topic] = frame
        if self._keeps and topic in self._history:
            self._history[topic].add(seq, frame)
        for box in self._queues:
            if box.takes(topic):
                box.offer(topic, seq, frame)

    def finish(self, message: Mapping[str, Any]) -> None:
        """Let every queue, later ones too, send its messages, then ``message``, then end."""
        self._last = encode(message)
        for box in list(self._queues):
            box.finish(self._last)
            box.hurry()
