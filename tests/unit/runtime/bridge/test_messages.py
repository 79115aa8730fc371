"""The bridge between a real service over memory streams and an invented broker, without waiting."""

from contextlib import asynccontextmanager

import msgpack
import msgspec
import pytest
import trio
import trio.testing

from spikewire.runtime import (
    Bridge,
    BridgeOptions,
    ConnectionLost,
    ProtocolError,
    ReconnectingClient,
    Retry,
    converse,
)
from spikewire.runtime.bridge.messages import default_prefix
from spikewire.runtime.client.options import LossOptions
from spikewire.runtime.client.reconnecting import keeping_up
from spikewire.runtime.client.resume import TopicPositions
from spikewire.sensors import BrokerError
from tests.support.wire import RESULT, SERVICE_HELLO


class Broker:
    """Takes what is published while it is up; what it has taken it confirms, or dies first."""

    def __init__(self):
        self.up = True
        self.max_payload = 1 << 20
        self.taken = []
        self.connects = 0
        self.dies_after = None
        self.slow_s = 0.0
        self.closed = False

    async def connect(self):
        await trio.lowlevel.checkpoint()
        if not self.up:
            raise BrokerError("Cannot reach NATS.")
        self.connects += 1

    async def publish(self, batch, *, stored=False):
        await trio.sleep(self.slow_s)
        if not self.up:
            raise BrokerError("The connection to NATS was lost.")
        if self.dies_after is not None and len(batch) > self.dies_after:
            self.taken += batch[: self.dies_after]
            self.up, self.dies_after = False, None
            raise BrokerError("The connection to NATS was lost.")
        self.taken += batch

    async def aclose(self):
        self.closed = True

    def messages(self, topic="result"):
        return [msgpack.unpackb(p) for s, p, _ in self.taken if s == f"p.{topic}"]

    def numbers(self, topic="result"):
        return [m["seq"] for m in self.messages(topic)]


def following(dial, topics, after_goodbye="wait"):
    @asynccontextmanager
    async def follow():
        resume = TopicPositions()
        resume.want(topics, "drop_oldest")
        stream = ReconnectingClient(
            dial,
            resume,
            retry=Retry(),
            loss=LossOptions(after_goodbye=after_goodbye, notices=True),
            buffer=4096,
        )
        async with keeping_up(stream):
            yield stream

    return follow


@asynccontextmanager
async def bridged(dial, broker, topics=("result", "status"), **options):
    told = []
    bridge = Bridge(
        following(dial, topics), broker, BridgeOptions(**{"prefix": "p", **options}), told.append,
    )  # fmt: skip
    bridge.told = told
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.run)
        await trio.testing.wait_all_tasks_blocked()
        yield bridge
        bridge.stop()
        await trio.testing.wait_all_tasks_blocked()


async def settle(seconds=0.0):
    await trio.sleep(seconds)
    await trio.testing.wait_all_tasks_blocked()


def stretch(fakes, first, last):
    """Events that make results of the ticks first*10 to last*10."""
    return fakes.packet(range(first * 10_000, last * 10_000 + 1000, 250))


async def test_every_result_arrives_once_in_order_as_it_was(fakes, running, autojump_clock):
    source, broker = fakes.Source(), Broker()
    async with running(source) as run, run.client() as beside:
        await beside.subscribe("result")
        async with bridged(lambda: converse(run.connect()), broker, topics=("*",)) as bridge:
            source.push(stretch(fakes, 0, 40))
            await settle()
            run_id = run.service.first.run_id
        seen = [await anext(beside) for _ in range(40)]
    assert broker.messages() == seen
    assert broker.numbers() == list(range(1, 41))
    assert broker.messages("status")[0]["state"] == "running"
    _, _, headers = next(one for one in broker.taken if one[0] == "p.result")
    assert headers == {
        "Spikewire-Run": run_id, "Spikewire-Seq": "1", "Nats-Msg-Id": f"{run_id}:result:1",
    }  # fmt: skip
    assert broker.closed
    assert bridge.counters["published"] == bridge.counters["received"] == len(broker.taken)
    assert bridge.counters["unsent"] == bridge.counters["lost"] == 0


async def test_json_holds_the_same(fakes, running, autojump_clock):
    source, broker = fakes.Source(), Broker()
    async with (
        running(source) as run,
        bridged(lambda: converse(run.connect()), broker, encoding="json"),
    ):
        source.push(stretch(fakes, 0, 2))
        await settle()
    first = msgspec.json.decode(broker.taken[1][1])
    assert (first["type"], first["topic"], first["seq"], first["tick"]) == (
        "message", "result", 1, 0,
    )  # fmt: skip


