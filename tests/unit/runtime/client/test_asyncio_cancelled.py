"""An asyncio client that is closed while data come: it ends, whatever comes at that moment."""

import asyncio

import pytest

from spikewire.runtime.client.asyncio_client import AsyncioClient
from spikewire.runtime.protocol.frames import encode


@pytest.mark.parametrize("turns", range(5))
def test_data_at_the_moment_of_closing_do_not_keep_a_client_reading(turns: int) -> None:
    async def program() -> bool:
        reader = asyncio.StreamReader()
        client = AsyncioClient(reader, None, 10)  # type: ignore[arg-type]
        client.hello = {"limits": {"heartbeat_s": 5}}
        task = asyncio.create_task(client._read())
        for _ in range(10):
            await asyncio.sleep(0)
        reader.feed_data(encode({"type": "beat"}))
        for _ in range(turns):  # of the loop, between the data and the end
            await asyncio.sleep(0)
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        ended = task.cancelled()
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        return ended

    assert asyncio.run(program())
