"""Messages between browser and service, and the ends of both connections."""

from __future__ import annotations

from contextlib import suppress

import msgpack
import pytest
import trio
from wsproto.events import (
    CloseConnection,
)

from spikewire.runtime import frame
from tests.support.patience import patience
from tests.support.wire import SERVICE_HELLO
from tests.unit.apps.dashboard.browser import OPEN, echo, opened, serving


async def test_messages_go_both_ways_unread() -> None:
    async with serving(echo) as url:
        browser = await opened(url)
        for payload in (
            msgpack.packb(SERVICE_HELLO),
            b"\xc1 no msgpack at all",
            b"x",
            bytes(60_000),
        ):
            await browser.say(payload)
            assert await browser.message() == payload


async def test_what_comes_at_once_goes_on_at_once() -> None:
    payloads = [msgpack.packb(SERVICE_HELLO), *(msgpack.packb({"n": n}) for n in range(100))]

    async def talk(stream: trio.SocketStream) -> None:
        await stream.send_all(b"".join(map(frame, payloads)))

    async with serving(talk) as url:
        browser = await opened(url)
        assert await browser.message() == b"".join(payloads)
        ended = await browser.hear()
        assert isinstance(ended, CloseConnection)
        assert ended.code == 1000


async def test_a_service_that_is_not_there_is_told() -> None:
    async with serving() as url:
        browser = await opened(url)
        told = msgpack.unpackb(await browser.message())
        assert told["type"] == "unreachable"
        assert told["message"] == "Cannot reach a service at 127.0.0.1:1: Connection refused."
        ended = await browser.hear()
        assert ended.code == 1013


async def test_a_service_that_speaks_something_else_is_told() -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(talk) as url:
        told = msgpack.unpackb(await (await opened(url)).message())
        assert (told["type"], told["code"]) == ("error", "frame_too_large")


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        ({**SERVICE_HELLO, "protocol": 2}, "speaks protocol 2; this client speaks protocol 1"),
        ({"type": "hello", "protocol": 1}, "required field"),
        ({"type": "beat"}, "did not begin with a hello"),
        ([1], "not a msgpack map"),
    ],
)
async def test_a_strange_service_is_told(greeting: object, says: str) -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.send_all(frame(msgpack.packb(greeting)))

    async with serving(talk) as url:
        told = msgpack.unpackb(await (await opened(url)).message())
        assert told["type"] == "error"
        assert says in told["message"]


async def test_a_browser_that_says_too_much_is_cut_off() -> None:
    async with serving(echo) as url:
        browser = await opened(url)
        await browser.say(bytes(100_000))
        ended = await browser.hear()
        assert isinstance(ended, CloseConnection)
        assert ended.code == 1009


async def test_a_page_that_vanishes_takes_its_connection_along() -> None:
    heard = bytearray()
    over = trio.Event()

    async def talk(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                heard.extend(data)
        over.set()

    async with serving(talk) as url:
        browser = await opened(url)
        await browser.say(b"teach")
        # Texts are none of the protocol's messages: nothing comes of them.
        await browser.say(b"teach nothing".hex())
        await browser.say("")
        await browser.say(b"beat")
        await browser.stream.aclose()
        await over.wait()
        assert heard == frame(b"teach") + frame(b"beat")


@pytest.mark.slow
async def test_a_browser_that_does_not_read_stops_the_service_being_read() -> None:
    sent = 0

    async def talk(stream: trio.SocketStream) -> None:
        nonlocal sent
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(frame(bytes(100_000)))
                sent += 100_004

    async with serving(talk) as url:
        await opened(url)  # and never reads
        before = -1
        while sent != before:
            before = sent
            await trio.sleep(0.2)
        assert sent < 32_000_000  # the kernel's own buffers, and no more
        stubborn = OPEN.pop()
        began = trio.current_time()
    # The server's last words are a matter of a second, whoever listens.
    assert trio.current_time() - began < patience(3)
    await trio.aclose_forcefully(stubborn)
