"""Notices when a live source sends nothing any more, or the network does not come back."""

from __future__ import annotations

import logging
import math
from typing import Protocol

import trio

from spikewire.runtime.interfaces import SourceLike
from spikewire.runtime.pipeline.input_queue import InputQueue
from spikewire.runtime.pipeline.network_task import NetworkTask
from spikewire.runtime.settings.settings import Settings

log = logging.getLogger("spikewire.runtime")


class WatchedPipeline(Protocol):
    """The parts of a pipeline that a watchdog looks at."""

    source_state: str

    @property
    def settings(self) -> Settings: ...
    @property
    def source(self) -> SourceLike: ...
    @property
    def input_queue(self) -> InputQueue: ...
    @property
    def network_task(self) -> NetworkTask: ...
    def publish_status(self) -> None: ...


class Watchdog:
    """Looks a few times per ``stall_s`` whether anything moves; says so once when it does not.

    Attributes
    ----------
    network_stalled
        Whether a batch has been computing for longer than ``stall_s``.
    source_stalls, network_stalls
        How often either was found.
    """

    def __init__(self, pipeline: WatchedPipeline) -> None:
        self._pipeline = pipeline
        self.network_stalled = False
        self.source_stalls = self.network_stalls = 0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            limit = self._pipeline.settings.stall_s
            await trio.sleep(limit / 4 if limit else 1.0)
            if limit:
                self._look_at_source(limit)
                self._look_at_network(limit)

    def _look_at_source(self, limit: float) -> None:
        pipeline = self._pipeline
        quiet = trio.current_time() - pipeline.input_queue.last_put
        if pipeline.source_state == "running" and pipeline.source.live and quiet > limit:
            self.source_stalls += 1
            pipeline.source_state = "stalled"
            log.warning("the source %s has sent nothing for %.1f s", pipeline.source.name, quiet)
            pipeline.publish_status()
        elif pipeline.source_state == "stalled" and quiet <= limit:
            pipeline.source_state = "running"
            log.warning("the source %s sends again", pipeline.source.name)
            pipeline.publish_status()

    def _look_at_network(self, limit: float) -> None:
        busy = trio.current_time() - self._pipeline.network_task.busy_since
        stalled = busy > limit and not math.isinf(busy)
        if stalled and not self.network_stalled:
            self.network_stalls += 1
            log.warning("the network has been computing one batch for %.1f s", busy)
        self.network_stalled = stalled
