"""Topics followed across lost connections: on a mock clock, over streams that a test cuts."""

import random

import pytest
import trio
import trio.testing

from spikewire.runtime import (
    ConnectionLost,
    RequestRefused,
)
from tests.support.lines import Line, follow, numbers, packets, take


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
