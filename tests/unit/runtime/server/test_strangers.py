"""Peers that have not said hello: what they may hold, and how they make room."""

import logging
import tracemalloc

import pytest
import trio
import trio.testing

from spikewire.runtime import ProtocolError
from spikewire.runtime.protocol.frames import encode
from spikewire.runtime.server.refusals import RefusalLog
from tests.support.wire import HELLO, hear

CONTROL = "control-secret-0123456789"


async def test_frames_before_the_hello_are_short(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        for announced in (4097, 1024 * 1024):
            stream = run.connect()
            await stream.send_all(announced.to_bytes(4, "big"))
            told = await hear(stream)
            assert [one["code"] for one in told] == ["frame_too_large"]
            assert "at most 4096" in told[0]["message"]
        stream = run.connect()
        padded = encode({"type": "hello", "protocol": 1, "client": "x" * 128, "token": "y" * 256})
        await stream.send_all(padded + encode({"type": "teach", "label": "a", "id": "z" * 64}))
        await stream.send_eof()
        kinds = [one["type"] for one in await hear(stream)]
        assert kinds[:2] == ["hello", "reply"]


async def test_frames_after_the_hello_may_be_long(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run:
        stream = run.connect()
        await stream.send_all(HELLO + encode({"type": "teach", "label": "x" * 500_000}))
        assert (await hear(stream))[-1]["code"] == "invalid"


async def test_strangers_hold_little_memory(fakes, running, autojump_clock):
    async with running(fakes.Source(), strangers=300, hello_s=60) as run:
        body = bytes(1024 * 1024)
        tracemalloc.start()
        try:
            streams = [run.connect() for _ in range(250)]
            await trio.testing.wait_all_tasks_blocked()
            before = tracemalloc.get_traced_memory()[0]
            for stream in streams:
                await stream.send_all((4096).to_bytes(4, "big") + body[:4000])
            await trio.testing.wait_all_tasks_blocked()
            held = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert 250 * 4000 < held < 250 * 16_000
        assert run.service.connections == 250
        for stream in streams:
            await stream.aclose()


@pytest.mark.parametrize("token", [None, CONTROL])
async def test_strangers_cannot_lock_a_client_out(fakes, running, autojump_clock, token):
    settings = {"connections": 3, "strangers": 8, "control_token": token, "hello_s": 60}
    async with running(fakes.Source(), **settings) as run:
        silent = [run.connect() for _ in range(20)]
        await trio.testing.wait_all_tasks_blocked()
        assert run.service.connections == 8
        assert run.service.admission.dropped_strangers == 12
        async with run.client(token=token) as first, run.client(token=token) as second:
            for _ in range(20):
                silent.append(run.connect())
                await silent[-1].send_all(b"\0\0\1\0half a hello")
            assert (await first.status())["ok"]
            assert (await second.status())["ok"]
            async with run.client(token=token) as third:
                assert (await third.status())["ok"]
                with pytest.raises(ProtocolError, match="All 3 connections are in use"):
                    async with run.client(token=token):
                        pass
        assert run.service.first.stats_publisher._stats()["refused_strangers"] == 33
        # The oldest go first: the last to come is still there, and may say hello.
        await silent[-1].send_all(bytes(256 - len("half a hello")))
        assert (await hear(silent[-1]))[-1]["type"] == "error"
        with trio.fail_after(60):
            for stream in silent[:-8]:
                assert await hear(stream) == []


async def test_a_hello_with_a_wrong_token_takes_no_client_s_place(fakes, running, autojump_clock):
    async with running(fakes.Source(), connections=1, control_token=CONTROL) as run:
        liars = []
        for _ in range(5):
            liars.append(run.connect())
            await liars[-1].send_all(HELLO)
        async with run.client(token=CONTROL) as client:
            assert (await client.status())["ok"]
        for stream in liars:
            assert (await hear(stream))[-1]["code"] == "wrong_token"


async def test_a_crowd_of_strangers_has_less_time(fakes, running, autojump_clock):
    async with running(fakes.Source(), strangers=4, hello_s=10) as run:
        began = trio.current_time()
        for silent, expected_s in ((2, 10), (1, 2)):
            streams = [run.connect() for _ in range(silent)]
            await trio.testing.wait_all_tasks_blocked()
            if silent == 1:
                began = trio.current_time()
                (told,) = await hear(streams[0])
                assert told["code"] == "hello_late"
                assert trio.current_time() - began == pytest.approx(expected_s, abs=1)


async def test_a_hello_finds_its_place_taken_meanwhile(fakes, running, autojump_clock):
    async with running(fakes.Source(), connections=1) as run:
        late = run.connect()
        await trio.testing.wait_all_tasks_blocked()
        async with run.client():
            await late.send_all(HELLO)
            with trio.fail_after(60):
                assert (await hear(late))[-1]["code"] == "too_many_connections"
        assert run.service.refused == 1
        await trio.testing.wait_all_tasks_blocked()
        assert run.service.connections == 0


# -- the log -------------------------------------------------------------------------------------


async def test_refusals_are_logged_up_to_a_number_and_then_as_a_sum(
    fakes, running, autojump_clock, caplog
):
    settings = {"control_token": CONTROL, "refusals_logged": 3, "strangers": 2000}
    async with running(fakes.Source(), **settings) as run:
        for _ in range(1237):
            stream = run.connect()
            await stream.send_all(HELLO)
            await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        told = [record.getMessage() for record in caplog.records]
        assert [text.endswith("it brought no token") for text in told] == [True] * 3
        await trio.sleep(61)
        assert caplog.records[-1].getMessage() == "1,234 more refusals in the last 60 s"
        assert len(caplog.records) == 4
        stream = run.connect()
        await stream.send_all(HELLO)
        await trio.sleep(61)
        assert caplog.records[-1].getMessage().endswith("it brought no token")
    assert len(caplog.records) == 5


async def test_the_last_sum_is_told_at_the_end(caplog, autojump_clock):
    refusals = RefusalLog(logging.getLogger("spikewire.runtime"), lambda: 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(refusals.run)
        for _ in range(3):
            refusals.tell(logging.WARNING, "no")
            refusals.tell(logging.DEBUG, "not even counted")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [record.getMessage() for record in caplog.records] == [
        "no",
        "2 more refusals in the last 60 s",
    ]
