"""Health of a service: whether every pipeline is well, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from spikewire.runtime.pipeline.pipeline import Pipeline
from spikewire.runtime.server.admission import Admission
from spikewire.runtime.server.refusals import RefusalLog
from spikewire.runtime.settings.settings import Settings


class MonitoredService(Protocol):
    """The parts of a service that its metrics and its health describe."""

    @property
    def settings(self) -> Settings: ...
    @property
    def pipelines(self) -> Mapping[str, Pipeline]: ...
    @property
    def first(self) -> Pipeline: ...
    @property
    def connections(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def admission(self) -> Admission: ...
    @property
    def refusals(self) -> RefusalLog: ...
    @property
    def refused_handshakes(self) -> int: ...
    @property
    def refused_requests(self) -> int: ...


def faults(pipeline: Pipeline) -> list[str]:
    """Describe the faults of a pipeline, in words."""
    status = pipeline.stats_publisher.status()
    found = []
    if status["state"] != "running":
        found.append(f"the service is {status['state']}")
    if status["source"]["state"] == "failed":
        found.append(f"the source failed: {status['source']['error']}")
    if status["source"]["state"] == "stalled":
        found.append(f"the source has sent nothing for {pipeline.settings.stall_s:g} s or more")
    if pipeline.watchdog.network_stalled:
        found.append("the network does not come back from a batch")
    if status["checkpoint"]["error"]:
        found.append(str(status["checkpoint"]["error"]))
    if status["recording_error"]:
        found.append(str(status["recording_error"]))
    return found


def health(service: MonitoredService) -> tuple[bool, dict[str, Any]]:
    """Tell whether every pipeline of a service is well, and the faults of those that are not."""
    several = len(service.pipelines) > 1
    found = [
        f"{name}: {fault}" if several else fault
        for name, pipeline in service.pipelines.items()
        for fault in faults(pipeline)
    ]
    return not found, {"ok": not found, "faults": found, "tick": service.first.network_task.tick}
