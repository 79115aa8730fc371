"""Two pages over HTTP: ``/metrics`` for Prometheus, ``/healthz`` for whatever keeps services alive.

Starlette answers, under Hypercorn's trio worker; both are the extra ``http``.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import trio

from spikewire._hosts import host_allowed, own_names
from spikewire.runtime.errors import ServiceError
from spikewire.runtime.net.asgi_server import AsgiServer, address_of
from spikewire.runtime.pipeline.counters import LATENCY_BOUNDS_US
from spikewire.runtime.pipeline.pipeline import Pipeline
from spikewire.runtime.server.health import MonitoredService, faults, health

log = logging.getLogger("spikewire.runtime")

PATIENCE_S = 5
"""Seconds that a peer has to send a whole request, and to read an answer."""

_OTHER_NAME = "This server has another name.\n"


class Collector:
    """Gives Prometheus a service's counters, as they stand when it asks."""

    def __init__(self, service: MonitoredService) -> None:
        self._service = service

    def collect(self) -> Iterator[Any]:
        """Yield metric families; those of a pipeline have its name as a label."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        service, pipelines = self._service, self._service.pipelines

        def by_pipeline(kind: Any, name: str, text: str, value: Callable[[Pipeline], float]) -> Any:
            family = kind(f"spikewire_{name}", text, labels=["pipeline"])
            for label, pipeline in pipelines.items():
                family.add_metric([label], value(pipeline))
            return family

        def by_name(
            name: str, text: str, label: str, counts: Callable[[Pipeline], Mapping[str, int]]
        ) -> Any:
            family = CounterMetricFamily(f"spikewire_{name}", text, labels=["pipeline", label])
            for pipeline_name, pipeline in pipelines.items():
                for key, count in counts(pipeline).items():
                    family.add_metric([pipeline_name, str(key)], int(count))
            return family

        for name, text, value in _COUNTERS:
            yield by_pipeline(CounterMetricFamily, name, text, value)
        for name, text, value in _GAUGES:
            yield by_pipeline(GaugeMetricFamily, name, text, value)
        yield by_name("dropped_events", "Events lost.", "reason", lambda p: p.input_queue.drops)
        yield by_name("source", "The source's counters.", "name", lambda p: p.source.counters)
        refused = CounterMetricFamily(
            "spikewire_refused", "Refused peers and requests, by reason.", labels=["what"]
        )
        for reason, count in (
            ("connections", service.refused),
            ("handshakes", service.refused_handshakes),
            ("strangers", service.admission.dropped_strangers),
            ("tokens", service.admission.refused_tokens),
            ("requests", service.refused_requests),
        ):
            refused.add_metric([reason], count)
        yield refused
        for name, text, gauge in (
            ("connections", "Open connections.", service.connections),
            ("up", "Whether the service is well.", int(health(service)[0])),
        ):
            yield GaugeMetricFamily(f"spikewire_{name}", text, value=gauge)
        family = HistogramMetricFamily(
            "spikewire_latency_seconds",
            "From the arrival of a result's last packet to its publication.",
            labels=["pipeline"],
        )
        for label, pipeline in pipelines.items():
            counters = pipeline.network_task.counters
            bounds = [*(str(bound / 1e6) for bound in LATENCY_BOUNDS_US), "+Inf"]
            totals = itertools.accumulate(counters.latencies)
            buckets = list(zip(bounds, totals, strict=True))
            family.add_metric([label], buckets, sum_value=counters.latency_us / 1e6)
        yield family


_COUNTERS: tuple[tuple[str, str, Callable[[Pipeline], float]], ...] = (
    ("packets", "Packets taken from the source.", lambda p: p.network_task.counters.packets),
    ("events", "Events computed.", lambda p: p.network_task.counters.events),
    ("ticks", "Ticks computed.", lambda p: p.network_task.counters.ticks),
    ("results", "Results published.", lambda p: p.network_task.counters.results),
    ("updates", "Weight updates.", lambda p: p.network_task.counters.updates),
    ("time_jumps", "Jumps of event time.", lambda p: p.network_task.counters.time_jumps),
    ("synaptic_operations", "Synaptic operations.", lambda p: p.network_task.counters.synaptic_ops),
    ("compute_seconds", "Time in kernels.", lambda p: p.network_task.counters.compute_ns / 1e9),
    ("lessons", "Lessons.", lambda p: p.network_task.teaching.lessons.count),
    ("dropped_messages", "Messages lost by slow subscribers.", lambda p: p.broker.dropped),
    ("cut_off_subscribers", "Subscribers cut off as too slow.", lambda p: p.broker.cut_off),
    ("source_stalls", "Times the source was silent.", lambda p: p.watchdog.source_stalls),
    ("network_stalls", "Batches that took too long.", lambda p: p.watchdog.network_stalls),
    (
        "checkpoint_failures",
        "Checkpoints that could not be written.",
        lambda p: p.checkpoints.failures,
    ),
    (
        "recording_failures",
        "Recordings that ended by themselves.",
        lambda p: p.network_task.recordings.failures,
    ),
)
_GAUGES: tuple[tuple[str, str, Callable[[Pipeline], float]], ...] = (
    ("subscribers", "Connections that have said hello.", lambda p: p.broker.subscribers),
    ("queued_packets", "Packets waiting.", lambda p: p.input_queue.packets),
    ("queued_events", "Events waiting.", lambda p: p.input_queue.events),
    ("classes", "Classes known.", lambda p: len(p.network_task.teaching.classes)),
    ("learning", "Whether learning is on.", lambda p: int(p.network_task.teaching.learning)),
    ("pipeline_up", "Whether the pipeline is well.", lambda p: int(not faults(p))),
)


def _bearer(authorization: str | None) -> str | None:
    """The token of an ``Authorization`` header (RFC 6750, section 2.1)."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    # A header comes as Latin-1; what is sent is the token's UTF-8.
    return token.encode("latin-1").strip().decode("utf-8", "replace")


