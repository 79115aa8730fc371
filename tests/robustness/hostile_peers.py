"""Makes the connections that ``hostile_kinds`` describes, and judges the answers."""

from __future__ import annotations

import socket
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Literal

import msgpack
import trio

from tests.robustness import hostile_kinds
from tests.robustness.hostile_kinds import Attempt
from tests.support.patience import patience

PATIENCE_S = patience(20)
GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


async def _open(way: str | int) -> trio.SocketStream:
    if isinstance(way, str):
        return await trio.open_unix_socket(way)
    stream = await trio.open_tcp_stream("127.0.0.1", way)
    assert isinstance(stream, trio.SocketStream)
    return stream


async def _messages(stream: trio.abc.Stream) -> AsyncIterator[dict[str, Any]]:
    buffer = bytearray()
    while data := await stream.receive_some(65536):
        buffer += data
        while len(buffer) >= 4 and len(buffer) >= (end := 4 + int.from_bytes(buffer[:4], "big")):
            yield msgpack.unpackb(bytes(buffer[4:end]))
            del buffer[:end]
    if buffer:
        raise AssertionError(f"{len(buffer)} bytes of an unfinished message came")


async def _send(stream: trio.abc.Stream, attempt: Attempt) -> None:
    # The service may have closed before all is sent; what it says is what counts.
    with suppress(*GONE):
        for number, piece in enumerate(attempt.pieces):
            if number and attempt.pause_s:
                await trio.sleep(attempt.pause_s)
            await stream.send_all(piece)
        if attempt.end == "half":
            assert isinstance(stream, trio.abc.HalfCloseableStream)
            await stream.send_eof()
        elif attempt.end != "read" and attempt.pause_s:
            await trio.sleep(attempt.pause_s)


async def attack(
    way: str | int, attempt: Attempt, tls: ssl.SSLContext | Literal["not"] | None = None
) -> str:
    """Make one attempt; returns what is wrong with the answer, or nothing.

    Parameters
    ----------
    way
        A port of the loopback, or the path of a Unix socket.
    tls
        Speak TLS; ``"not"``: do not, where the service does.
    """
    bare = await _open(way)
    stream: trio.abc.Stream = bare
    if isinstance(tls, ssl.SSLContext):
        stream = trio.SSLStream(bare, tls, server_hostname="127.0.0.1", https_compatible=True)
    try:
        if attempt.codes is None:
            await _send(stream, attempt)
            if attempt.end == "reset":
                bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return ""
        with trio.move_on_after(PATIENCE_S) as scope:
            if tls == "not":
                return await _see_it_end(stream, attempt)
            return await _judge(stream, attempt)
        assert scope.cancelled_caught
        return f"not closed within {PATIENCE_S:g} s"
    finally:
        await trio.aclose_forcefully(stream)


async def _see_it_end(stream: trio.abc.Stream, attempt: Attempt) -> str:
    """Send what is no TLS, and read whatever comes until the service has closed."""
    await _send(stream, attempt)
    with suppress(*GONE):
        while await stream.receive_some(65536):
            pass
    return ""


async def _judge(stream: trio.abc.Stream, attempt: Attempt) -> str:
    assert attempt.codes is not None
    code, replies, ids = "", 0, []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_send, stream, attempt)
        try:
            async for message in _messages(stream):
                if code:
                    return f"{message['type']} after the error {code}"
                if message["type"] == "error":
                    code = message["code"]
                    if not 10 <= len(message["message"]) <= 1000:
                        return f"a message of {len(message['message'])} characters"
                elif message["type"] == "reply":
                    replies += 1
                    ids.append(message["id"])
        except trio.BrokenResourceError:
            return f"reset, after {code or 'nothing'}"
        nursery.cancel_scope.cancel()
    if code not in attempt.codes:
        return f"{code or 'no error'} instead of {' or '.join(sorted(attempt.codes)) or 'none'}"
    if replies != attempt.replies:
        return f"{replies} replies instead of {attempt.replies}"
    if replies > 3 and ids != list(range(replies)):
        return "replies out of order"
    return ""


async def assault(
    ways: Sequence[str | int],
    first: int,
    count: int,
    seed: int,
    crowd: int,
    per_s: float,
    tls: ssl.SSLContext | None = None,
) -> dict[str, Any]:
    """Make ``count`` attempts from number ``first``, at most ``crowd`` at a time.

    With ``tls`` every second one speaks TLS where it can, and the others do not.

    Returns
    -------
    dict
        ``kinds`` (attempts by kind), ``wrong`` (up to 20 sentences) and ``wrongs`` (how many).
    """
    kinds: Counter[str] = Counter()
    wrong: list[str] = []
    wrongs = 0
    places = trio.Semaphore(crowd)

    async def one(number: int) -> None:
        nonlocal wrongs
        name, attempt = hostile_kinds.draw(seed, number)
        try:
            how = None if tls is None else tls if number % 2 else "not"
            if how is tls and tls is not None and attempt.end == "half":
                how = "not"  # TLS has no half-closed connections
            fault = await attack(ways[number % len(ways)], attempt, how)
        except OSError as error:
            fault = f"cannot connect: {error}"
        finally:
            places.release()
        kinds[name] += 1
        if fault:
            wrongs += 1
            if len(wrong) < 20:
                wrong.append(f"{name} {seed}/{number}: {fault}")

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(first, first + count):
            await trio.sleep_until(began + (number - first) / per_s)
            await places.acquire()
            nursery.start_soon(one, number)
    return {"kinds": dict(sorted(kinds.items())), "wrong": wrong, "wrongs": wrongs}