@pytest.mark.parametrize("bound", [{"most_messages": 7}, {"most_bytes": 1000}])
async def test_an_outage_keeps_the_newest_and_tells_the_gap(fakes, running, autojump_clock, bound):
    source, broker = fakes.Source(), Broker()
    async with running(source) as run:
        dial = lambda: converse(run.connect())  # noqa: E731
        async with bridged(dial, broker, topics=("result",), **bound) as bridge:
            source.push(stretch(fakes, 0, 5))
            await settle()
            broker.up = False
            source.push(stretch(fakes, 6, 99))
            await settle(20)
            held = bridge._queue
            assert held.messages <= bound.get("most_messages", 100)
            assert held.bytes <= bound.get("most_bytes", 100_000)
            lost = held.lost
            assert 80 < lost < 94
            broker.up = True
            await settle(20)
            source.push(stretch(fakes, 100, 102))
            await settle()
    (gap,) = broker.messages("gap")
    before, after = gap["first"] - 1, gap["last"] + 1
    assert (gap["topic"], gap["lost_by"], gap["count"]) == ("result", "bridge", lost)
    assert gap["count"] == gap["last"] - gap["first"] + 1
    numbers = broker.numbers()
    assert numbers == [*range(1, before + 1), *range(after, numbers[-1] + 1)]
    # In its place: after what was before, before what came after.
    subjects = [s for s, _, _ in broker.taken]
    assert subjects.index("p.gap") == before
    assert numbers[-1] == 102
    assert bridge.counters["nats_lost"] == 1
    states = [(m["side"], m["state"]) for m in bridge.told if m["type"] == "state"]
    assert states[2:] == [("nats", "lost"), ("nats", "lost"), ("nats", "connected")]


async def test_what_was_not_confirmed_is_sent_again_under_the_same_id(
    fakes, running, autojump_clock
):
    source, broker = fakes.Source(), Broker()
    async with running(source) as run:
        dial = lambda: converse(run.connect())  # noqa: E731
        async with bridged(dial, broker, topics=("result",)) as bridge:
            broker.dies_after, broker.slow_s = 3, 0.01
            source.push(stretch(fakes, 0, 30))
            await settle(5)
            broker.up = True
            await settle(20)
    ids = [headers["Nats-Msg-Id"] for _, _, headers in broker.taken]
    assert len(ids) - len(set(ids)) == 3
    assert list(dict.fromkeys(broker.numbers())) == list(range(1, 31))
    assert bridge.counters["resent"] >= 3
    assert not broker.messages("gap")


async def test_a_lost_connection_to_the_service_is_resumed(fakes, running, autojump_clock):
    source, broker, streams = fakes.Source(), Broker(), []
    async with running(source, history_messages=20) as run:

        def dial():
            streams.append(run.connect())
            return converse(streams[-1])

        async with bridged(dial, broker, topics=("result", "status")) as bridge:
            source.push(stretch(fakes, 0, 9))
            await settle()
            await streams[-1].aclose()
            source.push(stretch(fakes, 10, 19))
            await settle(1)
            assert broker.numbers() == list(range(1, 20))
            await streams[-1].aclose()
            source.push(stretch(fakes, 20, 59))
            await settle(1)
    # The service keeps 20: the others are told as lost by it.
    (gap,) = broker.messages("gap")
    assert (gap["topic"], gap["lost_by"]) == ("result", "service")
    assert (gap["first"], gap["last"], gap["count"]) == (20, 39, 20)
    assert broker.numbers() == [*range(1, 20), *range(40, 60)]
    assert bridge.counters["service_lost"] == 2
    assert bridge.counters["lost_by_service"] == 20
    assert broker.numbers("status") == sorted(set(broker.numbers("status")))


async def test_a_restarted_service_begins_a_new_run(fakes, running, autojump_clock):
    broker, now = Broker(), []

    def dial():
        if not now:
            raise ConnectionLost("Cannot reach a service.")
        return converse(now[-1].connect())

    first, second = fakes.Source(), fakes.Source()
    async with running(first) as run:
        now.append(run)
        async with bridged(dial, broker, topics=("result",)) as bridge:
            first.push(stretch(fakes, 0, 4))
            first.finish()
            await settle()
            now.clear()
            await settle(3)
            async with running(second) as again:
                second.push(stretch(fakes, 0, 7))
                await trio.testing.wait_all_tasks_blocked()
                now.append(again)
                await settle(20)
    runs = [headers["Spikewire-Run"] for _, _, headers in broker.taken]
    assert list(dict.fromkeys(runs)) == [run.service.first.run_id, again.service.first.run_id]
    # What the new service had kept before the bridge came back is there too.
    assert broker.numbers() == [*range(1, runs.count(runs[0]) + 1), *range(1, 9)]
    assert not broker.messages("gap")
    reasons = [m.get("reason", "") for m in bridge.told if m.get("side") == "service"]
    assert "The service said goodbye: source ended." in reasons


