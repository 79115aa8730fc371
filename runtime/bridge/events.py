"""From a source to a broker: its events as SPIF words, for networks on other machines."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from spikewire.runtime.bridge.base import HEADER_ROOM, BridgeOptions, BrokerBridge, Link, Tell
from spikewire.runtime.bridge.messages import default_prefix
from spikewire.runtime.bridge.publish_queue import QueuedMessage
from spikewire.sensors import check_subject, encode_spif

if TYPE_CHECKING:
    from spikewire.sensors import Packet, Source

TOPIC = "spif"
MOST_EVENTS = 4096
"""In one message, where the server takes that much: 32 KiB; its default is 1 MiB."""

_EVENT_BYTES = 8


class EventBridge(BrokerBridge):
    """Publishes a source's events.

    A live source is never waited for: its events while the broker is away wait up to the
    bounds, and the oldest give way. Any other source waits for room.

    Parameters
    ----------
    source
        Where events come from.
    link, options, tell
        As for :class:`Bridge`.

    Attributes
    ----------
    counters
        Beside those of :class:`BrokerBridge`: ``events`` taken from the source, of which
        ``lost_events`` gave way.
    """

    def __init__(
        self, source: Source, link: Link, options: BridgeOptions, tell: Tell = lambda _: None
    ) -> None:
        super().__init__(link, options, tell)
        self._source = source
        self._run = secrets.token_hex(8)
        self._seq = 0

    async def _listen(self) -> None:
        if self._prefix is None:
            hello = {"source": self._source.name}
            self._prefix = check_subject(default_prefix(self._options.host, hello))
        self._report_state("source", "connected", run=self._run, prefix=self._prefix)
        try:
            await self._source.run(self._take)
        finally:
            self.counters["lost_events"] = self._queue.lost_bytes // _EVENT_BYTES

    async def _take(self, packet: Packet) -> None:
        headers = {
            "Spikewire-Size": f"{packet.size[0]}x{packet.size[1]}",
            "Spikewire-Segment": str(packet.segment),
        }
        room = max(1, (self._link.max_payload - HEADER_ROOM) // _EVENT_BYTES)
        most = min(MOST_EVENTS, room)
        for start in range(0, len(packet.events), most):
            events = packet.events[start : start + most]
            payload = encode_spif(events)
            if not self._source.live:
                await self._queue.room(len(payload))
            self._seq += 1
            self.counters["events"] += len(events)
            self._queue.offer(QueuedMessage(TOPIC, self._run, self._seq, payload, headers))
