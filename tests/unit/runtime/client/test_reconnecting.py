"""Topics followed across lost connections: on a mock clock, over streams that a test cuts."""

import itertools
import random
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from spikewire.runtime import (
    ConnectionLost,
    ProtocolError,
    ReconnectingClient,
    RequestRefused,
    Retry,
    converse,
)
from spikewire.runtime.client.options import split_options
from spikewire.runtime.client.reconnecting import keeping_up
from spikewire.runtime.client.resume import TopicPositions
from spikewire.runtime.protocol.frames import Framer, decode, encode


class Line:
    """The way to a service: it can be cut, and moved to another service or to none."""

    def __init__(self, running=None):
        self.running = running
        self.streams = []
        self.tried = []

    @asynccontextmanager
    async def __call__(self):
        self.tried.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.running is None:
            raise ConnectionLost("Nobody is there.")
        stream = self.running.connect()
        self.streams.append(stream)
        async with converse(stream) as client:
            yield client

    def cut(self):
        stream = self.streams[-1]
        stream.receive_stream.close()
        stream.send_stream.close()


@asynccontextmanager
async def follow(line, *topics, policy="drop_oldest", last_seq=None, run=None, **options):
    positions = TopicPositions(last_seq, run)
    positions.want(topics, policy)
    retry = options.pop("retry", Retry(chance=random.Random(1)))
    chosen, loss = split_options(options)
    client = ReconnectingClient(line, positions, retry=retry, loss=loss, buffer=chosen.buffer)
    async with keeping_up(client):
        yield client


def packets(fakes, first, count):
    """Events that make ``count`` results, of ticks 10 * first and on."""
    start = first * 10_000
    return fakes.packet(range(start, start + count * 10_000, 1000), start + count * 10_000 - 1)


async def take(stream, count):
    with trio.fail_after(1000):
        return [await anext(stream) for _ in range(count)]


def numbers(messages):
    return [message["seq"] for message in messages]


