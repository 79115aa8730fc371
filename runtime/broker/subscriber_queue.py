"""Messages that wait for one peer: bounded, ordered, with a policy for slow readers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from spikewire.runtime.protocol.frames import encode
from spikewire.runtime.protocol.messages import Policy

# Answers wait for each other, not for topics: this many may be under way to one peer.
_ANSWERS = 8


@dataclass(slots=True)
class _Topic:
    policy: Policy
    waiting: deque[tuple[int, int, bytes]] = field(default_factory=deque)  # order, seq, frame
    size: int = 0
    gap: tuple[int, int, int] | None = None  # first and last seq lost, how many


class SubscriberQueue:
    """The queue between the broker and one connection's writer.

    Topics never wait: what does not fit is handled by the topic's policy. ``latest`` keeps the
    newest message only; ``drop_oldest`` makes room and sends a gap message with the counts before
    the topic goes on; ``disconnect`` calls ``on_disconnect``. Answers are never dropped: a
    peer that asks waits.
    Everything leaves in the order in which it came in.

    Parameters
    ----------
    most_messages, most_bytes
        Bounds of what waits, for each topic.
    on_disconnect
        Called once when a ``disconnect`` topic overflows.
    send_now
        Sends a frame past this queue, at once, while nothing waits in it and whoever empties it is
        waiting in :meth:`ready`; gives how many of the frame's bytes were taken, 0 if none can be
        now. The rest is queued. It must not wait, and must not raise.

    Attributes
    ----------
    dropped
        Messages lost to ``drop_oldest`` or to being cut off.
    """

    def __init__(
        self,
        most_messages: int,
        most_bytes: int,
        on_disconnect: Callable[[], None] | None = None,
        send_now: Callable[[bytes], int] | None = None,
    ) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._on_disconnect = on_disconnect
        self._send_now = send_now
        self._idle = False
        self._rest = b""  # of a frame that was sent in part
        self._topics: dict[str, _Topic] = {}
        self._answers: deque[tuple[int, bytes]] = deque()
        self._order = 0
        self._ended = False
        self._ready = trio.Event()
        self._taken = trio.Event()
        self._urgent = trio.Event()
        self.dropped = 0
        self.disconnected = False

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics subscribed to."""
        return tuple(self._topics)

    def takes(self, topic: str) -> bool:
        """Whether ``topic`` is subscribed to."""
        return topic in self._topics

    def subscribe(self, topic: str, policy: Policy) -> None:
        """Take messages of ``topic`` from now on; again: change the policy."""
        if topic in self._topics:
            self._topics[topic].policy = policy
        else:
            self._topics[topic] = _Topic(policy)

    def unsubscribe(self, topic: str) -> None:
        """Forget the topic and its waiting messages."""
        self._topics.pop(topic, None)

    def offer(self, topic: str, seq: int, frame: bytes) -> None:
        """Queue a published message if its topic is subscribed to; never waits."""
        held = self._topics.get(topic)
        if held is None or self._ended or self.disconnected:
            return
        if self._idle and self._send_now is not None:
            sent = self._send_now(frame)
            if sent == len(frame):
                return
            if sent:
                self._rest = frame[sent:]
                self._wake()
                return
        if held.policy == "latest":
            order = self._next_order()
            if held.waiting:
                # The newest takes the place in line of the one that it replaces.
                order = held.waiting[0][0]
            held.waiting.clear()
            held.waiting.append((order, seq, frame))
            held.size = len(frame)
        else:
            full = len(held.waiting) >= self._most_messages
            if held.waiting and (full or held.size + len(frame) > self._most_bytes):
                if held.policy == "disconnect":
                    self._disconnect()
                    return
                self._make_room(held, len(frame))
            held.waiting.append((self._next_order(), seq, frame))
            held.size += len(frame)
            if self._half_full(held):
                self._urgent.set()
        self._wake()

    async def room(self) -> None:
        """Wait until the peer has taken enough of its former answers; at once if it has."""
        while len(self._answers) >= _ANSWERS and not self._ended:
            await self._taken.wait()

    async def answer(self, frame: bytes, then: Sequence[tuple[str, int, bytes]] = ()) -> None:
        """Queue an answer, once there is :meth:`room` for it.

        ``then`` are messages (topic, seq, frame) that follow it.
        """
        await self.room()
        if self._ended:
            return
        self._answers.append((self._next_order(), frame))
        self._wake()
        self._urgent.set()
        for message in then:
            self.offer(*message)

    def finish(self, frame: bytes | None = None) -> None:
        """Send the waiting frames, then ``frame``, then end. Later messages are not taken."""
        if self._ended:
            return
        if frame is not None:
            self._answers.append((self._next_order(), frame))
        self._ended = True
        self._wake()
        self._urgent.set()
        self._taken.set()

    def hurry(self) -> None:
        """Limit the time that the peer has to take the waiting frames."""
        if self._on_disconnect is not None:
            self._on_disconnect()

    @property
    def waiting(self) -> bool:
        """Whether there is something to do: a frame to send, or the end."""
        return bool(
            self._ended
            or self._rest
            or self._answers
            or any(topic.waiting for topic in self._topics.values())
        )

    async def ready(self) -> None:
        """Wait until there is a frame to send, or no more will come."""
        try:
            while not self.waiting:
                self._ready = trio.Event()
                self._idle = True
                await self._ready.wait()
        finally:
            self._idle = False

    async def urgent(self) -> None:
        """Wait until something is urgent: an answer, half a queue, or the end."""
        while not (
            self._ended or self._answers or any(map(self._half_full, self._topics.values()))
        ):
            self._urgent = trio.Event()
            await self._urgent.wait()

    def _half_full(self, held: _Topic) -> bool:
        if held.policy == "latest":
            return False
        return 2 * len(held.waiting) > self._most_messages or 2 * held.size > self._most_bytes

    def pop(self) -> bytes | None:
        """Take the next frame to send, if there is one now."""
        frame = self._pop()
        if frame is not None:
            self._taken.set()
            self._taken = trio.Event()
        return frame

    def _wake(self) -> None:
        # From here on frames queue: what came first leaves first.
        self._idle = False
        self._ready.set()

    def _pop(self) -> bytes | None:
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        first: _Topic | None = None
        name = ""
        least = self._answers[0][0] if self._answers else self._order + 1
        for topic, held in self._topics.items():
            if held.waiting and held.waiting[0][0] < least:
                first, name, least = held, topic, held.waiting[0][0]
        if first is None:
            return self._answers.popleft()[1] if self._answers else None
        if first.gap is not None:
            from_seq, to_seq, count = first.gap
            first.gap = None
            return encode(
                {"type": "gap", "topic": name, "first": from_seq, "last": to_seq, "count": count}
            )
        _, _, frame = first.waiting.popleft()
        first.size -= len(frame)
        return frame

    def _make_room(self, held: _Topic, size: int) -> None:
        while held.waiting and (
            len(held.waiting) >= self._most_messages or held.size + size > self._most_bytes
        ):
            _, seq, lost = held.waiting.popleft()
            held.size -= len(lost)
            self.dropped += 1
            first, _, count = held.gap or (seq, seq, 0)
            held.gap = (first, seq, count + 1)

    def _disconnect(self) -> None:
        self.disconnected = True
        for held in self._topics.values():
            self.dropped += len(held.waiting)
            held.waiting.clear()
            held.size = 0
        self.dropped += 1
        self.finish(
            encode(
                {
                    "type": "error",
                    "code": "too_slow",
                    "message": f"More than {self._most_messages} messages waited to be read.",
                }
            )
        )
        if self._on_disconnect is not None:
            self._on_disconnect()

    def _next_order(self) -> int:
        self._order += 1
        return self._order
