"""The bounded way from the source, and from clients, to the task that owns the network."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Any

import trio

from spikewire.runtime.interfaces import PacketLike
from spikewire.runtime.pipeline.lease import EndLease, Lease
from spikewire.runtime.protocol.messages import Request


class PendingRequest:
    """A request on its way to the network task, and the answer on its way back."""

    def __init__(self, request: Request | EndLease, lease: Lease | None = None) -> None:
        self.request = request
        self.lease = lease
        self._answer: dict[str, Any] | None = None
        self._answered = trio.Event()

    def reply(self, answer: dict[str, Any]) -> None:
        """Answer it; only the first answer counts."""
        if self._answer is None:
            self._answer = answer
            self._answered.set()

    async def answer(self) -> dict[str, Any]:
        """Wait for the answer."""
        await self._answered.wait()
        assert self._answer is not None
        return self._answer


class InputQueue:
    """Packets and requests for the network task.

    Packets are bounded in number and in events. A source that can wait does
    (:meth:`put_waiting`); a live one cannot, so room is made by dropping the oldest packets
    (:meth:`put_dropping`). Requests are bounded by the connections: each has one under way.

    Attributes
    ----------
    drops
        Events lost, by reason.
    dropped_packets
        Packets lost.
    last_put
        When the source put its last packet, or the service began (trio's clock).
    """

    def __init__(self, most_packets: int, most_events: int) -> None:
        self._most_packets = most_packets
        self._most_events = most_events
        self._packets: deque[PacketLike] = deque()
        self._requests: deque[PendingRequest] = deque()
        self._room = trio.Event()
        self._wake = trio.Event()
        self.events = 0
        self.drops: Counter[str] = Counter()
        self.dropped_packets = 0
        self.last_put = -math.inf
        self.closed = False
        self.exhausted = False

    @property
    def packets(self) -> int:
        """Packets waiting."""
        return len(self._packets)

    def _fits(self, packet: PacketLike) -> bool:
        # A packet larger than the whole queue passes when it has the queue for itself.
        return not self._packets or (
            len(self._packets) < self._most_packets
            and self.events + len(packet.events) <= self._most_events
        )

    async def put_waiting(self, packet: PacketLike) -> None:
        """Queue a packet, once there is room.

        If the source is stopped meanwhile, the packet is queued at once: it was received.
        """
        try:
            await trio.lowlevel.checkpoint()
            while not self._fits(packet) and not self.closed:
                self._room = trio.Event()
                await self._room.wait()
        finally:
            self._append(packet)

    async def put_dropping(self, packet: PacketLike) -> None:
        """Queue a packet at once, in the place of the oldest ones if need be."""
        try:
            await trio.lowlevel.checkpoint()
        finally:
            while not self._fits(packet):
                self._drop_oldest("queue_full")
            self._append(packet)

    def _append(self, packet: PacketLike) -> None:
        self.last_put = trio.current_time()
        if self.closed:
            self.drops["stopping"] += len(packet.events)
            self.dropped_packets += 1
            return
        self._packets.append(packet)
        self.events += len(packet.events)
        self._wake.set()

    def _drop_oldest(self, reason: str) -> None:
        lost = self._packets.popleft()
        self.events -= len(lost.events)
        self.drops[reason] += len(lost.events)
        self.dropped_packets += 1

    def put_request(self, pending: PendingRequest) -> None:
        """Queue a request."""
        self._requests.append(pending)
        self._wake.set()

    def take_packet(self) -> PacketLike | None:
        """The oldest packet, or None."""
        if not self._packets:
            return None
        packet = self._packets.popleft()
        self.events -= len(packet.events)
        self._room.set()
        return packet

    def take_request(self) -> PendingRequest | None:
        """The oldest request, or None."""
        return self._requests.popleft() if self._requests else None

    def end(self) -> None:
        """The source is over; requests go on."""
        self.exhausted = True
        self._wake.set()

    def close(self) -> None:
        """Take no more packets; what is there can still be taken."""
        self.closed = True
        self._room.set()
        self._wake.set()

    def discard(self) -> None:
        """Drop what waits, counted as ``not_computed``."""
        while self._packets:
            self._drop_oldest("not_computed")
        self._wake.set()

    def give_up(self, in_hand: int) -> None:
        """Close, and drop everything: what waits, and ``in_hand`` events that were taken."""
        self.close()
        self.discard()
        self.drops["not_computed"] += in_hand

    def nudge(self) -> None:
        """Wake the network task."""
        self._wake.set()

    async def wait(self) -> None:
        """Wait until something came, or something changed, since the last call."""
        await self._wake.wait()
        self._wake = trio.Event()