async def test_nothing_is_lost_and_nothing_comes_twice(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as service:
        line = Line(service)
        async with follow(line, "result", notices=True) as stream:
            source.push(packets(fakes, 0, 5))
            assert numbers(await take(stream, 5)) == [1, 2, 3, 4, 5]
            line.cut()
            source.push(packets(fakes, 5, 5))
            lost, back, *rest = await take(stream, 7)
            assert lost["type"] == "lost"
            assert "connection broke" in lost["reason"]
            assert (back["type"], back["new_run"], back["attempts"]) == ("back", False, 1)
            assert back["hello"] == stream.hello
            assert 0.1 <= back["away_s"] <= 0.2
            assert numbers(rest) == [6, 7, 8, 9, 10]
            assert stream.last_seq == {"result": 10}
    assert len(line.streams) == 2


async def test_what_came_before_the_first_message_counts_too(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as service:
        line = Line(service)
        source.push(packets(fakes, 0, 3))
        async with follow(line, "result", "status") as stream:
            await trio.sleep(1)
            first = await anext(stream)
            assert first["topic"] == "status"
            line.cut()
            source.push(packets(fakes, 3, 2))
            # The status is kept for newcomers: it has not changed, and does not come again.
            assert numbers(await take(stream, 2)) == [4, 5]
            with trio.move_on_after(3):
                pytest.fail(str(await anext(stream)))


async def test_what_is_not_kept_any_more_is_a_gap(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source, history_messages=3) as service:
        line = Line(service)
        async with follow(line, "result") as stream:
            source.push(packets(fakes, 0, 2))
            await take(stream, 2)
            line.cut()
            source.push(packets(fakes, 2, 8))
            gap, *rest = await take(stream, 4)
    assert gap == {"type": "gap", "topic": "result", "first": 3, "last": 7, "count": 5}
    assert numbers(rest) == [8, 9, 10]


async def test_in_another_run_the_numbers_begin_anew(fakes, running, autojump_clock):
    source, other = fakes.Source(), fakes.Source()
    async with running(source) as service, running(other, history_messages=2) as second:
        line = Line(service)
        async with follow(line, "result", notices=True) as stream:
            source.push(packets(fakes, 0, 4))
            await take(stream, 4)
            line.running = second
            other.push(packets(fakes, 0, 3))
            await trio.sleep(1)
            line.cut()
            lost, back, gap, *rest = await take(stream, 5)
            assert (lost["type"], back["type"], back["new_run"]) == ("lost", "back", True)
            assert gap == {"type": "gap", "topic": "result", "first": 1, "last": 1, "count": 1}
            assert numbers(rest) == [2, 3]
            assert stream.run == second.service.first.run_id
            # And once more, in the run that is new no more.
            line.cut()
            other.push(packets(fakes, 3, 1))
            assert [m["type"] for m in await take(stream, 3)] == ["lost", "back", "message"]
            assert stream.last_seq == {"result": 4}


async def test_a_program_goes_on_where_another_ended(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as service:
        source.push(packets(fakes, 0, 6))
        await trio.sleep(1)
        known = {"last_seq": {"result": 2}, "run": service.service.first.run_id}
        async with follow(Line(service), "result", **known) as stream:
            assert numbers(await take(stream, 4)) == [3, 4, 5, 6]


async def test_a_goodbye_is_the_end(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as service, follow(Line(service), "result") as stream:
        source.push(packets(fakes, 0, 2))
        source.finish()
        assert numbers([message async for message in stream]) == [1, 2, 3]
        assert stream.goodbye["reason"] == "source ended"
        with pytest.raises(ConnectionLost, match="has said goodbye"):
            await stream.teach("a")


async def test_or_the_service_is_expected_back(fakes, running, autojump_clock):
    source, other = fakes.Source(), fakes.Source()
    line = Line()
    async with running(source) as service:
        line.running = service
        async with (
            running(other) as second,
            follow(line, "result", after_goodbye="wait", notices=True) as stream,
        ):
            line.running = None
            source.finish()
            (lost,) = await take(stream, 1)
            assert lost["goodbye"]["reason"] == "source ended"
            await trio.sleep(100)
            line.running = second
            (back,) = await take(stream, 1)
            assert back["new_run"]
            assert back["attempts"] == len(line.tried) - 1
            other.push(packets(fakes, 0, 1))
            assert numbers(await take(stream, 1)) == [1]


async def test_pauses_grow_and_attempts_are_bounded(fakes, running, autojump_clock):
    async with running(fakes.Source()) as service:
        line = Line(service)
        retry = Retry(first_s=1, factor=2, most_s=5, attempts=6, chance=random.Random(3))
        async with follow(line, "result", retry=retry) as stream:
            line.running = None
            began = trio.current_time()
            line.cut()
            with pytest.raises(ConnectionLost, match=r"after 6 attempts.*Nobody is there"):
                await anext(stream)
            # Whoever asks again hears the same.
            with pytest.raises(ConnectionLost, match="Given up"):
                await stream.status()
    times = [began, *line.tried[1:]]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    drawn = random.Random(3)
    expected = [most * drawn.uniform(0.5, 1) for most in (1, 2, 4, 5, 5, 5)]
    assert pauses == pytest.approx(expected, abs=1e-3)


async def test_nobody_at_the_start(fakes, running, autojump_clock):
    line = Line()
    with pytest.raises(ConnectionLost, match="Nobody is there"):
        async with follow(line, "result"):
            pass
    assert len(line.tried) == 1
    async with running(fakes.Source()) as service, trio.open_nursery() as nursery:

        async def come():
            await trio.sleep(60)
            line.running = service

        nursery.start_soon(come)
        async with follow(line, "result", retry=Retry(at_start=True), notices=True) as stream:
            assert trio.current_time() >= 60
            assert stream.hello["run"] == service.service.first.run_id
            with trio.move_on_after(5):
                pytest.fail(str(await anext(stream)))


async def test_a_wrong_token_is_not_tried_again(fakes, running, autojump_clock):
    async with (
        running(fakes.Source()) as service,
        running(fakes.Source(), control_token="a secret of the second one") as second,
    ):
        line = Line(service)
        async with follow(line, "result") as stream:
            line.running = second
            line.cut()
            with pytest.raises(ProtocolError) as caught:
                await anext(stream)
            assert caught.value.code == "wrong_token"
        assert len(line.tried) == 2
        line = Line(second)
        with pytest.raises(ProtocolError, match="wants a token"):
            async with follow(line, "result", retry=Retry(at_start=True)):
                pass
        assert len(line.tried) == 1


class Scripted:
    """Services that say what they are told: one list of messages for each connection."""

    def __init__(self, nursery, *scripts):
        self.nursery, self.scripts, self.heard = nursery, list(scripts), []

    def connect(self):
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self._play, theirs, self.scripts.pop(0))
        return ours

    async def _play(self, stream, script):
        framer = Framer(1 << 20)
        heard = []
        self.heard.append(heard)
        async with stream:
            for wanted, *answers in script:
                while not any(said["type"] == wanted for said in heard):
                    if not (data := await stream.receive_some()):
                        return
                    framer.feed(data)
                    while (payload := framer.take()) is not None:
                        heard.append(decode(payload))
                for answer in answers:
                    await stream.send_all(encode(answer))


HELLO = {"type": "hello", "protocol": 1, "run": "r", "topics": ["result"]}


def subscribed(number=1, **more):
    seq = {"result": 0}
    return {"type": "reply", "to": "subscribe", "id": number, "ok": True, "seq": seq, **more}


async def test_another_protocol_and_what_is_not_understood_end_it(autojump_clock):
    for code in ("wrong_protocol", "invalid", "unheard_of"):
        fault = {"type": "error", "code": code, "message": "No."}
        async with trio.open_nursery() as nursery:
            line = Line(Scripted(nursery, [("hello", HELLO), ("subscribe", subscribed(), fault)]))
            async with follow(line, "result") as stream:
                with pytest.raises(ProtocolError, match="No"):
                    await anext(stream)
    assert len(line.tried) == 1


async def test_a_full_service_is_tried_again(autojump_clock):
    full = {"type": "error", "code": "too_many_connections", "message": "Full."}
    news = {"type": "message", "topic": "result", "seq": 1}
    async with trio.open_nursery() as nursery:
        scripts = [
            [("hello", HELLO), ("subscribe", subscribed())],
            [("hello", full)],
            [("hello", HELLO), ("subscribe", subscribed(resume={"result": {"resumed": 1}}), news)],
        ]
        line = Line(Scripted(nursery, *scripts))
        async with follow(line, "result") as stream:
            assert await take(stream, 1) == [news]
    asked = line.running.heard[2][1]
    assert (asked["last_seq"], asked["run"]) == ({"result": 0}, "r")


async def test_a_control_request_is_sent_once(autojump_clock):
    async with trio.open_nursery() as nursery:
        scripts = [
            [("hello", HELLO), ("subscribe", subscribed()), ("teach",)],
            [("hello", HELLO), ("subscribe", subscribed()), ("status", subscribed(2))],
        ]
        line = Line(Scripted(nursery, *scripts))
        async with follow(line, "result") as stream:
            with pytest.raises(ConnectionLost, match="may have been done, and is not asked again"):
                await stream.teach("wave")
            assert not stream.connected
            with pytest.raises(ConnectionLost, match="away: learn was not asked"):
                await stream.request("learn", away="fail", on=True)
            # This one waits for the connection, and is sent then.
            assert (await stream.status())["ok"]
    said = [[message["type"] for message in heard] for heard in line.running.heard]
    assert said == [["hello", "subscribe", "teach"], ["hello", "subscribe", "status"]]


async def test_a_refusal_is_an_answer(fakes, running, autojump_clock):
    async with running(fakes.Source()) as service, follow(Line(service)) as stream:
        with pytest.raises(RequestRefused, match="no checkpoint folder"):
            await stream.checkpoint()
        assert (await stream.teach("wave"))["ok"]


async def test_requests_in_the_loop_wait_while_the_service_is_away(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as service:
        line = Line(service)
        async with follow(line, "result") as stream:
            source.push(packets(fakes, 0, 2))
            seen = []
            async for message in stream:
                seen.append(message["seq"])
                if len(seen) == 4:
                    break
                line.cut()
                await trio.testing.wait_all_tasks_blocked()
                assert (await stream.status())["ok"]
                source.push(packets(fakes, 2 * len(seen), 1))
    assert seen == [1, 2, 3, 4]
    assert service.service.first.broker.seq["result"] >= 4


async def test_who_takes_nothing_is_told_what_was_lost(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as service:
        line = Line(service)
        async with follow(line, "result", buffer=3, notices=True) as stream:
            source.push(packets(fakes, 0, 10))
            await trio.sleep(1)
            line.cut()
            await trio.sleep(1)
            gap, message, lost, back = await take(stream, 4)
            assert stream.missed == 9
            assert gap == {"type": "gap", "topic": "result", "first": 1, "last": 9, "count": 9}
            assert message["seq"] == 10
            assert (lost["type"], back["type"]) == ("lost", "back")


async def test_silence_is_a_loss(fakes, running, autojump_clock):
    hello = {**HELLO, "limits": {"heartbeat_s": 2}}
    async with trio.open_nursery() as nursery:
        scripts = [
            [("hello", hello), ("subscribe", subscribed()), ("never",)],
            [("hello", hello), ("subscribe", subscribed()), ("never",)],
        ]
        line = Line(Scripted(nursery, *scripts))
        async with follow(line, "result", notices=True) as stream:
            lost, back = await take(stream, 2)
    assert "silent for 7 s" in lost["reason"]
    assert back["type"] == "back"


async def test_a_service_that_never_greets_is_given_up(autojump_clock):
    async with trio.open_nursery() as nursery:
        line = Line(Scripted(nursery, [("never",)]))
        with pytest.raises(ConnectionLost, match="No hello from the service within 10 s"):
            async with follow(line, "result"):
                pass


async def test_a_pipeline_is_named_in_the_hello_if_one_is_wanted():
    for chosen in ({}, {"pipeline": "left"}):
        async with trio.open_nursery() as nursery:
            service = Scripted(nursery, [("hello", HELLO), ("never",)])
            async with converse(service.connect(), **chosen):
                pass
        (hello,) = service.heard[0]
        assert hello.get("pipeline", "none") == chosen.get("pipeline", "none")


@pytest.mark.parametrize("seed", range(8))
async def test_each_number_is_delivered_once_or_told_as_lost(fakes, running, autojump_clock, seed):
    """Whatever is cut when, and however little is kept: all numbers are accounted for, in order."""
    draw = random.Random(seed)
    source = fakes.Source()
    async with running(
        source, history_messages=draw.choice((0, 1, 3, 30)), subscriber_messages=draw.choice((1, 5))
    ) as service:
        line = Line(service)
        async with follow(line, "result", buffer=draw.choice((1, 4, 100))) as stream:
            due, pushed = 1, 0
            for _ in range(40):
                count = draw.randint(1, 5)
                source.push(packets(fakes, pushed, count))
                pushed += count
                if draw.random() < 0.4:
                    line.cut()
                await trio.sleep(draw.choice((0, 0.05, 1)))
                with trio.move_on_after(draw.choice((0.01, 1))):
                    while due <= pushed:
                        due = follows(await anext(stream), due)
            # A last one shows what was lost before it.
            await trio.sleep(30)
            source.push(packets(fakes, pushed, 1))
            with trio.fail_after(100):
                while due <= pushed + 1:
                    due = follows(await anext(stream), due)


def follows(message, due):
    """Check that a message is the one that is due, or that a gap begins there; what is due next."""
    if message["type"] == "gap":
        assert message["first"] == due <= message["last"]
        assert message["count"] == message["last"] - message["first"] + 1
        return message["last"] + 1
    assert message["seq"] == due
    return due + 1
