"""From a running service to a broker: every message in order, and every loss told.

A follower of the service on one side, a confirmed publisher on the other, a bounded queue between.
Either side may go away and come back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from spikewire.runtime.bridge.base import HEADER_ROOM, BridgeOptions, BrokerBridge, Link, Tell
from spikewire.runtime.bridge.publish_queue import Gap, QueuedMessage
from spikewire.runtime.client.reconnecting import ReconnectingClient
from spikewire.sensors import check_subject, subject_name

Follow = Callable[[], AbstractAsyncContextManager[ReconnectingClient]]


def default_prefix(host: str, hello: Mapping[str, Any]) -> str:
    """``spikewire.HOST.SOURCE``, or the pipeline's name where the service has several."""
    several = len(hello.get("pipelines", ())) > 1
    name = hello.get("pipeline" if several else "source") or "unnamed"
    return f"spikewire.{subject_name(host.partition('.')[0])}.{subject_name(str(name))}"


class Bridge(BrokerBridge):
    """Publisher of a service's messages.

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
        Beside those of :class:`BrokerBridge`: ``received`` messages; ``lost_by_service``: on the
        way here; ``too_large`` for the broker (counted in ``lost`` too); ``service_lost``: outages.
    """

    def __init__(
        self, follow: Follow, link: Link, options: BridgeOptions, tell: Tell = lambda _: None
    ) -> None:
        super().__init__(link, options, tell)
        self._follow = follow
        self._run = ""

    async def _listen(self) -> None:
        async with self._follow() as stream:
            if self._prefix is None:
                self._prefix = check_subject(default_prefix(self._options.host, stream.hello))
            self._meet(stream.hello)
            async for message in stream:
                self._take(message)

    def _meet(self, hello: Mapping[str, Any]) -> None:
        self._run = str(hello["run"])
        self._report_state("service", "connected", run=self._run, prefix=self._prefix)

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
                self._report_state("service", "lost", reason=message["reason"])

    def _offer(self, message: Mapping[str, Any]) -> None:
        self.counters["received"] += 1
        queued = QueuedMessage(message["topic"], self._run, message["seq"], self._encode(message))
        if len(queued.payload) + HEADER_ROOM > self._link.max_payload:
            self.counters["too_large"] += 1
            self._lose(Gap(queued.topic, queued.run, queued.seq, queued.seq, 1, "bridge"))
            return
        self._queue.offer(queued)

    def _lose(self, gap: Gap) -> None:
        self.counters["lost_by_service" if gap.by == "service" else "lost"] += gap.count
        self._queue.announce(gap)
