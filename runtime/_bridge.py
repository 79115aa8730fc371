"""From a running service to a broker: every message in order, and every loss told.

A follower of the service on one side, a confirmed publisher on the other, a bounded queue between.
Either side may go away and come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec
import trio

from runtime._bridge_outbox import BridgeOutbox, Entry, Gap, Kept
from runtime._errors import ServiceError
from runtime._following import Following
from sensors import BrokerError, check_subject, subject_name

BATCH_MESSAGES = 256
BATCH_BYTES = 512 * 1024
IDLE_S = 1.0
"""After this long with nothing to publish a round trip asks whether the broker is still there."""

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0
_HEADER_ROOM = 1024  # NATS counts headers as payload; ours take up to 400 bytes

Published = tuple[str, bytes, Mapping[str, str] | None]
Follow = Callable[[], AbstractAsyncContextManager[Following]]
Tell = Callable[[Mapping[str, Any]], None]


class Link(Protocol):
    """The broker's side: :class:`sensors.NatsLink`, or anything of the same shape."""

    max_payload: int

    async def connect(self) -> None: ...
    async def publish(self, batch: Sequence[Published], *, stored: bool = False) -> None: ...
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """How a bridge works.

    Attributes
    ----------
    prefix
        Subjects are ``prefix.topic``; None: made by :func:`default_prefix` from the hello.
    host
        This machine's name, for that.
    encoding
        Of payloads.
    most_messages, most_bytes
        Bounds of what waits while the broker is away.
    stored
        Wait for JetStream to have stored each message.
    flush_s
        At the end, time for what still waits.
    """

    prefix: str | None = None
    host: str = "host"
    encoding: Literal["msgpack", "json"] = "msgpack"
    most_messages: int = 100_000
    most_bytes: int = 64 * 1024 * 1024
    stored: bool = False
    flush_s: float = 5.0


def default_prefix(host: str, hello: Mapping[str, Any]) -> str:
    """``spikewire.HOST.PIPELINE``, or the source's name where the service has no name for it."""
    name = hello.get("pipeline") or hello.get("source") or "service"
    return f"spikewire.{subject_name(host.partition('.')[0])}.{subject_name(str(name))}"


