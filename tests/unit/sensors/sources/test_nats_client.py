"""A NATS server that announces what nobody could hold is cut off with a sentence."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from spikewire.sensors.sources.nats.address import BrokerError, nats_server
from spikewire.sensors.sources.nats.client import MOST_BYTES, NatsConnection
from tests.support.patience import patience


@asynccontextmanager
async def serving(said: bytes, max_payload: int) -> AsyncIterator[int]:
    """A server that says this after a subscription; its port."""
    info = {"server_id": "x", "version": "2", "max_payload": max_payload, "headers": True}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        with suppress(ConnectionError):
            while line := await reader.readline():
                if line.startswith(b"PING"):
                    writer.write(b"PONG\r\n")
                if line.startswith(b"SUB"):
                    writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)


async def talk(said: bytes, max_payload: int) -> list[bytes]:
    taken: list[bytes] = []
    async with serving(said, max_payload) as port:
        connection = NatsConnection(nats_server(f"nats://127.0.0.1:{port}"))
        await connection.open(f"nats://127.0.0.1:{port}")
        try:
            await connection.subscribe("s", lambda message: taken.append(message.data))
            if not taken:
                await asyncio.wait_for(connection.wait_lost(), patience(20))
        finally:
            await connection.close()
    return taken


@pytest.mark.parametrize(
    ("said", "max_payload", "told"),
    [
        (b"MSG s 1 99999999999\r\nabc", 1024, "announced a message of 99999999999 bytes"),
        (b"MSG s 1 99999999999\r\nabc", 2**40, "announced a message of 99999999999 bytes"),
        (b"HMSG s 1 12 2000000\r\n", 1024, "announced a message of 2000000 bytes"),
        (b"MSG s 1 %d\r\n" % (MOST_BYTES + 2**20), 2**31, "announced a message"),
        (b"MSG " + b"x" * 1_200_000, 1024, "sent a line of more than 1048576 bytes"),
    ],
)
def test_an_absurd_announcement_is_cut_off(said: bytes, max_payload: int, told: str) -> None:
    with pytest.raises(BrokerError, match=told):
        asyncio.run(talk(said, max_payload))


def test_a_message_within_the_limit_is_taken() -> None:
    said = b"MSG s 1 1000\r\n" + bytes(1000) + b"\r\n"
    assert asyncio.run(talk(said, 1024)) == [bytes(1000)]
