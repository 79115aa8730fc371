"""Two pages over HTTP: ``/metrics`` for Prometheus, ``/healthz`` for whatever keeps services alive.

Starlette answers, under Hypercorn's trio worker; both are the extra ``http``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import trio

from runtime._errors import ServiceError
from runtime._meter import LATENCY_BOUNDS_US

if TYPE_CHECKING:
    from runtime._service import Service


def health(service: Service) -> tuple[bool, dict[str, Any]]:
    """Whether a service is well, and why not: its source failed, or it is stopping."""
    status = service.reporter.status()
    faults = []
    if status["state"] != "running":
        faults.append(f"the service is {status['state']}")
    if status["source"]["state"] == "failed":
        faults.append(f"the source failed: {status['source']['error']}")
    if status["source"]["state"] == "stalled":
        faults.append(f"the source has sent nothing for {service.settings.stall_s:g} s or more")
    if service.watchdog.network_stalled:
        faults.append("the network does not come back from a batch")
    if status["checkpoint"]["error"]:
        faults.append(str(status["checkpoint"]["error"]))
    return not faults, {"ok": not faults, "faults": faults, "tick": status["tick"]}


class Collector:
    """Gives Prometheus a service's counters, as they stand when it asks."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Any]:
        """Yield metric families."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        service, inbox, broker = self._service, self._service.inbox, self._service.broker
        meter = service.owner.meter
        for name, told, value in (
            ("packets", "Packets taken from the source.", meter.packets),
            ("events", "Events computed.", meter.events),
            ("ticks", "Ticks computed.", meter.ticks),
            ("results", "Results published.", meter.results),
            ("updates", "Weight updates.", meter.updates),
            ("synaptic_operations", "Synaptic operations.", meter.synaptic_ops),
            ("compute_seconds", "Time in kernels.", meter.compute_ns / 1e9),
            ("dropped_messages", "Messages lost by slow subscribers.", broker.dropped),
            ("source_stalls", "Times the source was silent.", service.watchdog.source_stalls),
            ("network_stalls", "Batches that took too long.", service.watchdog.network_stalls),
            ("cut_off_subscribers", "Subscribers disconnected as too slow.", broker.cut_off),
        ):
            yield CounterMetricFamily(f"spikewire_{name}", told, value=value)
        yield _by(
            CounterMetricFamily("spikewire_dropped_events", "Events lost.", labels=["reason"]),
            inbox.drops.items(),
        )
        yield _by(
            CounterMetricFamily("spikewire_source", "The source's counters.", labels=["name"]),
            service.source.counters.items(),
        )
        yield _by(
            CounterMetricFamily("spikewire_refused", "Who was refused.", labels=["what"]),
            (
                ("connections", service.refused),
                ("tokens", service.refused_tokens),
                ("requests", service.refused_requests),
            ),
        )
        for name, told, gauge in (
            ("connections", "Open connections.", service.connections),
            ("subscribers", "Connections that have said hello.", broker.subscribers),
            ("queued_packets", "Packets waiting.", inbox.packets),
            ("queued_events", "Events waiting.", inbox.events),
            ("classes", "Classes known.", len(service.owner.classes)),
            ("learning", "Whether learning is on.", int(service.owner.learning)),
            ("up", "Whether the service is well.", int(health(service)[0])),
        ):
            yield GaugeMetricFamily(f"spikewire_{name}", told, value=gauge)
        total = 0
        buckets: list[tuple[str, float]] = []
        bounds = [*(str(bound / 1e6) for bound in LATENCY_BOUNDS_US), "+Inf"]
        for bound, count in zip(bounds, meter.latencies, strict=True):
            total += count
            buckets.append((bound, total))
        yield HistogramMetricFamily(
            "spikewire_latency_seconds",
            "From the arrival of a result's last packet to its publication.",
            buckets=buckets,
            sum_value=meter.latency_us / 1e6,
        )


def _by(family: Any, counts: Iterable[tuple[str, int]]) -> Any:
    for name, count in counts:
        family.add_metric([str(name)], int(count))
    return family


def make_app(service: Service) -> Any:
    """Make the ASGI application of a service's two pages.

    Raises
    ------
    ServiceError
        If the extra ``http`` is not installed.
    """
    try:
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route
    except ImportError:
        raise ServiceError(
            "The pages /metrics and /healthz need pip install 'spikewire[http]'."
        ) from None
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(service))

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(_: Request) -> Response:
        well, told = health(service)
        return JSONResponse(told, status_code=200 if well else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz)])


async def serve_http(
    service: Service,
    host: str,
    port: int,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a service's pages until cancelled; started with their address.

    Raises
    ------
    ServiceError
        The extra is not installed, or the port cannot be had.
    """
    app = make_app(service)
    from hypercorn.config import Config
    from hypercorn.trio import serve

    config = Config()
    config.bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    config.accesslog = None
    config.errorlog = logging.getLogger("spikewire.http")
    config.graceful_timeout = 0.5
    try:
        async with trio.open_nursery() as nursery:
            binds = await nursery.start(serve, app, config)
            task_status.started(str(binds[0]))
    except* OSError as group:
        error = group.exceptions[0]
        reason = getattr(error, "strerror", None) or str(error)
        raise ServiceError(f"Cannot listen on {host}, port {port}: {reason}.") from None
