"""One connection to a service for all pages that show the same.

A page has a connection of its own for its token and its requests, so that leases end with it. What
is published comes once over the shared connection, and goes from there to each page through a
bounded queue of its own.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import trio

from spikewire.runtime.broker.broker import HISTORY_TOPICS, Broker
from spikewire.runtime.broker.subscriber_queue import SubscriberQueue
from spikewire.runtime.broker.topics import set_topics
from spikewire.runtime.errors import ProtocolError, ServiceError
from spikewire.runtime.net.address import ServiceAddress
from spikewire.runtime.protocol.frames import HEADER_BYTES, Framer, encode, frame
from spikewire.runtime.protocol.messages import (
    PROTOCOL,
    Subscribe,
    Unsubscribe,
    decode_message,
    matching,
)

log = logging.getLogger("spikewire.runtime")

_CHUNK = 256 * 1024
_FROM_SERVICE_BYTES = 4 * 1024 * 1024
_START_S = 5.0
_GATHER_MS = 20
# What a page of a slow browser may have waiting.
_MOST_MESSAGES, _MOST_BYTES = 1024, 4 * 1024 * 1024
# Always taken: new pages are sent what the service has kept of them. The others cost the service
# something to make, and are taken while a page shows them.
_ALWAYS = ("result", "stats", "decision")
# These follow the replies to a page's requests in their order, on its own connection: a page knows
# by that whether a lesson is still its own.
_OWN = frozenset({"status", "learning"})


class _Head(msgspec.Struct):
    """What tells where a message of the service goes."""

    type: str
    topic: str = ""
    seq: int | dict[str, int] = 0
    tick: int = 0
    to: str = ""
    topics: list[str] = []
    resume: dict[str, dict[str, Any]] = {}
    run: str = ""


_head = msgspec.msgpack.Decoder(_Head)


class SharedStream:
    """The shared connection of all pages with one token and one pipeline.

    Attributes
    ----------
    ended
        Set when it is lost; its pages then have to begin anew.
    """

    def __init__(self, hello: dict[str, Any]) -> None:
        self.ended = trio.Event()
        self.pages = 0
        self.scope = trio.CancelScope()
        self._hello = hello
        self._broker = Broker(_MOST_MESSAGES, _MOST_BYTES)
        self._run_id = ""
        self._begun = False
        self._tick = 0
        self._topics: list[str] = []
        self._taken: set[str] = set()
        self._awaited: dict[str, int] | None = None  # messages of the past that are on their way
        self._stream: trio.abc.Stream | None = None
        self._sending = trio.Lock()

    async def run(self, address: ServiceAddress, *, task_status: trio.TaskStatus[bool]) -> None:
        """Connect, and hand out what comes until it ends; started with whether it could begin."""
        with self.scope:
            try:
                self._stream = await address.open()
                async with self._stream:
                    await self._say(self._hello)
                    await self._listen(self._stream, task_status)
            except (ServiceError, ProtocolError, trio.BrokenResourceError) as error:
                # Its pages notice the same on their own connections, and tell of it.
                log.info("the pages' connection to the service ended: %s", error)
            except msgspec.MsgspecError as error:
                log.warning("the service sent the pages something unreadable: %s", error)
        self.ended.set()
        if not self._begun:
            task_status.started(False)

    async def _listen(self, stream: trio.abc.Stream, task_status: trio.TaskStatus[bool]) -> None:
        framer = Framer(_FROM_SERVICE_BYTES)
        while data := await stream.receive_some(_CHUNK):
            framer.feed(data)
            while (payload := framer.take()) is not None:
                await self._take(payload)
                if not self._begun and self._awaited is not None and not self._awaited:
                    self._begun = True
                    task_status.started(True)

    async def _take(self, payload: bytes) -> None:
        head = _head.decode(payload)
        self._tick = max(self._tick, head.tick)
        match head.type:
            case "hello":
                self._run_id, self._topics = head.run, head.topics
                await self._subscribe([name for name in _ALWAYS if name in head.topics])
            case "message" if head.topic in self._broker.seq and isinstance(head.seq, int):
                self._broker.hand_out(head.topic, head.seq, frame(payload))
                if self._awaited and head.topic in self._awaited:
                    self._awaited[head.topic] -= 1
                    if self._awaited[head.topic] <= 0:
                        del self._awaited[head.topic]
            case "reply" if head.to == "subscribe" and self._awaited is None:
                counts = {name: told.get("resumed", 0) for name, told in head.resume.items()}
                self._awaited = {name: count for name, count in counts.items() if count}
            case "goodbye" | "error":
                # The pages hear it from the service itself.
                self.scope.cancel()

    async def _say(self, message: dict[str, Any]) -> None:
        assert self._stream is not None
        async with self._sending:
            await self._stream.send_all(encode(message))

    async def _subscribe(self, topics: list[str]) -> None:
        """Take topics; what the service makes only while it is wanted has the policy latest."""
        kept = [name for name in topics if name in HISTORY_TOPICS]
        message: dict[str, Any] = {"type": "subscribe", "topics": topics, "every_ms": _GATHER_MS}
        if kept:
            message |= {"last_seq": dict.fromkeys(kept, 0), "run": self._run_id}
        else:
            message["policy"] = "latest"
        self._taken |= set(topics)
        await self._say(message)

    async def _follow(self) -> None:
        """Take what pages show now, and nothing that none shows."""
        extra = [name for name in self._topics if name not in _ALWAYS and name not in _OWN]
        wanted = [name for name in extra if self._broker.wanted(name)]
        if more := [name for name in wanted if name not in self._taken]:
            await self._subscribe(more)
        if less := [name for name in extra if name in self._taken and name not in wanted]:
            self._taken -= set(less)
            await self._say({"type": "unsubscribe", "topics": less})

    @asynccontextmanager
    async def page(self) -> AsyncIterator[SharedPage]:
        """Serve one page while the block runs."""
        queue = SubscriberQueue(_MOST_MESSAGES, _MOST_BYTES)
        self._broker.attach(queue)
        try:
            yield SharedPage(self, queue)
        finally:
            self._broker.detach(queue)
            if not self.ended.is_set():
                lost = suppress(trio.BrokenResourceError, trio.ClosedResourceError)
                with trio.CancelScope(shield=True), trio.move_on_after(1), lost:
                    await self._follow()

    async def set_topics(self, queue: SubscriberQueue, message: Subscribe | Unsubscribe) -> None:
        """Carry a page's request out, and queue the answer."""
        await queue.room()
        told, lines = set_topics(self._broker, queue, message, self._run_id)
        kind = type(message).__name__.lower()
        answer = {"type": "reply", "to": kind, "id": message.id, "ok": True, "tick": self._tick}
        await queue.answer(encode({**answer, **told}), lines)
        await self._follow()