class Bridge:
    """Publishes what a service says.

    Parameters
    ----------
    follow
        Follows topics of the service, with notices: :func:`runtime.follow`, and its arguments.
    link
        Connects to the broker.
    options
        How.
    tell
        Called with each change of state (``type`` ``state``) and each gap once it is published.

    Attributes
    ----------
    counters
        ``received`` and ``published`` messages; ``gaps`` published; ``lost``: messages that gave
        way here; ``lost_by_service``: on the way here; ``too_large`` for the broker (counted in
        ``lost`` too); ``unsent``: not confirmed at the end;
        ``resent``: published again because nothing confirmed them; ``nats_lost`` and
        ``service_lost``: outages.
    """

    def __init__(
        self, follow: Follow, link: Link, options: BridgeOptions, tell: Tell = lambda _: None
    ) -> None:
        self._follow = follow
        self._link = link
        self._options = options
        self._tell = tell
        self._prefix = options.prefix
        self._outbox = BridgeOutbox(options.most_messages, options.most_bytes)
        self._run = ""
        encoder = msgspec.msgpack if options.encoding == "msgpack" else msgspec.json
        self._encode: Callable[[Any], bytes] = encoder.encode
        self._listening = trio.CancelScope()
        self._flushing = trio.CancelScope()
        self.counters: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Messages held that the broker has not confirmed."""
        return self._outbox.messages

    def stop(self) -> None:
        """Listen no more, publish what waits, and end."""
        self._listening.cancel()
        self._flushing.deadline = trio.current_time() + self._options.flush_s

    async def run(self) -> None:
        """Work until :meth:`stop`, or until the follower ends.

        Both sides must be there at the start; later outages are waited out.

        Raises
        ------
        BrokerError, ServiceError
            One of them is not there at the start, or refuses.
        """
        fault: ServiceError | None = None
        try:
            await self._link.connect()
            self._say("nats", "connected")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._publish)
                with self._listening:
                    try:
                        await self._listen()
                    except ServiceError as error:
                        # What came before is still published.
                        fault = error
                self.stop()
                self._outbox.end()
        finally:
            await self._link.aclose()
            self.counters["lost"] += self._outbox.lost
            self.counters["unsent"] = self._outbox.messages
        if fault is not None:
            raise fault

    # -- the service's side ----------------------------------------------------------------------

    async def _listen(self) -> None:
        async with self._follow() as stream:
            if self._prefix is None:
                self._prefix = check_subject(default_prefix(self._options.host, stream.hello))
            self._meet(stream.hello)
            async for message in stream:
                self._take(message)

    def _meet(self, hello: Mapping[str, Any]) -> None:
        self._run = str(hello["run"])
        self._say("service", "connected", run=self._run, prefix=self._prefix)

    def _take(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "message":
                self._offer(message)
            case "gap":
                first, last, count = message["first"], message["last"], message["count"]
                self._lose(Gap(message["topic"], self._run, first, last, count, "service"))
            case "back":
                self._meet(message["hello"])
            case "lost":
                self.counters["service_lost"] += 1
                self._say("service", "lost", reason=message["reason"])

    def _offer(self, message: Mapping[str, Any]) -> None:
        self.counters["received"] += 1
        kept = Kept(message["topic"], self._run, message["seq"], self._encode(message))
        if len(kept.payload) + _HEADER_ROOM > self._link.max_payload:
            self.counters["too_large"] += 1
            self._lose(Gap(kept.topic, kept.run, kept.seq, kept.seq, 1, "bridge"))
            return
        self._outbox.offer(kept)

    def _lose(self, gap: Gap) -> None:
        self.counters["lost_by_service" if gap.by == "service" else "lost"] += gap.count
        self._outbox.announce(gap)

    # -- the broker's side -----------------------------------------------------------------------

    async def _publish(self) -> None:
        with self._flushing:
            most = max(1, min(BATCH_MESSAGES, self._options.most_messages // 2))
            while (batch := await self._outbox.take(most, BATCH_BYTES, IDLE_S)) is not None:
                try:
                    await self._link.publish(
                        [self._outgoing(entry) for entry in batch], stored=self._options.stored
                    )
                except BrokerError as error:
                    if error.refused and not self.counters["published"]:
                        raise
                    self.counters["resent"] += sum(isinstance(entry, Kept) for entry in batch)
                    self._outbox.put_back()
                    await self._reconnect(str(error))
                    continue
                self._outbox.confirmed()
                for entry in batch:
                    self._count(entry)

    def _count(self, entry: Entry) -> None:
        if isinstance(entry, Kept):
            self.counters["published"] += 1
            return
        self.counters["gaps"] += 1
        self._tell(_gap_map(entry))

    async def _reconnect(self, reason: str) -> None:
        self.counters["nats_lost"] += 1
        pause = FIRST_PAUSE_S
        told = ""
        while True:
            if reason != told:
                self._say("nats", "lost", reason=reason)
                told = reason
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            try:
                await self._link.connect()
            except BrokerError as error:
                reason = str(error)
                continue
            self._say("nats", "connected", waiting=self.waiting, lost=self._outbox.lost)
            return

    def _outgoing(self, entry: Entry) -> Published:
        if isinstance(entry, Kept):
            topic, number = entry.topic, f"{entry.topic}:{entry.seq}"
            subject = ".".join(subject_name(part) for part in topic.split("."))
            payload, more = entry.payload, {"Spikewire-Seq": str(entry.seq)}
        else:
            subject, payload, more = "gap", self._encode(_gap_map(entry)), {}
            number = f"gap:{entry.topic}:{entry.first}-{entry.last}"
        headers = {"Spikewire-Run": entry.run, "Nats-Msg-Id": f"{entry.run}:{number}", **more}
        return f"{self._prefix}.{subject}", payload, headers

    def _say(self, side: str, state: str, **more: Any) -> None:
        self._tell({"type": "state", "side": side, "state": state, **more})


def _gap_map(gap: Gap) -> dict[str, Any]:
    return {
        "type": "gap", "topic": gap.topic, "run": gap.run, "first": gap.first, "last": gap.last,
        "count": gap.count, "lost_by": gap.by,
    }  # fmt: skip
