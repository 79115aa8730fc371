"""Events through a broker: an invented one, and a real nats-server with the source at its end."""

from collections import Counter

import msgpack
import numpy as np
import pytest
import trio
import trio.testing

from spikewire.runtime import BridgeOptions
from spikewire.runtime.bridge.events import EventBridge
from spikewire.sensors import (
    EVENT_DTYPE,
    BrokerError,
    NatsLink,
    NatsSource,
    Packet,
    SourceError,
    SpifDecoder,
    encode_spif,
    nats_server,
    open_source,
)
from tests.support.natsd import server_or_skip

SIZE = (346, 260)


def some_events(n, start=0, seed=1):
    rng = np.random.default_rng(seed)
    events = np.zeros(n, EVENT_DTYPE)
    events["t"] = start + np.cumsum(rng.integers(0, 20, n))
    events["x"], events["y"] = rng.integers(0, SIZE[0], n), rng.integers(0, SIZE[1], n)
    events["p"] = rng.integers(0, 2, n)
    return events


class Camera:
    """Delivers packets as fast as they are taken."""

    name, size = "camera:one", SIZE

    def __init__(self, packets, live=True):
        self.packets, self.live, self.counters = packets, live, Counter()

    async def run(self, deliver):
        for packet in self.packets:
            await deliver(packet)


class Broker:
    """Takes a batch each 10 ms, or nothing while it is down."""

    max_payload = 1 << 20

    def __init__(self):
        self.up, self.taken = True, []

    async def connect(self):
        await trio.lowlevel.checkpoint()
        if not self.up:
            raise BrokerError("Cannot reach NATS.")

    async def publish(self, batch, *, stored=False):
        await trio.sleep(0.01)
        if not self.up:
            raise BrokerError("Lost.")
        self.taken += batch

    async def aclose(self):
        pass


def packets(count, each=1000):
    return [Packet(some_events(each, i * 20_000, i), SIZE, 0, 0, 0) for i in range(count)]


def test_words_are_what_the_decoder_reads():
    events = some_events(5000, start=2**32 - 20_000)
    decoder = SpifDecoder(SIZE)
    read, _ = decoder.decode(encode_spif(events), 0)
    assert np.array_equal(read, events)
    assert not decoder.counters


async def test_a_recording_waits_for_the_broker(autojump_clock):
    made, broker = packets(50, 5000), Broker()
    camera = Camera(made, live=False)
    bridge = EventBridge(camera, broker, BridgeOptions(prefix="p", most_messages=4))
    await bridge.run()
    assert {subject for subject, _, _ in broker.taken} == {"p.spif"}
    sent = b"".join(data for _, data, _ in broker.taken)
    assert sent == b"".join(encode_spif(packet.events) for packet in made)
    assert max(len(data) for _, data, _ in broker.taken) == 4096 * 8
    assert broker.taken[1][2]["Spikewire-Size"] == "346x260"
    assert bridge.counters["events"] == 250_000
    assert bridge.counters["lost"] == bridge.counters["lost_events"] == 0


async def test_a_camera_does_not_and_its_losses_are_counted(autojump_clock):
    broker = Broker()
    bridge = EventBridge(Camera(packets(50)), broker, BridgeOptions(prefix="p", most_messages=8))
    await bridge.run()
    (gap,) = [msgpack.unpackb(data) for subject, data, _ in broker.taken if subject == "p.gap"]
    numbers = [int(h["Spikewire-Seq"]) for s, _, h in broker.taken if s == "p.spif"]
    assert (gap["topic"], gap["first"], gap["last"], gap["count"]) == ("spif", 1, 42, 42)
    assert numbers == list(range(43, 51))
    assert (bridge.counters["lost"], bridge.counters["lost_events"]) == (42, 42_000)


async def test_small_messages_for_a_server_that_takes_no_large_ones(autojump_clock):
    broker = Broker()
    broker.max_payload = 2048
    await EventBridge(Camera(packets(1)), broker, BridgeOptions(prefix="p")).run()
    assert [len(data) for _, data, _ in broker.taken] == [1024] * 7 + [832]


# -- a real server ----------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    started = server_or_skip(tmp_path)
    yield started
    started.kill()


async def collect(source, taken, task_status=trio.TASK_STATUS_IGNORED):
    async def keep(packet):
        taken.append(packet)
        await trio.lowlevel.checkpoint()

    task_status.started()
    await source.run(keep)


async def until(true, limit_s=10):
    with trio.fail_after(limit_s):
        while not true():  # noqa: ASYNC110 - another thread or process changes it
            await trio.sleep(0.005)


