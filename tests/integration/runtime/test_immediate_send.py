"""What is sent past the queue, over real sockets: nothing is lost, torn or out of order."""

import socket

import msgspec
import pytest
import trio
import trio.testing

from spikewire.runtime import converse
from spikewire.runtime.protocol.frames import Framer, decode, encode
from tests.support.wire import RESULT


@pytest.fixture
def pair():
    """The service's end of a socket, the client's, and the sizes of what the writer sends."""
    ends = [trio.socket.from_stdlib_socket(end) for end in socket.socketpair()]
    ours, theirs = (trio.SocketStream(end) for end in ends)
    send_all, sends = ours.send_all, []

    async def counted(data):
        sends.append(len(data))
        await send_all(data)

    ours.send_all = counted
    yield ours, theirs, sends
    for end in ends:
        end.close()


def publish(run, number, **more):
    broker = run.service.first.broker
    fields = {name: value for name, value in RESULT.items() if name not in ("type", "topic")}
    for _ in range(number):
        broker.publish("result", {**fields, "tick": 0, **more})


async def test_a_message_does_not_wake_the_writer_of_an_idle_connection(
    fakes, running, pair, autojump_clock
):
    ours, theirs, sends = pair
    async with running(fakes.Source()) as run, trio.open_nursery() as nursery:
        nursery.start_soon(run.service.converse, ours)
        async with converse(theirs) as client:
            await client.subscribe("result")
            await trio.testing.wait_all_tasks_blocked()
            before = len(sends)
            for seq in range(1, 6):
                await trio.sleep(0.01)
                publish(run, 1)
                assert (await anext(client))["seq"] == seq
            assert len(sends) == before
            # Of many at once the first goes straight, and the others together.
            await trio.sleep(0.01)
            publish(run, 50)
            assert [(await anext(client))["seq"] for _ in range(50)] == list(range(6, 56))
            assert len(sends) == before + 1
            # Whoever wants messages gathered has them from the writer, in one piece.
            await client.request("subscribe", topics=["result"], every_ms=10)
            await trio.testing.wait_all_tasks_blocked()
            before = len(sends)
            publish(run, 5)
            assert [(await anext(client))["seq"] for _ in range(5)] == [56, 57, 58, 59, 60]
            assert len(sends) == before + 1
        run.service.stop()


@pytest.mark.parametrize("size", [0, 3000])
async def test_a_peer_that_reads_late_is_told_of_every_loss(size, fakes, running, pair):
    ours, theirs, _ = pair
    async with (
        running(fakes.Source(), subscriber_messages=20) as run,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(run.service.converse, ours)
        await theirs.send_all(
            encode({"type": "hello", "protocol": 1})
            + encode({"type": "subscribe", "topics": ["result"], "policy": "drop_oldest"})
        )
        await trio.testing.wait_all_tasks_blocked()
        framer, seen, lost = Framer(1_000_000), [], []
        for batch in range(40):
            publish(run, 100, more=b"x" * size)
            await trio.testing.wait_all_tasks_blocked()
            if batch % 4 == 1:
                framer.feed(await theirs.receive_some(20_000))
        while 4000 not in seen:
            framer.feed(await theirs.receive_some(20_000))
            while (frame := framer.take()) is not None:
                said = decode(frame)
                if said["type"] == "gap":
                    lost += range(said["first"], said["last"] + 1)
                    assert said["count"] == said["last"] - said["first"] + 1
                elif said["type"] == "message":
                    seen.append(said["seq"])
                    assert len(said["more"]) == size
        assert len(lost) > 100
        assert seen == sorted(seen)
        assert sorted([*seen, *lost]) == list(range(1, 4001))
        assert len(lost) == run.service.first.broker.dropped
        await theirs.aclose()
        run.service.stop()


async def test_heartbeats_count_from_the_last_message(fakes, running, pair, autojump_clock):
    ours, theirs, sends = pair
    source = fakes.Source()
    async with (
        running(source, heartbeat_s=2.0, stats_every_s=3600.0) as run,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(run.service.converse, ours)
        async with converse(theirs) as client:
            await client.subscribe("result")
            await trio.testing.wait_all_tasks_blocked()
            before = len(sends)
            for _ in range(10):
                await trio.sleep(1.5)
                publish(run, 1)
            assert len(sends) == before
            await trio.sleep(1.9)
            assert len(sends) == before
            await trio.sleep(0.2)
            assert len(sends) == before + 1
            await trio.sleep(2.0)
            assert len(sends) == before + 2
        run.service.stop()


async def test_a_heartbeat_that_was_switched_on_is_heard_on_old_connections(
    fakes, running, pair, autojump_clock
):
    ours, theirs, sends = pair
    async with (
        running(fakes.Source(), heartbeat_s=0.0, stats_every_s=3600.0) as run,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(run.service.converse, ours)
        async with converse(theirs) as client:
            await client.subscribe("result")
            await trio.sleep(60)
            run.service.settings = msgspec.structs.replace(run.service.settings, heartbeat_s=2.0)
            publish(run, 1)
            await trio.sleep(1)
            before = len(sends)
            await trio.sleep(20)
            assert len(sends) == before + 10
        run.service.stop()


async def test_a_peer_that_is_gone_ends_its_own_connection(fakes, running, pair):
    ours, theirs, _ = pair
    async with running(fakes.Source()) as run:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.service.converse, ours)
            client = converse(theirs)
            async with client as told:
                await told.subscribe("result")
                await trio.testing.wait_all_tasks_blocked()
                await theirs.aclose()
                publish(run, 3)
        assert run.service.connections == 0
        assert run.service.first.state == "running"
