"""At any instant of a stop: events received = events computed + events dropped, by reason.

Hypothesis draws the source, its packets and speed, filters, the queue, how long computing takes,
the instant of the stop, a second signal and a fault. The clock is a mock; no thread runs.
"""

from __future__ import annotations

import itertools
import logging
import socket
import struct
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikewire.runtime import Pipeline, Settings
from spikewire.sensors import EVENT_DTYPE, Excerpt, Packet, UdpSource, open_source
from spikewire.sensors.filters import filtered
from spikewire.sensors.sources import excerpt_stream, simulated
from spikewire.sensors.sources.files import FileSource
from spikewire.sensors.sources.nats import source as nats
from tests.support.fakes import FakeNetwork

SIZE = (16, 12)
KINDS = ("made", "live", "file", "paced", "udp", "nats", "sim")


def make_events(times: Any) -> Any:
    events = np.zeros(len(times), EVENT_DTYPE)
    t = np.asarray(times, np.int64)
    events["t"], events["x"], events["y"], events["p"] = t, t % SIZE[0], t * 7 % SIZE[1], t % 2
    return events


def words(events: Any) -> bytes:
    return b"".join(
        struct.pack("<II", int(e["x"]) << 16 | int(e["p"]) << 15 | int(e["y"]), int(e["t"]))
        for e in events
    )


class CountingNetwork(FakeNetwork):
    """Counts the events that it is given; breaks in the call numbered ``breaks``."""

    def __init__(self, breaks: int | None) -> None:
        super().__init__()
        self.seen = self.asked = 0
        self._breaks = breaks

    def advance(self, events: Any, until: int, /, **facts: Any) -> Any:
        self.asked += 1
        if self.asked == self._breaks:
            raise RuntimeError("broken")
        self.seen += len(events)
        self.tick = until
        return SimpleNamespace(
            tick=np.zeros(0, np.int64), scores=np.zeros((0, 2), np.int32),
            spikes=np.zeros((0, 1), np.int64), fired=(),
        )  # fmt: skip


class MadeSource:
    """Packets as they are drawn, with pauses between them."""

    name, size = "made:", SIZE

    def __init__(self, packets: list[Packet], pause_s: float, live: bool) -> None:
        self.live = live
        self.counters: Counter[str] = Counter()
        self._packets, self._pause_s = packets, pause_s

    async def run(self, deliver: Any) -> None:
        for packet in self._packets:
            await trio.sleep(self._pause_s)
            self.counters["events"] += len(packet.events)
            await deliver(packet)


