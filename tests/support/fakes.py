"""A small deterministic network and source, so that these tests need neither kernels nor files."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing

from spikewire.qcore import Calibration
from spikewire.runtime import Client, Service, Settings, converse
from spikewire.sensors import SensorError
from tests.support.patience import patience

DTYPE = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
SIZE = (64, 48)
RESULT_EVERY = 10
FOR_EVER_S = 1e7


@dataclass
class FakePacket:
    events: Any
    watermark: int
    segment: int = 0
    label: str | None = None
    last: bool = False
    size: tuple[int, int] = SIZE
    arrived_ns: int = 0


class FakeNetwork:
    """Mixes every event, its tick, label and learning switch into a number: the whole past shows.

    A row each RESULT_EVERY ticks in which anything happened, as the real network has it.
    """

    def __init__(self, classes: Iterable[str] = ("a", "b")) -> None:
        self.spec = SimpleNamespace(result_every=RESULT_EVERY, layers=(None,))
        self.classes = tuple(classes)
        self.input_size = (16, 12)
        self.tick_us = 1000
        self.layers_learn = True
        self.calibration = Calibration()
        self.tick = 0
        self.mixed = 1
        self.dirty = 0
        self.taught = [0] * len(self.classes)
        self.fired = np.zeros((2, 3, 40), np.int8)
        self.calls: list[tuple[int, int, int, bool]] = []

    @property
    def layers(self) -> Any:
        return (SimpleNamespace(spikes=self.fired),)

    def snapshot(self) -> Any:
        return self.classes, list(self.taught)

    def restore(self, snapshot: Any, /) -> None:
        self.classes, self.taught = snapshot[0], list(snapshot[1])

    @property
    def at_rest(self) -> bool:
        return not self.dirty

    @property
    def updates(self) -> int:
        return sum(self.taught)

    @property
    def synaptic_ops(self) -> int:
        return self.mixed % 1000

    def add_class(self, name: str) -> None:
        self.classes += (name,)
        self.taught.append(0)

    def advance(
        self,
        events: Any,
        until: int,
        /,
        *,
        label: int = -1,
        learn: bool = False,
        probe: Any = None,
    ) -> Any:
        assert until > self.tick
        assert not len(events) or self.tick <= events.tick[0] <= events.tick[-1] < until
        self.calls.append((self.tick, until, label, learn))
        ticks, scores, spikes, fired = [], [], [], []
        place = zip(
            events.tick.tolist(), events.x.tolist(), events.y.tolist(), events.p.tolist(),
            strict=True,
        )  # fmt: skip
        by_tick: dict[int, list[tuple[int, ...]]] = {}
        for event in place:
            by_tick.setdefault(event[0], []).append(event)
        for now in self._active(by_tick, until, probe):
            self.fired[...] = 0
            for tick, x, y, p in by_tick.get(now, ()):
                self.mixed = (self.mixed * 31 + tick * 7 + x * 5 + y * 3 + p + label) % 1_000_003
                self.dirty += 1
                self.fired.flat[x] = 1
                if learn and label >= 0:
                    self.taught[label] += 1
            if now % RESULT_EVERY == 0 and self.dirty:
                ticks.append(now)
                scores.append([self.mixed % (7 + k) + n for k, n in enumerate(self.taught)])
                spikes.append([self.dirty])
                self.dirty = 0
            if probe is not None:
                fired.append(self.fired.reshape(-1)[probe.units[0]].copy())
        self.tick = until
        return SimpleNamespace(
            tick=np.array(ticks, np.int64),
            scores=np.array(scores, np.int32).reshape(len(ticks), len(self.classes)),
            spikes=np.array(spikes, np.int64).reshape(len(ticks), 1),
            fired=() if probe is None else (np.array(fired[-probe.ticks :]),),
        )

    def _active(self, by_tick: Any, until: int, probe: Any) -> Iterator[int]:
        """Ticks that can change anything: after the last event, up to the next result."""
        now = self.tick
        while now < until:
            later = [tick for tick in by_tick if tick >= now]
            if probe is None and not self.dirty and now not in by_tick:
                now = min(later, default=until)
                continue
            yield now
            now += 1

    def to_bytes(self) -> bytes:
        return json.dumps([self.tick, self.mixed, list(self.classes), self.taught]).encode()


class FakeSource:
    """Delivers the packets given, then whatever :meth:`push` brings, until :meth:`finish`."""

    def __init__(self, packets: Iterable[FakePacket] = (), live: bool = False) -> None:
        self.name = "fake:"
        self.live = live
        self.counters: Counter[str] = Counter()
        self.error: Exception | None = None
        self._packets = list(packets)
        self._open = True
        self._more = trio.Event()

    def push(self, *packets: FakePacket) -> None:
        self._packets += packets
        self._more.set()

    def finish(self, error: Exception | None = None) -> None:
        self._open, self.error = False, error
        self._more.set()

    async def run(self, deliver: Callable[[Any], Awaitable[None]]) -> None:
        while True:
            while self._packets:
                await deliver(self._packets.pop(0))
            if not self._open:
                break
            self._more = trio.Event()
            await self._more.wait()
        if self.error is not None:
            raise self.error


class FakeShelf(FakeSource):
    """Plays one packet for each request, as a segment of its own."""

    segment = 0

    async def play(
        self, name: str, *, start_us: int, stop_us: int | None, speed: float | None
    ) -> Any:
        if name == "missing":
            raise SensorError("There is no recording named missing on the shelf.")
        number, self.segment = self.segment, self.segment + 1
        packet = make_packet(range(start_us, stop_us or 50_000, 500), segment=number, last=True)
        self.push(packet)
        await trio.lowlevel.checkpoint()
        return SimpleNamespace(segment=number)


def make_packet(times: Iterable[int], watermark: int | None = None, **facts: Any) -> FakePacket:
    """A packet with events at these times, at places that follow from them."""
    t = np.array(list(times), np.int64)
    events = np.zeros(len(t), DTYPE)
    events["t"], events["x"], events["y"], events["p"] = t, t % SIZE[0], t * 7 % SIZE[1], t % 2
    if watermark is None:
        watermark = int(t[-1]) if len(t) else 0
    return FakePacket(events, watermark, **facts)


async def at_once(call: Callable[[], Any]) -> Any:
    """Instead of a thread, which a mock clock cannot see."""
    await trio.lowlevel.checkpoint()
    return call()


class Running:
    """A service without sockets, and a door to it."""

    def __init__(self, service: Service, nursery: trio.Nursery) -> None:
        self.service = service
        self.summary: Any = None
        self._nursery = nursery

    def connect(self) -> trio.StapledStream[Any, Any]:
        """The client's end of a new connection."""
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self.service.converse, theirs)
        return ours

    def client(self, **options: Any) -> AbstractAsyncContextManager[Client]:
        return converse(self.connect(), **options)


