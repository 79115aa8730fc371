"""Subscriptions: messages missed, gathered and kept."""

import pytest
import trio
import trio.testing

from spikewire.runtime import ConnectionLost, converse
from spikewire.runtime.protocol.frames import Framer, decode, encode
from tests.support.wire import HELLO, SERVICE_HELLO


async def test_a_client_that_does_not_iterate_still_gets_its_answers(
    fakes, running, autojump_clock
):
    source = fakes.Source()
    async with running(source) as run, run.client(buffer=4) as client:
        await client.subscribe("result")
        source.push(fakes.packet(range(0, 200_000, 500)))
        await trio.testing.wait_all_tasks_blocked()
        assert (await client.teach("a"))["ok"]
        assert client.missed == 20 - 4
        gap = await anext(client)
        assert (gap["type"], gap["topic"], gap["count"]) == ("gap", "result", 16)
        assert (gap["first"], gap["last"]) == (1, 16)
        assert [(await anext(client))["seq"] for _ in range(4)] == [17, 18, 19, 20]


async def test_requests_from_several_tasks_find_their_answers(fakes, running, autojump_clock):
    async with (
        running(fakes.Source()) as run,
        run.client() as client,
        trio.open_nursery() as nursery,
    ):

        async def ask(label):
            assert (await client.teach(label))["label"] == label

        for n in range(20):
            nursery.start_soon(ask, f"class {n}")


async def test_a_service_that_vanishes_is_a_lost_connection(fakes, autojump_clock):

    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(encode(SERVICE_HELLO))
    async with converse(ours) as client:
        await theirs.aclose()
        with pytest.raises(ConnectionLost, match="without a goodbye"):
            async for _ in client:
                pass
        with pytest.raises(ConnectionLost):
            await client.teach("a")


async def test_who_comes_back_gets_what_was_missed(fakes, running, autojump_clock):
    source = fakes.Source()

    def push(*numbers):
        source.push(
            *(fakes.packet([n * 10_000, n * 10_000 + 1], (n + 1) * 10_000) for n in numbers)
        )

    async with running(source, history_messages=6) as run:
        async with run.client() as first:
            await first.subscribe("*")
            push(*range(4))
            results = first.results()
            last = [(await anext(results))["seq"] for _ in range(4)][-1]
            name = first.hello["run"]
        push(*range(4, 9))
        await trio.testing.wait_all_tasks_blocked()
        async with run.client() as back:
            told = await back.subscribe("result", last_seq={"result": last}, run=name)
            assert told["resume"] == {"result": {"resumed": 5}}
            push(9)
            results = back.results()
            assert [(await anext(results))["seq"] for _ in range(6)] == [5, 6, 7, 8, 9, 10]
        push(*range(10, 20))
        await trio.testing.wait_all_tasks_blocked()
        async with run.client() as late:
            told = await late.subscribe("res*", last_seq={"result": 10}, run=name)
            assert told["resume"] == {"result": {"gap": {"first": 11, "last": 14}, "resumed": 6}}
            results = late.results()
            assert [(await anext(results))["seq"] for _ in range(6)] == list(range(15, 21))
        async with run.client() as stranger:
            told = await stranger.subscribe("result", last_seq={"result": 18}, run="another")
            assert told["resume"] == {"result": {"gap": {"first": 1, "last": 14}, "resumed": 6}}
        async with run.client() as current:
            told = await current.subscribe("result", last_seq={"result": 20}, run=name)
            assert told["resume"] == {"result": {"resumed": 0}}
        run.service.stop()


async def test_a_subscriber_can_have_what_waits_gathered(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run:
        stream = run.connect()
        await stream.send_all(HELLO)
        said = {"type": "subscribe", "topics": ["result"], "every_ms": 200}
        await stream.send_all(encode(said))
        framer, came = Framer(10**7), []

        async def read():
            while data := await stream.receive_some():
                framer.feed(data)
                while (payload := framer.take()) is not None:
                    came.append((trio.current_time(), decode(payload)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for start in range(0, 1_000_000, 10_000):
                source.push(fakes.packet(range(start, start + 10_000, 500)))
                await trio.sleep(0.01)
            asked = trio.current_time()
            await stream.send_all(encode({"type": "status", "id": 7}))
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        results = [(at, m["seq"]) for at, m in came if m.get("topic") == "result"]
        assert [seq for _, seq in results] == list(range(1, len(results) + 1))
        assert len(results) >= 98
        # Five goes a second, one of them with the answer, which does not wait.
        assert len({round(at, 3) for at, _ in results}) <= 8
        (answered,) = [at for at, m in came if m.get("id") == 7]
        assert answered - asked < 0.05
        await stream.aclose()


async def test_what_was_missed_comes_first_even_while_answers_wait(fakes, running):
    # Eight answers, the hello one of them, are as many as may wait; results come meanwhile.
    for turns in [*range(12)] * 8:
        async with running(fakes.Source()) as run:
            broker = run.service.first.broker
            for _ in range(3):
                broker.publish("result", {})
            stream, framer = run.connect(), Framer(10**7)
            stats = encode({"type": "subscribe", "topics": ["stats"]})
            name = run.service.first.run_id
            resume = {"topics": ["result"], "last_seq": {"result": 1}, "run": name}
            await stream.send_all(HELLO + 7 * stats + encode({"type": "subscribe", **resume}))
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            broker.publish("result", {})
            await trio.testing.wait_all_tasks_blocked()
            framer.feed(await stream.receive_some())
            seen = []
            while (payload := framer.take()) is not None:
                said = decode(payload)
                seen += [said["seq"]] if said.get("topic") == "result" else []
            assert seen == [2, 3, 4]
            run.service.stop()
            await stream.aclose()