async def test_gaps_of_the_service_are_passed_on(fakes, autojump_clock):
    """A service that dropped messages, and lost some on the way without a word."""
    from spikewire.runtime.protocol.frames import encode

    ours, theirs = trio.testing.memory_stream_pair()
    broker = Broker()
    message = RESULT
    script = [
        {**message, "seq": 6},
        {"type": "gap", "topic": "result", "first": 7, "last": 9, "count": 3},
        {**message, "seq": 10},
        {**message, "seq": 10},
        {**message, "seq": 13},
        {"type": "news", "of": "a later protocol"},
        {"type": "goodbye", "reason": "stopped", "tick": 1},
    ]

    async def service():
        await theirs.send_all(encode(SERVICE_HELLO))
        await theirs.receive_some()
        await theirs.receive_some()
        reply = {"type": "reply", "to": "subscribe", "id": 1, "ok": True, "topics": ["result"]}
        await theirs.send_all(encode({**reply, "seq": {"result": 5}}))
        for one in script:
            await theirs.send_all(encode(one))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(service)
        stream = following(lambda: converse(ours), ("result",), after_goodbye="end")
        bridge = Bridge(stream, broker, BridgeOptions(prefix="p"))
        await bridge.run()
    told = [
        (m["type"], m.get("seq"), m.get("first"), m.get("last"), m.get("count"), m.get("lost_by"))
        for m in (msgpack.unpackb(payload) for _, payload, _ in broker.taken)
    ]
    assert told == [
        ("message", 6, None, None, None, None),
        ("gap", None, 7, 9, 3, "service"),
        ("message", 10, None, None, None, None),
        ("gap", None, 11, 12, 2, "service"),
        ("message", 13, None, None, None, None),
    ]
    assert bridge.counters["gaps"] == 2
    assert (bridge.counters["lost_by_service"], bridge.counters["lost"]) == (5, 0)


async def test_what_is_too_large_for_the_broker_is_a_gap(fakes, running, autojump_clock):
    source, broker = fakes.Source(), Broker()
    broker.max_payload = 1024
    async with running(source) as run:
        dial = lambda: converse(run.connect())  # noqa: E731
        async with bridged(dial, broker, topics=("result",)) as bridge:
            source.push(stretch(fakes, 0, 3))
            await settle()
    assert [gap["first"] for gap in broker.messages("gap")] == [1, 2, 3]
    assert bridge.counters["too_large"] == bridge.counters["lost"] == 3


async def test_the_end_publishes_what_waits_for_a_while(fakes, running, autojump_clock):
    source, broker = fakes.Source(), Broker()
    async with running(source) as run:
        dial = lambda: converse(run.connect())  # noqa: E731
        async with bridged(dial, broker, topics=("result",)) as bridge:
            await settle()
            broker.up = False
            source.push(stretch(fakes, 0, 9))
            await settle(2)
            began = trio.current_time()
        assert trio.current_time() - began <= 5
    assert bridge.counters["unsent"] == 9
    assert bridge.counters["published"] == 0


async def test_both_sides_must_be_there_at_the_start(fakes, running, autojump_clock):
    broker = Broker()
    broker.up = False
    async with running(fakes.Source()) as run:
        dial = lambda: converse(run.connect())  # noqa: E731
        with pytest.raises(BrokerError, match="Cannot reach NATS"):
            await Bridge(following(dial, ["result"]), broker, BridgeOptions()).run()
        broker.up = True
        with pytest.raises(ProtocolError, match="topics holds 'smells'"):
            await Bridge(following(dial, ["smells"]), broker, BridgeOptions()).run()
    assert broker.closed


def test_the_default_prefix_names_machine_and_source():
    assert default_prefix("lab-7.example.org", {"source": "udp://127.0.0.1:3333?x"}) == (
        "spikewire.lab-7.udp-127-0-0-1-3333-x"
    )
    hello = {"source": "sim:", "pipeline": "main", "pipelines": ["main"]}
    assert default_prefix("a", hello) == "spikewire.a.sim"
    several = {"source": "sim:", "pipeline": "left", "pipelines": ["left", "right"]}
    assert default_prefix("a", several) == "spikewire.a.left"
    assert default_prefix("", {"source": "*.>"}) == "spikewire.unnamed.unnamed"
