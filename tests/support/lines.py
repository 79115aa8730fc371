"""Ways to a service that a test cuts, and services that follow a script."""

import random
from contextlib import asynccontextmanager

import trio
import trio.testing

from spikewire.runtime import (
    ConnectionLost,
    ReconnectingClient,
    Retry,
    converse,
)
from spikewire.runtime.client.options import split_options
from spikewire.runtime.client.reconnecting import keeping_up
from spikewire.runtime.client.resume import TopicPositions
from spikewire.runtime.protocol.frames import Framer, decode, encode
from tests.support.wire import SERVICE_HELLO


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


HELLO = SERVICE_HELLO


def subscribed(number=1, **more):
    seq = {"result": 0}
    return {"type": "reply", "to": "subscribe", "id": number, "ok": True, "seq": seq, **more}
