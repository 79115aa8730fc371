"""Notices when a live source sends nothing any more, or the network does not come back."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from runtime._service import Service

log = logging.getLogger("spikewire.runtime")


class Watchdog:
    """Looks a few times per ``stall_s`` whether anything moves; says so once when it does not.

    Attributes
    ----------
    network_stalled
        Whether a batch has been computing for longer than ``stall_s``.
    source_stalls, network_stalls
        How often either was found.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.network_stalled = False
        self.source_stalls = self.network_stalls = 0

    async def run(self) -> None:
        """Watch until cancelled."""
        limit = self._service.settings.stall_s
        if not limit:
            return
        while True:
            await trio.sleep(limit / 4)
            self._look_at_source(limit)
            self._look_at_network(limit)

    def _look_at_source(self, limit: float) -> None:
        service = self._service
        quiet = trio.current_time() - service.inbox.last_put
        if service.source_state == "running" and service.source.live and quiet > limit:
            self.source_stalls += 1
            service.source_state = "stalled"
            log.warning("the source %s has sent nothing for %.1f s", service.source.name, quiet)
            service.publish_status()
        elif service.source_state == "stalled" and quiet <= limit:
            service.source_state = "running"
            log.warning("the source %s sends again", service.source.name)
            service.publish_status()

    def _look_at_network(self, limit: float) -> None:
        busy = trio.current_time() - self._service.owner.busy_since
        stalled = busy > limit and not math.isinf(busy)
        if stalled and not self.network_stalled:
            self.network_stalls += 1
            log.warning("the network has been computing one batch for %.1f s", busy)
        self.network_stalled = stalled
