"""Attempts to reconnect: when, how often, and after which errors none."""

import itertools
import random

import pytest
import trio
import trio.testing

from spikewire.runtime import (
    ConnectionLost,
    ProtocolError,
    Retry,
    converse,
)
from tests.support.lines import HELLO, Line, Scripted, follow, subscribed, take
from tests.support.wire import RESULT, STATUS


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
    news = {**RESULT, "seq": 1}
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
    status = {**subscribed(2), "tick": 10, "status": STATUS}
    async with trio.open_nursery() as nursery:
        scripts = [
            [("hello", HELLO), ("subscribe", subscribed()), ("teach",)],
            [
                ("hello", HELLO),
                ("subscribe", subscribed()),
                ("status", status),
            ],
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