@pytest.fixture(scope="session")
def fakes() -> SimpleNamespace:
    return SimpleNamespace(
        Network=FakeNetwork, Source=FakeSource, Shelf=FakeShelf, Packet=FakePacket,
        packet=make_packet, at_once=at_once,
    )  # fmt: skip


@pytest.fixture
def running() -> Callable[..., AbstractAsyncContextManager[Running]]:
    """Runs a service over memory streams, for as long as the block lasts."""

    @asynccontextmanager
    async def run(
        source: Any, network: Any = None, *, in_thread: Any = at_once, **settings: Any
    ) -> Any:
        service = Service(
            source, network or FakeNetwork(), Settings(**settings), in_thread=in_thread
        )
        async with trio.open_nursery() as nursery:
            run = Running(service, nursery)

            async def serve(task_status: trio.TaskStatus[Service]) -> None:
                run.summary = await service.serve(
                    listen=False, signals=False, task_status=task_status
                )

            await nursery.start(serve)
            # On a mock clock a block that waits for ever fails at once: there is an end to jump to.
            with trio.fail_after(FOR_EVER_S):
                yield run
            service.stop()

    return run


@pytest.fixture
def on_tcp() -> Callable[..., AbstractAsyncContextManager[Service]]:
    """Runs a service on a free port of the loopback, for as long as the block lasts."""

    @asynccontextmanager
    async def run(source: Any, network: Any, **settings: Any) -> Any:
        service = Service(source, network, Settings(port=0, **settings))
        async with trio.open_nursery() as nursery:

            async def serve(task_status: Any) -> None:
                await service.serve(signals=False, task_status=task_status)

            await nursery.start(serve)
            with trio.fail_after(patience(60)):
                yield service
                service.stop()

    return run
