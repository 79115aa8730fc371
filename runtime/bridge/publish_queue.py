"""Messages that wait for a broker: bounded; the oldest are dropped and told by gaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import trio

LostBy = Literal["service", "bridge"]


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message on its way: its topic, run and number, its bytes and what heads them."""

    topic: str
    run: str
    seq: int
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that will not come: the numbers of the first and last, and how many.

    Attributes
    ----------
    by
        ``service``: the service told so; ``bridge``: they were lost here.
    """

    topic: str
    run: str
    first: int
    last: int
    count: int
    by: LostBy

    def joined(self, other: Gap) -> Gap:
        """One gap for two of the same topic, run and culprit."""
        return replace(
            self,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            count=self.count + other.count,
        )

    @property
    def key(self) -> tuple[str, str, LostBy]:
        return self.topic, self.run, self.by


Entry = QueuedMessage | Gap


class PublishQueue:
    """A queue of messages and gaps, in the order in which they are to be published.

    A batch that was taken still counts, and stays, until it is confirmed: then it is gone; or put
    back: then it is first in line again.

    Parameters
    ----------
    most_messages, most_bytes
        Bounds of the queue, the taken batch included; gaps weigh nothing.

    Attributes
    ----------
    lost, lost_bytes
        Messages that gave way, and their bytes.
    """

    def __init__(self, most_messages: int, most_bytes: int) -> None:
        self._most_messages = most_messages
        self._most_bytes = most_bytes
        self._queue: deque[Entry] = deque()
        self._taken: list[Entry] = []
        self._ended = False
        self._ready = trio.Event()
        self._room = trio.Event()
        self.messages = 0
        self.bytes = 0
        self.lost = 0
        self.lost_bytes = 0

    def __len__(self) -> int:
        """Entries held, gaps included."""
        return len(self._queue) + len(self._taken)

    def offer(self, message: QueuedMessage) -> None:
        """Append a message; never waits."""
        self._queue.append(message)
        self.messages += 1
        self.bytes += len(message.payload)
        while (
            self.messages > self._most_messages or self.bytes > self._most_bytes
        ) and self._drop_oldest():
            pass
        self._ready.set()

    async def room(self, size: int) -> None:
        """Wait until a message of so many bytes makes none give way, or nothing else is held."""
        while self.messages and (
            self.messages >= self._most_messages or self.bytes + size > self._most_bytes
        ):
            await self._room.wait()

    def announce(self, gap: Gap) -> None:
        """Append a gap."""
        self._queue.append(gap)
        self._ready.set()

    def end(self) -> None:
        """Nothing more comes: :meth:`take` returns None once all was taken."""
        self._ended = True
        self._ready.set()

    async def take(self, most: int, most_bytes: int, patience_s: float) -> list[Entry] | None:
        """Take the next batch; nothing after ``patience_s`` without any; None at the end.

        A batch holds up to ``most`` entries, and more than ``most_bytes`` only if one alone does.
        """
        assert not self._taken
        with trio.move_on_after(patience_s):
            while not self._queue and not self._ended:
                self._ready = trio.Event()
                await self._ready.wait()
        if not self._queue:
            return None if self._ended else []
        size = 0
        while self._queue and len(self._taken) < most:
            entry = self._queue[0]
            size += len(entry.payload) if isinstance(entry, QueuedMessage) else 0
            if self._taken and size > most_bytes:
                break
            self._taken.append(self._queue.popleft())
        return list(self._taken)

    def confirmed(self) -> None:
        """The batch has arrived."""
        for entry in self._taken:
            self._forget(entry)
        self._taken.clear()
        self._room.set()
        self._room = trio.Event()

    def put_back(self) -> None:
        """The batch may not have arrived: it is first in line again."""
        self._queue.extendleft(reversed(self._taken))
        self._taken.clear()

    def _forget(self, entry: Entry) -> None:
        if isinstance(entry, QueuedMessage):
            self.messages -= 1
            self.bytes -= len(entry.payload)

    def _drop_oldest(self) -> bool:
        """Turn the oldest message that is not taken into a gap, in its place."""
        gaps: dict[tuple[str, str, LostBy], Gap] = {}

        def add(gap: Gap) -> None:
            gaps[gap.key] = gaps[gap.key].joined(gap) if gap.key in gaps else gap

        dropped = False
        while self._queue and not dropped:
            entry = self._queue.popleft()
            if isinstance(entry, QueuedMessage):
                self._forget(entry)
                self.lost += 1
                self.lost_bytes += len(entry.payload)
                dropped = True
                entry = Gap(entry.topic, entry.run, entry.seq, entry.seq, 1, "bridge")
            add(entry)
        self._queue.extendleft(reversed(gaps.values()))
        return dropped