async def listening(server, source, link):
    """Wait until the source hears what is published."""
    while not source.counters["messages"]:
        await link.publish([(source.name.rpartition("/")[2], b"", None)])
        await trio.sleep(0.01)


async def test_events_travel_bit_for_bit(server):
    made, taken = packets(40), []
    source = open_source(f"{server.url}/p.spif?size=346x260")
    link = NatsLink(nats_server(server.url))
    await link.connect()
    async with trio.open_nursery() as nursery:
        await nursery.start(collect, source, taken)
        await listening(server, source, link)
        await EventBridge(Camera(made, live=False), link, BridgeOptions(prefix="p")).run()
        await until(lambda: source.counters["events"] == 40_000)
        nursery.cancel_scope.cancel()
    events = np.concatenate([packet.events for packet in taken])
    assert np.array_equal(events, np.concatenate([packet.events for packet in made]))
    assert {packet.segment for packet in taken} == {0}
    heard = source.counters
    assert heard["messages"] == 40 + heard["messages_empty"]
    assert not {"messages_missing", "messages_repeated", "queue_dropped"} & set(heard)


async def test_what_is_wrong_is_counted_and_never_delivered(server):
    source, taken = NatsSource(nats_server(server.url), "a.spif", size=(16, 16)), []
    good = some_events(10)
    good["x"] %= 16
    good["y"] %= 16
    words = encode_spif(good)
    later = good.copy()
    later["t"] += 1000
    outside = good.copy()
    outside["x"] += 16
    outside["t"] += 2000

    def numbered(seq, run="r", segment="0"):
        return {"Spikewire-Run": run, "Spikewire-Seq": str(seq), "Spikewire-Segment": segment}

    batch = [
        ("a.spif", words, numbered(1)),
        ("a.spif", words, numbered(1)),  # once more
        ("a.spif", encode_spif(later), numbered(4)),  # two are missing
        ("a.spif", encode_spif(outside), numbered(5)),
        ("a.spif", b"abc", {"Spikewire-Run": "r", "Spikewire-Seq": "six"}),
        ("a.spif", words, numbered(6, segment="1")),  # time begins anew
        ("a.spif", words, numbered(1, run="s", segment="1")),  # another sender
    ]
    link = NatsLink(nats_server(server.url))
    await link.connect()
    async with trio.open_nursery() as nursery:
        await nursery.start(collect, source, taken)
        await listening(server, source, link)
        before = source.counters["messages"]
        await link.publish(batch)
        await until(lambda: source.counters["messages"] == before + len(batch))
        # Counted as they are read, then delivered one by one.
        await until(lambda: sum(len(packet.events) for packet in taken) >= 40)
        nursery.cancel_scope.cancel()
    await link.aclose()
    heard = source.counters
    assert heard["events"] == 40 == sum(len(packet.events) for packet in taken)
    assert (heard["messages_repeated"], heard["messages_missing"]) == (1, 2)
    assert (heard["out_of_bounds"], heard["odd_bytes"]) == (10, 3)
    assert heard["messages_refused"] == 2
    assert sorted({packet.segment for packet in taken}) == [0, 1, 2]


@pytest.mark.slow
async def test_a_server_that_is_killed_is_found_again(server):
    source, taken = NatsSource(nats_server(server.url), "p.spif", size=SIZE), []
    async with trio.open_nursery() as nursery:
        await nursery.start(collect, source, taken)
        link = NatsLink(nats_server(server.url))
        await link.connect()
        await listening(server, source, link)
        server.kill()
        await until(lambda: source.counters["nats_lost"] == 1)
        await trio.sleep(0.3)
        server.start()
        await link.connect()
        before = source.counters["messages"]
        while source.counters["messages"] == before:
            await link.publish([("p.spif", encode_spif(some_events(10)), None)])
            await trio.sleep(0.02)
        await link.aclose()
        nursery.cancel_scope.cancel()
    assert source.counters["events"] >= 10


@pytest.mark.parametrize(
    ("uri", "part"),
    [
        ("nats://127.0.0.1:4222", "names a server and a subject"),
        ("nats://127.0.0.1:4222/p.*", "no * and no >"),
        ("nats://127.0.0.1:x/p", "no address of a NATS server"),
        ("nats://127.0.0.1/p?size=big", "346x260"),
        ("nats://127.0.0.1/p?colour=1", "it has size, tls, ca, creds"),
    ],
)
def test_wrong_names_are_refused(uri, part):
    with pytest.raises(SourceError) as caught:
        open_source(uri)
    assert part in str(caught.value)


async def test_a_source_without_a_server_says_so(server):
    server.kill()
    source = open_source(f"{server.url}/p.spif")
    with pytest.raises(BrokerError, match="Cannot reach NATS"):
        await collect(source, [])