def make_app(service: MonitoredService) -> Any:
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
        from starlette.responses import JSONResponse, PlainTextResponse, Response
        from starlette.routing import Route
    except ImportError:
        raise ServiceError(
            "The pages /metrics and /healthz need pip install 'spikewire[http]'."
        ) from None
    registry = CollectorRegistry(auto_describe=False)
    names = own_names(service.settings.host, service.settings.public)
    registry.register(Collector(service))

    def admitted(request: Request) -> bool:
        token = _bearer(request.headers.get("authorization"))
        if service.admission.rights(token) is not None:
            return True
        service.refusals.tell(
            logging.WARNING, "a request for %s was refused: it brought no right token",
            request.url.path,
        )  # fmt: skip
        return False

    def foreign(request: Request) -> bool:
        # A browser that was made to take a foreign page for one of this server brings no token.
        open_to_all = not service.settings.wants_token
        return open_to_all and not host_allowed(request.headers.get("host"), names)

    async def metrics(request: Request) -> Response:
        if foreign(request):
            return PlainTextResponse(_OTHER_NAME, 421)
        if not admitted(request):
            return Response(
                "This service wants a token: Authorization: Bearer TOKEN\n",
                status_code=401,
                media_type="text/plain",
                headers={"WWW-Authenticate": 'Bearer realm="spikewire"'},
            )
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(request: Request) -> Response:
        if foreign(request):
            return PlainTextResponse(_OTHER_NAME, 421)
        well, body = health(service)
        # What keeps a service alive often cannot bring a token: it learns whether all is well, and
        # no more. That is no refusal; a wrong token is one.
        if service.settings.wants_token and (
            "authorization" not in request.headers or not admitted(request)
        ):
            body = {"ok": well}
        return JSONResponse(body, status_code=200 if well else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz)])


async def serve_http(
    service: MonitoredService,
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
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServiceError(f"Cannot listen on {host}, port {port}: {reason}.") from None
    task_status.started(address_of(host, listeners[0]))
    await AsgiServer(app, request_s=PATIENCE_S).serve(listeners, 1000 * PATIENCE_S)
