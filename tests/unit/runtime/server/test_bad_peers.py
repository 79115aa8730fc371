"""Peers that break the protocol, or do not read, cost only themselves."""

from contextlib import suppress

import msgpack
import pytest
import trio
import trio.testing

from spikewire.runtime import ProtocolError
from spikewire.runtime.protocol.frames import Framer, encode
from tests.support.wire import HELLO, hear

BAD = {
    "hello_first": encode({"type": "status"}),
    "wrong_protocol": encode({"type": "hello", "protocol": 2}),
    "hello_twice": HELLO * 2,
    "empty_frame": HELLO + b"\0\0\0\0",
    "frame_too_large": HELLO + b"\xff\xff\xff\xff",
    "malformed": HELLO + b"\0\0\0\x01\xc1",
    "invalid": HELLO + encode({"type": "teach", "label": 7}),
    "frame_late": HELLO + b"\0\0\0\x05abc",
    "hello_late": b"\0\0",
}


@pytest.mark.parametrize("code", BAD)
async def test_a_bad_neighbour_costs_only_itself(fakes, running, autojump_clock, code):
    source = fakes.Source()
    async with running(source) as run, run.client() as good:
        await good.subscribe("result")
        stream = run.connect()
        await stream.send_all(BAD[code])
        told = await hear(stream)
        assert told[-1]["type"] == "error"
        assert told[-1]["code"] == code
        assert len(told[-1]["message"]) > 10
        await trio.testing.wait_all_tasks_blocked()
        assert run.service.connections == 1
        source.push(fakes.packet([0, 20_000]))
        assert (await anext(good.results()))["tick"] == 0


async def test_an_end_inside_a_message_is_named(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        stream = run.connect()
        await stream.send_all(HELLO + b"\0\0\0\x05abc")
        await stream.send_eof()
        assert (await hear(stream))[-1]["code"] == "truncated"


async def test_deep_nesting_is_refused(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        stream = run.connect()
        body = b"\x82\xa4type\xa5teach\xa5label" + b"\x91" * 200_000
        await stream.send_all(HELLO + len(body).to_bytes(4, "big") + body)
        assert (await hear(stream))[-1]["code"] in ("malformed", "invalid")


async def test_many_bad_messages_leave_nothing_behind(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        for n in range(200):
            stream = run.connect()
            junk = msgpack.packb({"type": "teach", "label": n, "x": [[]] * n})[: n + 1]
            await stream.send_all(HELLO + len(junk).to_bytes(4, "big") + junk)
            assert (await hear(stream))[-1]["type"] == "error"
        await trio.testing.wait_all_tasks_blocked()
        assert run.service.connections == 0
        assert run.service.first.broker.subscribers == 0


async def test_connections_are_limited(fakes, running, autojump_clock):
    async with running(fakes.Source(), connections=2) as run:
        async with run.client(), run.client():
            with pytest.raises(ProtocolError, match="All 2 connections are in use"):
                async with run.client():
                    pass
            assert run.service.refused == 1
        await trio.testing.wait_all_tasks_blocked()
        async with run.client():
            pass


async def test_who_never_reads_holds_up_nobody(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source, subscriber_messages=5) as run, run.client() as good:
        await good.subscribe("result")
        ours, theirs = trio.testing.lockstep_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run.service.converse, theirs)
            await ours.send_all(HELLO)
            await ours.send_all(encode({"type": "subscribe", "topics": ["result"]}))
            framer = Framer(10**6)
            heard = 0
            while heard < 2:  # the hello and the reply; then it reads no more
                framer.feed(await ours.receive_some())
                while framer.take() is not None:
                    heard += 1
            await trio.testing.wait_all_tasks_blocked()
            results = good.results()
            for n in range(30):
                source.push(fakes.packet([n * 10_000, n * 10_000 + 1], (n + 1) * 10_000))
                assert (await anext(results))["seq"] == n + 1
            # One is stuck on its way, five wait.
            assert run.service.first.broker.dropped == 24
            run.service.stop()
            told = await hear(ours, framer)
    gap = next(m for m in told if m["type"] == "gap")
    seen = [m["seq"] for m in told if m["type"] == "message"]
    assert sorted([*seen, *range(gap["first"], gap["last"] + 1)]) == list(
        range(1, run.service.first.broker.seq["result"] + 1)
    )
    assert told[-1]["type"] == "goodbye"


async def test_a_flood_beyond_the_limit_is_cut_short(fakes, running, autojump_clock):
    async with running(fakes.Source(), connections=1) as run, run.client() as client:
        peers = [run.connect() for _ in range(100)]
        await trio.testing.wait_all_tasks_blocked()
        told = [await hear(peer) for peer in peers]
        assert run.service.refused == 100
        assert sum(bool(one) for one in told) == 64
        assert (await client.status())["ok"]


@pytest.mark.parametrize(
    ("topics", "more", "says"),
    [
        (["nothing"], {}, "topics holds 'nothing'"),
        (["x*"], {}, "there are result, stats, status"),
        (["result"], {"last_seq": {"result": 1}}, "last_seq needs run"),
        (["result"], {"last_seq": {"other": 1}, "run": "x"}, "topics holds 'other'"),
    ],
)
async def test_topics_that_do_not_exist_are_an_error(topics, more, says, fakes, running):
    async with running(fakes.Source()) as run, run.client() as client:
        with pytest.raises(ProtocolError, match=says):
            await client.request("subscribe", topics=topics, **more)
        run.service.stop()


async def test_a_peer_that_drips_a_message_has_no_more_time(fakes, running, autojump_clock):
    async with running(fakes.Source(), frame_s=10) as run:
        stream = run.connect()
        await stream.send_all(HELLO + (1000).to_bytes(4, "big"))
        began = trio.current_time()
        with trio.move_on_after(100), suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x")
                await trio.sleep(3)
        assert 10 <= trio.current_time() - began <= 20
        assert (await hear(stream))[-1]["code"] == "frame_late"