class FakeLink:
    """Instead of a NATS server: hands messages over from time to time."""

    def __init__(self, messages: list[bytes], pause_s: float) -> None:
        self._messages, self._pause_s = messages, pause_s
        self._take: Any = None

    async def connect(self) -> None:
        await trio.lowlevel.checkpoint()

    async def subscribe(self, subject: str, take: Any) -> None:
        self._take = take
        await trio.lowlevel.checkpoint()

    async def wait_lost(self) -> None:
        for number, data in enumerate(self._messages):
            if number % 5 == 0:
                await trio.sleep(self._pause_s)
            # Every second message begins a segment: one batch gives several packets.
            headers = {
                "Spikewire-Run": "r", "Spikewire-Seq": str(number + 1),
                "Spikewire-Segment": str(number // 2),
            }  # fmt: skip
            self._take(SimpleNamespace(data=data, headers=headers))
        await trio.sleep_forever()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@dataclass
class Stream:
    """A drawn stream, and how it ends."""

    kind: str
    packets: list[Any]
    pause_s: float
    filters: list[str]
    queue_packets: int
    queue_events: int
    compute_s: float
    stop_s: float
    stop_steps: int
    again_steps: int | None
    drain_s: float
    breaks: int | None


@st.composite
def streams(draw: Any, kinds: tuple[str, ...]) -> Stream:
    kind = draw(st.sampled_from(kinds))
    sizes = draw(st.lists(st.integers(0, 60), min_size=1, max_size=12))
    step = draw(st.integers(1, 400))
    total = sum(sizes)
    times = np.arange(total) * step
    if draw(st.booleans()) and total > 10:
        # A pause, or a jump.
        times[total // 2 :] += draw(st.integers(0, 300_000) | st.just(400_000_000))
    edges = np.cumsum([0, *sizes])
    return Stream(
        kind,
        [make_events(times[a:b]) for a, b in itertools.pairwise(edges)],
        pause_s=draw(st.sampled_from([0.0, 0.001, 0.01])),
        filters=draw(st.sampled_from([[], ["refractory:1ms"], ["polarity:on", "downsample:2"]])),
        queue_packets=draw(st.integers(1, 4)),
        queue_events=draw(st.integers(1, 100)),
        compute_s=draw(st.sampled_from([0.0, 0.0005, 0.02])),
        stop_s=draw(st.sampled_from([0.0, 0.0005, 0.001, 0.003, 0.02, 0.1, 10.0])),
        stop_steps=draw(st.integers(0, 40)),
        again_steps=draw(st.none() | st.integers(0, 10)),
        drain_s=draw(st.sampled_from([0.0, 0.01, 30.0])),
        breaks=draw(st.none() | st.none() | st.integers(1, 6)),
    )


def source_of(stream: Stream, folder: Any, cleanup: ExitStack) -> Any:
    if stream.kind in ("made", "live"):
        packets = []
        for number, events in enumerate(stream.packets):
            mark = int(events["t"][-1]) if len(events) else 0
            # Every third segment ends with its packet; watermarks may run ahead of what comes.
            segment = number // 3
            ahead = 700 * (number % 2)
            packets.append(Packet(events, SIZE, mark + ahead, 0, segment, last=number % 3 == 2))
        source: Any = MadeSource(packets, stream.pause_s, stream.kind == "live")
    elif stream.kind in ("file", "paced"):
        path = folder / "drawn.npy"
        joined = np.concatenate(stream.packets)
        np.save(path, joined if len(joined) else make_events([5]))
        fast = stream.kind == "file"
        source = FileSource([Excerpt(path)], speed=None if fast else 1.0)
    elif stream.kind == "udp":
        source = UdpSource(port=0, size=SIZE)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for events in stream.packets:
                sender.sendto(words(events), ("127.0.0.1", source.port))
    elif stream.kind == "nats":
        with mock.patch.object(nats, "need_nats"), mock.patch.object(nats, "NatsLink"):
            source = nats.NatsSource(SimpleNamespace(name="fake"), "events", size=SIZE)  # type: ignore[arg-type]
        source._link = FakeLink([words(events) for events in stream.packets], stream.pause_s)
    else:
        source = open_source("sim:?seed=1&speed=max&duration=1")
    if stream.kind == "sim" or not stream.filters:
        return source
    return filtered.Filtered(source, stream.filters)


async def inline(call: Any, *args: Any, **options: Any) -> Any:
    """Instead of a thread: as there, only the beginning can be cancelled."""
    await trio.lowlevel.checkpoint()
    return call(*args)


async def live_through(stream: Stream, folder: Any) -> None:
    async def in_thread(call: Any) -> Any:
        await trio.lowlevel.checkpoint()
        with trio.CancelScope(shield=True):
            await trio.sleep(stream.compute_s)
        return call()

    with ExitStack() as cleanup:
        source = source_of(stream, folder, cleanup)
        network = CountingNetwork(stream.breaks)
        pipeline = Pipeline(
            "main", source, network,  # type: ignore[arg-type]
            Settings(
                queue_packets=stream.queue_packets, queue_events=stream.queue_events,
                drain_s=stream.drain_s, gap_ms=1,
            ),
            in_thread=in_thread,
        )  # fmt: skip
        told: list[dict[str, Any]] = []
        publish = pipeline.broker.publish

        def listen(topic: str, fields: dict[str, Any]) -> None:
            if topic == "stats":
                told.append(fields)
            publish(topic, fields)

        pipeline.broker.publish = listen  # type: ignore[assignment, method-assign]
        async with trio.open_nursery() as nursery:
            await nursery.start(pipeline.run)
            with trio.move_on_after(stream.stop_s):
                await pipeline._stopping.wait()
            for _ in range(stream.stop_steps):
                await trio.lowlevel.checkpoint()
            pipeline.stop()
            if stream.again_steps is not None:
                for _ in range(stream.again_steps):
                    await trio.lowlevel.checkpoint()
                pipeline.hurry()
    balance(pipeline, network, told[-1])


def balance(pipeline: Any, network: CountingNetwork, stats: dict[str, Any]) -> None:
    done, counted = pipeline.summary(), pipeline.source.counters
    received = counted.get("events", 0)
    filtered_out = sum(n for name, n in counted.items() if name.startswith("filter_"))
    assert done.events == network.seen
    assert received == done.events + sum(done.drops.values()) + filtered_out, (done, counted)
    assert stats["events"] == done.events
    assert stats["drops"] == dict(done.drops)
    assert stats["source"] == dict(counted)
    assert stats["queue"]["events"] == stats["queue"]["packets"] == 0


def check(stream: Stream, folder: Any) -> None:
    with (
        mock.patch.object(trio.to_thread, "run_sync", inline),
        mock.patch.object(filtered, "_SMALL", 30),
        mock.patch.object(excerpt_stream, "FAST_EVENTS", 25),
        mock.patch.object(nats, "BATCH", 5),
        mock.patch.object(simulated, "FAST_SLICE_US", 50_000),
    ):
        trio.run(live_through, stream, folder, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Any:
    """The faults that are planted here fill no log."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("drawn")


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(stream=streams(KINDS[:-1]))
def test_every_event_is_computed_or_dropped_at_any_stop(stream: Stream, folder: Any) -> None:
    check(stream, folder)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(stream=streams(KINDS[-1:]))
def test_every_event_of_a_simulated_camera_is_accounted_for(stream: Stream, folder: Any) -> None:
    check(stream, folder)
