"""One connection for all pages that show the same: with the past, in order, and bounded."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import msgpack
import msgspec
import trio

from spikewire.runtime import FanOut
from spikewire.runtime.errors import ConnectionLost

SECRET = "0123456789abcdef"


class Address:
    """Leads to a service in the same process."""

    def __init__(self, run: Any) -> None:
        self.run, self.opened, self.down = run, 0, False

    async def open(self) -> trio.abc.Stream:
        if self.down:
            raise ConnectionLost("nobody is there")
        self.opened += 1
        return self.run.connect()


@asynccontextmanager
async def fanning(run: Any):
    address = Address(run)
    fan_out = FanOut(address)
    async with trio.open_nursery() as nursery:
        await nursery.start(fan_out.run)
        yield fan_out, address
        nursery.cancel_scope.cancel()


async def ask(page: Any, **message: Any) -> None:
    assert await page.ask(msgspec.msgpack.encode(message))


async def hear(page: Any, seconds: float = 1.0) -> list[dict[str, Any]]:
    """All that comes in that time."""
    messages: list[dict[str, Any]] = []
    with trio.move_on_after(seconds):
        while True:
            payloads = await page.receive(0.04)
            unpacker = msgpack.Unpacker()
            unpacker.feed(payloads)
            messages += unpacker
    return messages


def of(messages, topic):
    return [one for one in messages if one["type"] == "message" and one["topic"] == topic]


async def test_pages_share_a_connection_and_each_hears_the_past(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, fanning(run) as (fan_out, address):
        source.push(fakes.packet(range(0, 50_000, 500)))
        await trio.sleep(1)
        told = run.service.first.broker
        async with fan_out.page(None, None) as one, fan_out.page(None, None) as other:
            assert (address.opened, run.service.connections) == (1, 1)
            for page, asked in ((one, 1), (other, 2)):
                await ask(
                    page, type="subscribe", id=asked, topics=["result", "decision"],
                    last_seq={"result": 0}, run=run.service.first.run_id,
                )  # fmt: skip
                messages = await hear(page)
                reply = messages[0]
                assert (reply["to"], reply["id"], reply["ok"]) == ("subscribe", asked, True)
                assert reply["topics"] == ["result", "decision"]
                past = of(messages, "result")
                assert reply["resume"]["result"]["resumed"] == len(past) == told.seq["result"] > 3
                assert len(of(messages, "decision")) <= 1
            source.push(fakes.packet(range(50_000, 90_000, 500)))
            await trio.sleep(1)
            new = [of(await hear(page), "result") for page in (one, other)]
            assert new[0] == new[1]
            assert new[0][0]["seq"] == len(past) + 1
        await trio.sleep(1)
        assert run.service.connections == 0


async def test_what_no_page_shows_is_not_made(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, fanning(run) as (fan_out, _):
        wanted = run.service.first.broker.wanted
        async with fan_out.page(None, None) as one:
            async with fan_out.page(None, None) as other:
                assert not wanted("picture")
                for page in (one, other):
                    await ask(page, type="subscribe", topics=["picture", "spikes"], policy="latest")
                await trio.sleep(1)
                assert wanted("picture")
                await ask(one, type="unsubscribe", topics=["picture", "spikes"])
                await trio.sleep(1)
                assert wanted("picture")
            await trio.sleep(1)
            assert not wanted("picture")
            assert wanted("result")


async def test_a_page_that_reads_nothing_holds_nobody_up(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, fanning(run) as (fan_out, _):  # noqa: SIM117
        async with fan_out.page(None, None) as slow, fan_out.page(None, None) as quick:
            for page in (slow, quick):
                await ask(page, type="subscribe", topics=["result"], policy="drop_oldest")
            heard = []
            for start in range(0, 15_000_000, 1_000_000):
                source.push(fakes.packet(range(start, start + 1_000_000, 1000)))
                heard += of(await hear(quick, 0.5), "result")
            assert [one["seq"] for one in heard] == list(range(1, len(heard) + 1))
            assert len(heard) > 1100
            late = await hear(slow)
            (gap,) = [one for one in late if one["type"] == "gap"]
            assert gap["count"] == len(heard) - 1024
            assert len(of(late, "result")) == 1024


async def test_tokens_are_not_shared(fakes, running, autojump_clock):
    async with running(fakes.Source(), control_token=SECRET) as run:  # noqa: SIM117
        async with fanning(run) as (fan_out, address):
            async with fan_out.page(SECRET, None) as page:
                assert page is not None
                async with fan_out.page(None, None) as other:
                    assert other is None
                async with fan_out.page("wrong" + SECRET, None) as other:
                    assert other is None
                assert address.opened == 3


async def test_without_a_shared_connection_a_page_uses_its_own(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, fanning(run) as (fan_out, address):
        address.down = True
        async with fan_out.page(None, None) as page:
            assert page is None
        address.down = False
        async with fan_out.page(None, None) as page:
            assert page is not None


async def test_what_is_no_subscription_is_the_services(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, fanning(run) as (fan_out, _):  # noqa: SIM117
        async with fan_out.page(None, None) as page:
            for message in (
                {"type": "teach", "label": "a"},
                {"type": "subscribe", "topics": ["x"]},
            ):
                assert not await page.ask(msgspec.msgpack.encode(message))
            assert not await page.ask(b"\xc1")


async def test_what_follows_a_pages_replies_stays_on_its_own_connection(
    fakes, running, autojump_clock
):
    async with running(fakes.Source()) as run, fanning(run) as (fan_out, _):  # noqa: SIM117
        async with fan_out.page(None, None) as page:
            await ask(page, type="subscribe", topics=["picture"])
            await trio.sleep(1)
            assert run.service.first.broker.wanted("picture")
            for topics in (["learning"], ["status", "picture"], ["*"]):
                message = {"type": "subscribe", "topics": topics}
                assert not await page.ask(msgspec.msgpack.encode(message))
            # Not twice: it is the page's own connection that brings it now.
            assert not page._queue.takes("picture")


async def test_pages_notice_when_the_connection_is_lost(fakes, running, autojump_clock):
    async with running(fakes.Source()) as run, fanning(run) as (fan_out, _):  # noqa: SIM117
        async with fan_out.page(None, None) as page:
            run.service.stop()
            with trio.fail_after(10):
                await page.stream.ended.wait()
