"""Events that come through a NATS server: SPIF words, as `spikewire bridge --source` sends them."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import trio

from spikewire._retry import Retry
from spikewire._tasks import background_tasks
from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Deliver, Events, Packet
from spikewire.sensors.sources.delivery import deliver_all
from spikewire.sensors.sources.nats.address import BrokerError, NatsServer
from spikewire.sensors.sources.nats.link import NatsLink, need_nats
from spikewire.sensors.sources.spif import HELD_S, SpifDecoder

WAITING_BYTES = 1 << 25
BATCH = 256
"""Most messages taken per wake-up: bounds the time until the next await."""

RETRY = Retry(first_s=0.25, most_s=10.0)

_Message = tuple[bytes, Mapping[str, str]]
_Runs = list[tuple[int, list[Events]]]  # events by segment


class MessageQueue:
    """Messages on their way from the other thread; beyond the bound the oldest are lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: deque[_Message] = deque()
        self._bytes = 0
        self.lost = 0

    def put(self, message: _Message) -> bool:
        """Add one; says whether it is the first."""
        with self._lock:
            first = not self._messages
            self._messages.append(message)
            self._bytes += len(message[0])
            while self._bytes > WAITING_BYTES and len(self._messages) > 1:
                self._bytes -= len(self._messages.popleft()[0])
                self.lost += 1
        return first

    def take(self) -> list[_Message]:
        """Up to ``BATCH`` messages, the oldest first."""
        with self._lock:
            taken = [self._messages.popleft() for _ in range(min(BATCH, len(self._messages)))]
            self._bytes -= sum(len(data) for data, _ in taken)
        return taken


class NatsSource:
    """SPIF words on a subject of a NATS server.

    Numbered messages (those of the bridge) are checked: repeats are dropped, and what is missing is
    counted. Everything else is checked as datagrams are.

    Parameters
    ----------
    server, subject
        Where to listen.
    size
        (width, height) of the sensor: events outside are dropped and counted.

    Raises
    ------
    SourceError
        The extra is not installed.
    """

    live = True

    def __init__(self, server: NatsServer, subject: str, *, size: tuple[int, int]) -> None:
        need_nats()
        self.name = f"nats://{server.name}/{subject}"
        self.size = size
        self._link = NatsLink(server)
        self._subject = subject
        self._inbox = MessageQueue()
        self._ready = trio.Event()
        self._decoder = SpifDecoder(size, hold=True)
        self._counts: Counter[str] = Counter()
        self._stretch: tuple[str, str] | None = None  # run and segment of the sender
        self._run = ""
        self._seq = 0
        self._segment = 0

    @property
    def counters(self) -> Mapping[str, int]:
        """Received: messages, bytes, events. Lost: ``messages_missing`` (numbers that never came),
        ``messages_repeated``, ``queue_dropped``, and events by the reasons of datagrams;
        ``nats_lost`` counts outages.
        """
        counts = Counter(self._counts)
        # A message is what a datagram is to the decoder; its verdicts are called so here.
        for name, count in self._decoder.counters.items():
            counts[name.replace("datagrams_", "messages_")] += count
        if self._inbox.lost:
            counts["queue_dropped"] = self._inbox.lost
        return counts

    async def run(self, deliver: Deliver) -> None:
        """Receive until cancelled; the server must be there at the start.

        Raises
        ------
        BrokerError
            It is not there, or refuses.
        """
        began = time.monotonic_ns()
        try:
            await self._subscribe()
            async with background_tasks() as nursery:
                nursery.start_soon(self._stay_connected)
                while True:
                    with trio.move_on_after(HELD_S if self._decoder.holding else math.inf):
                        await self._ready.wait()
                    if not self._ready.is_set():
                        await deliver_all(self._released(time.monotonic_ns()), deliver)
                    self._ready = trio.Event()
                    while messages := self._inbox.take():
                        now = time.monotonic_ns()
                        packets = self._packets(messages, now, (now - began) // 1000)
                        await deliver_all(packets, deliver)
        finally:
            self._decoder.drop_held()
            while unread := self._inbox.take():
                self._counts["unread_messages"] += len(unread)
            await self._link.aclose()

    async def _subscribe(self) -> None:
        token = trio.lowlevel.current_trio_token()

        def wake() -> None:
            self._ready.set()

        def take(message: Any) -> None:
            if self._inbox.put((message.data, message.headers or {})):
                with suppress(trio.RunFinishedError):
                    token.run_sync_soon(wake, idempotent=True)

        await self._link.connect()
        await self._link.subscribe(self._subject, take)

    async def _stay_connected(self) -> None:
        while True:
            with suppress(BrokerError):
                await self._link.wait_lost()
            self._counts["nats_lost"] += 1
            for pause in RETRY.pauses():
                await trio.sleep(pause)
                with suppress(SensorError):
                    await self._subscribe()
                    break

    def _packets(self, messages: list[_Message], now: int, arrived_us: int) -> list[Packet]:
        """Decode messages, and join the events of one segment."""
        runs: _Runs = []
        for data, headers in messages:
            self._counts["messages"] += 1
            self._counts["bytes"] += len(data)
            if not self._in_order(headers, runs):
                continue
            events, restarted = self._decoder.decode(data, arrived_us)
            self._segment += restarted
            self._add(events, runs)
        return self._joined(runs, now)

    def _released(self, now: int) -> list[Packet]:
        """Return the events that waited for a message, as a packet."""
        runs: _Runs = []
        self._release(runs)
        return self._joined(runs, now)

    def _release(self, runs: _Runs) -> None:
        events, restarted = self._decoder.release()
        self._segment += restarted
        self._add(events, runs)

    def _add(self, events: Events, runs: _Runs) -> None:
        if len(events) == 0:
            return
        self._counts["events"] += len(events)
        if not runs or runs[-1][0] != self._segment:
            runs.append((self._segment, []))
        runs[-1][1].append(events)

    def _joined(self, runs: _Runs, now: int) -> list[Packet]:
        joined = ((segment, np.concatenate(parts)) for segment, parts in runs)
        return [
            Packet(events, self.size, int(events["t"][-1]), now, segment)
            for segment, events in joined
        ]

    def _in_order(self, headers: Mapping[str, str], runs: _Runs) -> bool:
        """Take a message's number and segment; says whether it is to be decoded."""
        run, number = headers.get("Spikewire-Run"), headers.get("Spikewire-Seq", "")
        if run is None or not (number.isascii() and number.isdigit()) or len(number) > 18:
            return True
        seq = int(number)
        if run == self._run:
            if seq <= self._seq:
                self._counts["messages_repeated"] += 1
                return False
            if seq > self._seq + 1:
                self._counts["messages_missing"] += seq - self._seq - 1
        self._run, self._seq = run, seq
        stretch = run, headers.get("Spikewire-Segment", "")
        if self._stretch not in (None, stretch):
            # Times begin anew, and cannot be compared with those before: nothing refutes these.
            self._release(runs)
            self._segment += 1
            self._decoder.restart()
        self._stretch = stretch
        return True
