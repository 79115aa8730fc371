"""The broker's side of a bridge: confirmed publishing, outages waited out, losses told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec
import trio

from spikewire._retry import Retry
from spikewire.runtime.bridge.publish_queue import Entry, Gap, PublishQueue, QueuedMessage
from spikewire.runtime.errors import ServiceError
from spikewire.sensors import BrokerError, SensorError, subject_name

BATCH_MESSAGES = 256
BATCH_BYTES = 512 * 1024
IDLE_S = 1.0
"""After this long with nothing to publish a round trip asks whether the broker is still there."""

RETRY = Retry(first_s=0.25, most_s=10.0)
HEADER_ROOM = 1024  # NATS counts headers as payload; ours take up to 400 bytes

Published = tuple[str, bytes, Mapping[str, str] | None]
Tell = Callable[[Mapping[str, Any]], None]


class Link(Protocol):
    """The broker's side: :class:`sensors.NatsLink`, or anything of the same shape."""

    max_payload: int

    async def connect(self) -> None: ...
    async def publish(self, batch: Sequence[Published], *, stored: bool = False) -> None: ...
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """Options of a bridge.

    Attributes
    ----------
    prefix
        Subjects are ``prefix.topic``; None: made by :func:`default_prefix` from the hello.
    host
        This machine's name, for that.
    encoding
        Of payloads.
    most_messages, most_bytes
        Bounds of the queue while the broker is away.
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


class BrokerBridge(ABC):
    """Publishes what :meth:`_listen` offers.

    Attributes
    ----------
    counters
        ``published`` messages; ``gaps`` published; ``lost``: messages that gave way here;
        ``unsent``: not confirmed at the end; ``resent``: published again because nothing confirmed
        them; ``nats_lost``: outages.
    """

    def __init__(self, link: Link, options: BridgeOptions, tell: Tell) -> None:
        self._link = link
        self._options = options
        self._tell = tell
        self._prefix = options.prefix
        self._queue = PublishQueue(options.most_messages, options.most_bytes)
        encoder = msgspec.msgpack if options.encoding == "msgpack" else msgspec.json
        self._encode: Callable[[Any], bytes] = encoder.encode
        self._listening = trio.CancelScope()
        self._flushing = trio.CancelScope()
        self.counters: Counter[str] = Counter()

    @abstractmethod
    async def _listen(self) -> None:
        """Offer messages until nothing more comes; cancelled by :meth:`stop`."""

    @property
    def waiting(self) -> int:
        """Messages held that the broker has not confirmed."""
        return self._queue.messages

    def stop(self) -> None:
        """Listen no more, publish what waits, and end."""
        self._listening.cancel()
        self._flushing.deadline = trio.current_time() + self._options.flush_s

    async def run(self) -> None:
        """Work until :meth:`stop`, or until nothing more comes and all is published.

        Both sides must be there at the start; later outages are waited out.

        Raises
        ------
        BrokerError, ServiceError, SensorError
            One of them is not there at the start, or refuses.
        """
        fault: ServiceError | SensorError | None = None
        try:
            await self._link.connect()
            self._report_state("nats", "connected")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._publish)
                with self._listening:
                    try:
                        await self._listen()
                    except (ServiceError, SensorError) as error:
                        # What came before is still published.
                        fault = error
                self._queue.end()
        finally:
            await self._link.aclose()
            self.counters["lost"] += self._queue.lost
            self.counters["unsent"] = self._queue.messages
        if fault is not None:
            raise fault

    # -- the broker's side -----------------------------------------------------------------------

    async def _publish(self) -> None:
        with self._flushing:
            most = max(1, min(BATCH_MESSAGES, self._options.most_messages // 2))
            while (batch := await self._queue.take(most, BATCH_BYTES, IDLE_S)) is not None:
                try:
                    await self._link.publish(
                        [self._outgoing(entry) for entry in batch], stored=self._options.stored
                    )
                except BrokerError as error:
                    if error.refused and not self.counters["published"]:
                        raise
                    self.counters["resent"] += sum(
                        isinstance(entry, QueuedMessage) for entry in batch
                    )
                    self._queue.put_back()
                    await self._reconnect(str(error))
                    continue
                self._queue.confirmed()
                for entry in batch:
                    self._count(entry)

    def _count(self, entry: Entry) -> None:
        if isinstance(entry, QueuedMessage):
            self.counters["published"] += 1
            return
        self.counters["gaps"] += 1
        self._tell(_gap_map(entry))

    async def _reconnect(self, reason: str) -> None:
        self.counters["nats_lost"] += 1
        reported = ""
        for pause in RETRY.pauses():
            if reason != reported:
                self._report_state("nats", "lost", reason=reason)
                reported = reason
            await trio.sleep(pause)
            try:
                await self._link.connect()
            except SensorError as error:
                # A certificate's file may be missing for a while, too.
                reason = str(error)
                continue
            self._report_state("nats", "connected", waiting=self.waiting, lost=self._queue.lost)
            return

    def _outgoing(self, entry: Entry) -> Published:
        if isinstance(entry, QueuedMessage):
            topic, number = entry.topic, f"{entry.topic}:{entry.seq}"
            subject = ".".join(subject_name(part) for part in topic.split("."))
            payload, more = entry.payload, {"Spikewire-Seq": str(entry.seq), **entry.headers}
        else:
            subject, payload, more = "gap", self._encode(_gap_map(entry)), {}
            number = f"gap:{entry.topic}:{entry.first}-{entry.last}"
        headers = {"Spikewire-Run": entry.run, "Nats-Msg-Id": f"{entry.run}:{number}", **more}
        return f"{self._prefix}.{subject}", payload, headers

    def _report_state(self, side: str, state: str, **more: Any) -> None:
        self._tell({"type": "state", "side": side, "state": state, **more})


def _gap_map(gap: Gap) -> dict[str, Any]:
    return {
        "type": "gap", "topic": gap.topic, "run": gap.run, "first": gap.first, "last": gap.last,
        "count": gap.count, "lost_by": gap.by,
    }  # fmt: skip