class SharedPage:
    """A page at the shared connection."""

    def __init__(self, stream: SharedStream, queue: SubscriberQueue) -> None:
        self.stream = stream
        self._queue = queue

    async def ask(self, payload: bytes) -> bool:
        """Carry a subscription out; False if the payload is none, and meant for the service."""
        try:
            message = decode_message(payload)
        except ProtocolError:
            return False
        if not isinstance(message, Subscribe | Unsubscribe):
            return False
        topics = matching(message.topics)
        if not _OWN.isdisjoint(topics):
            # Together with those of its own connection all come over that one.
            for topic in topics:
                self._queue.unsubscribe(topic)
            return False
        await self.stream.set_topics(self._queue, message)
        return True

    async def receive(self, gather_s: float) -> bytes:
        """Wait for messages; payloads back to back."""
        await self._queue.ready()
        await trio.sleep(gather_s)
        found: list[bytes] = []
        while (framed := self._queue.pop()) is not None:
            found.append(framed[HEADER_BYTES:])
        return b"".join(found)


class FanOut:
    """The shared connections to one service.

    Parameters
    ----------
    address
        Address of the service.
    """

    def __init__(self, address: ServiceAddress) -> None:
        self._address = address
        self._streams: dict[tuple[str | None, str | None], SharedStream] = {}
        self._beginning = trio.Lock()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the connections, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    @asynccontextmanager
    async def page(
        self, token: str | None, pipeline: str | None
    ) -> AsyncIterator[SharedPage | None]:
        """Serve a page of that token and pipeline; None if no shared connection can be had."""
        stream = await self._stream(token, pipeline)
        if stream is None:
            yield None
            return
        stream.pages += 1
        try:
            async with stream.page() as page:
                yield page
        finally:
            stream.pages -= 1
            if not stream.pages:
                stream.scope.cancel()
                if self._streams.get((token, pipeline)) is stream:
                    del self._streams[token, pipeline]

    async def _stream(self, token: str | None, pipeline: str | None) -> SharedStream | None:
        if self._nursery is None:
            return None
        key = (token, pipeline)
        async with self._beginning:
            known = self._streams.get(key)
            if known is not None and not known.ended.is_set():
                return known
            hello = {"type": "hello", "protocol": PROTOCOL, "client": "dashboard pages"}
            hello |= {} if token is None else {"token": token}
            hello |= {} if pipeline is None else {"pipeline": pipeline}
            made = SharedStream(hello)
            begun = False
            with trio.move_on_after(_START_S):
                begun = await self._nursery.start(made.run, self._address)
            if not begun:
                return None
            self._streams[key] = made
            return made
