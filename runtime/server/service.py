"""A running service: pipelines behind common ports, from start to goodbye."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any

import trio

from spikewire.runtime.errors import ServiceError
from spikewire.runtime.interfaces import InThread, NetworkLike, Recorder, SourceLike
from spikewire.runtime.net import peer_socket
from spikewire.runtime.net.listener import PatientListener
from spikewire.runtime.net.tls import over_tls, reload_certificate, server_context
from spikewire.runtime.net.unix_socket import open_unix
from spikewire.runtime.pipeline.checkpoint_writer import hold_folders
from spikewire.runtime.pipeline.pipeline import ONLY, Pipeline
from spikewire.runtime.pipeline.summary import Summary
from spikewire.runtime.protocol.messages import PROTOCOL, TOPICS
from spikewire.runtime.server.admission import Admission, Allowed
from spikewire.runtime.server.connection import Connection
from spikewire.runtime.server.farewell import no_place, refuse
from spikewire.runtime.server.metrics import serve_http
from spikewire.runtime.server.prepare import prepare_kernels
from spikewire.runtime.server.refusals import RefusalLog
from spikewire.runtime.settings.reload import changed, merged
from spikewire.runtime.settings.settings import Settings

log = logging.getLogger("spikewire.runtime")

# Steps of the golden ratio leave no two of any number of connections close to each other.
_GOLDEN = (5**0.5 - 1) / 2
_LIMITS = ("preview_per_s", "picture_bytes_per_s", "upload_bytes")  # of a pipeline, in its hello
_MOST_REFUSING = 64  # peers that are being told, at one time, that there is no room for them


class Service:
    """Pipelines and the connections of their clients.

    Parameters
    ----------
    source, network
        Those of the one pipeline, ``main``.
    settings
        The service's; a pipeline's are its own.
    in_thread, record, recorder
        As for :class:`Pipeline`.
    reload
        Reads the settings anew when SIGHUP comes.

    Attributes
    ----------
    pipelines
        By name, the first being that of connections that name none.
    addresses
        (host, port) of each listening socket, once :meth:`serve` has started.
    http_address
        Where the pages are, if there are any.
    """

    def __init__(
        self,
        source: SourceLike,
        network: NetworkLike,
        settings: Settings | None = None,
        *,
        in_thread: InThread = trio.to_thread.run_sync,
        record: Recorder | None = None,
        recorder: Callable[[NetworkLike], Recorder] | None = None,
        reload: Callable[[], Settings] | None = None,
    ) -> None:
        settings = settings or Settings()
        only = Pipeline(
            ONLY, source, network, settings, in_thread=in_thread, record=record, recorder=recorder
        )
        self._set_up({ONLY: only}, settings, reload)

    @classmethod
    def from_pipelines(
        cls,
        pipelines: Mapping[str, Pipeline],
        settings: Settings,
        *,
        reload: Callable[[], Settings] | None = None,
    ) -> Service:
        """Make a service of several pipelines, which notice nothing of each other.

        Raises
        ------
        ServiceError
            If there are none.
        """
        if not pipelines:
            raise ServiceError("A service has at least one pipeline; none was given.")
        service = cls.__new__(cls)
        service._set_up(dict(pipelines), settings, reload)
        return service

    def _set_up(
        self,
        pipelines: dict[str, Pipeline],
        settings: Settings,
        reload: Callable[[], Settings] | None,
    ) -> None:
        self.settings = settings
        self.pipelines = pipelines
        self.addresses: tuple[tuple[str, int], ...] = ()
        self.http_address: str | None = None
        self.admission = Admission(lambda: self.settings)
        self.refusals = RefusalLog(log, lambda: self.settings.refusals_logged)
        self.refused_handshakes = 0
        self.refused_requests = 0
        self._reload = reload
        self._context: ssl.SSLContext | None = None
        self._refusing = 0
        self._phase = 0.0
        self._farewell = trio.CancelScope()
        self._left = trio.Event()
        for pipeline in pipelines.values():
            pipeline.facts = self._facts

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return self.admission.connections

    @property
    def refused(self) -> int:
        """Connections refused because all were in use."""
        return self.admission.refused

    # -- what connections use --------------------------------------------------------------------

    @property
    def first(self) -> Pipeline:
        """The pipeline of connections that name none."""
        return next(iter(self.pipelines.values()))

    def next_phase(self) -> float:
        """Return a new connection's place in the send interval (0 to 1), far from the others."""
        self._phase = (self._phase + _GOLDEN) % 1.0
        return self._phase

    def find(self, name: str | None) -> Pipeline | None:
        """Return the pipeline of that name, or the first; None if there is none."""
        return self.first if name is None else self.pipelines.get(name)

    def hello(self, pipeline: Pipeline, may: Allowed) -> dict[str, Any]:
        """Make the hello to a connection about ``pipeline``."""
        settings, network = self.settings, pipeline.network
        return {
            "type": "hello",
            "protocol": PROTOCOL,
            "software": f"spikewire {_version()}",
            "run": pipeline.run_id,
            "pipeline": pipeline.name,
            "pipelines": list(self.pipelines),
            "may": may,
            "beats": True,
            "offers": pipeline.offers if may == "control" else ["status", "inspect"],
            "classes": list(pipeline.network_task.teaching.classes),
            "tick_us": network.tick_us,
            "calibration": network.calibration.to_dict(),
            "input": list(network.input_size),
            "source": pipeline.source.name,
            "topics": list(TOPICS),
            "limits": {
                "frame_bytes": settings.frame_bytes,
                "connections": settings.connections,
                "subscriber_messages": settings.subscriber_messages,
                "subscriber_bytes": settings.subscriber_bytes,
                "history_messages": pipeline.settings.history_messages,
                "history_bytes": pipeline.settings.history_bytes,
                **{name: getattr(pipeline.settings, name) for name in _LIMITS},
                **{name: getattr(settings, name) for name in ("heartbeat_s", "hello_s", "frame_s")},
            },
        }

    def _facts(self) -> dict[str, Any]:
        return {
            "connections": self.admission.connections,
            "refused_connections": self.admission.refused,
            "refused_strangers": self.admission.dropped_strangers,
            "refused_handshakes": self.refused_handshakes,
            "refused_tokens": self.admission.refused_tokens,
            "refused_requests": self.refused_requests,
        }

    async def converse(self, stream: trio.abc.Stream) -> None:
        """Serve one peer until it leaves, or is told goodbye."""
        if self.admission.full:
            self.admission.refused += 1
            if self._refusing >= _MOST_REFUSING:
                # In a flood there is no time for explanations.
                await trio.aclose_forcefully(stream)
                return
            self._refusing += 1
            await refuse(stream, no_place(self.settings))
            self._refusing -= 1
            return
        try:
            peer_socket.prepare(stream)
            await Connection(stream, self).run()
        except Exception:
            # A fault of ours in one conversation must not end the others.
            log.exception("a connection ended by an unforeseen error")
        finally:
            self._left.set()
            self._left = trio.Event()

    # -- the life of a service -------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether every pipeline has ended, or was asked to."""
        return all(pipeline.stopping for pipeline in self.pipelines.values())

    def stop(self, reason: str = "stopped") -> None:
        """Begin an ordered shutdown: the sources end, received events are computed."""
        for pipeline in self.pipelines.values():
            pipeline.stop(reason)

    def hurry(self) -> None:
        """Stop; a pipeline that is stopping ends at once, and what it has not computed is lost."""
        if self.stopping:
            self._farewell.cancel()
        for pipeline in self.pipelines.values():
            (pipeline.hurry if pipeline.stopping else pipeline.stop)()

    async def serve(
        self,
        *,
        listen: bool = True,
        signals: bool = True,
        task_status: trio.TaskStatus[Service] = trio.TASK_STATUS_IGNORED,
    ) -> Summary:
        """Run until every source has ended (setting ``at_end``), :meth:`stop`, SIGINT or SIGTERM.

        Parameters
        ----------
        listen
            Whether to open the TCP port; without it, :meth:`converse` serves given streams.
        signals
            Whether to stop in order at SIGINT and SIGTERM, and to read the settings anew at
            SIGHUP (main thread only).
        task_status
            Started with this service once its port is open.

        Returns
        -------
        Summary
            Of the first pipeline; :meth:`summaries` has them all.

        Raises
        ------
        ServiceError
            The port cannot be opened, or a folder of checkpoints not used (`CheckpointError`).
        Exception
            What the first pipeline that failed has failed with (``sensors.SensorError`` if it was
            its source), if ``at_end`` is ``exit``; the shutdown was in order all the same.
        """
        prepare_kernels(self.pipelines.values(), listen=listen)
        async with hold_folders((one.checkpoints, one.network) for one in self.pipelines.values()):
            listeners = await self._open_listeners() if listen else []
            async with trio.open_nursery() as outer:
                doors = trio.CancelScope()
                outer.start_soon(self.refusals.run)
                if listeners:
                    outer.start_soon(self._accept, listeners, doors, outer)
                if listen and self.settings.http_port is not None:
                    self.http_address = await outer.start(
                        serve_http, self, self.settings.host, self.settings.http_port
                    )
                if signals:
                    await outer.start(self._obey_signals)
                async with trio.open_nursery() as work:
                    for pipeline in self.pipelines.values():
                        await work.start(pipeline.run)
                    task_status.started(self)
                doors.cancel()
                await self._see_off()
                outer.cancel_scope.cancel()
        for pipeline in self.pipelines.values():
            if pipeline.failure is not None:
                raise pipeline.failure
        return self.first.summary()

    def summaries(self) -> list[Summary]:
        """Return the summary of each pipeline."""
        return [pipeline.summary() for pipeline in self.pipelines.values()]

    async def _see_off(self) -> None:
        """Let subscribers take the messages that wait for them."""
        self._farewell.deadline = trio.current_time() + self.settings.goodbye_s
        with self._farewell:
            while any(pipeline.broker.subscribers for pipeline in self.pipelines.values()):
                await self._left.wait()

    async def _open_listeners(self) -> list[trio.abc.Listener[Any]]:
        host, port = self.settings.host, self.settings.port
        self._context = server_context(self.settings.tls_cert, self.settings.tls_key)
        try:
            plain = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ServiceError(f"Cannot listen on {host}, port {port}: {reason}.") from error
        self.addresses = tuple(
            (str(name[0]), int(name[1]))
            for name in (listener.socket.getsockname() for listener in plain)
        )
        listeners: list[trio.abc.Listener[Any]] = [PatientListener(one) for one in plain]
        if self.settings.unix_path is not None:
            try:
                listeners.append(await open_unix(self.settings.unix_path))
            except BaseException:
                for listener in plain:
                    await trio.aclose_forcefully(listener)
                raise
        return listeners

    async def _accept(
        self,
        listeners: list[trio.abc.Listener[Any]],
        doors: trio.CancelScope,
        connections: trio.Nursery,
    ) -> None:
        with doors:
            await trio.serve_listeners(self._receive, listeners, handler_nursery=connections)

    async def _receive(self, stream: trio.SocketStream) -> None:
        # A Unix socket does not leave the machine: no TLS there.
        if self._context is not None and stream.socket.family in (socket.AF_INET, socket.AF_INET6):
            await over_tls(stream, self._context, self.converse)
        else:
            await self.converse(stream)

    async def _obey_signals(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
            task_status.started()
            async for number in received:
                if number == signal.SIGHUP:
                    await self.reload()
                    continue
                self.hurry()

    # -- settings that change while it runs ------------------------------------------------------

    async def reload(self) -> None:
        """Read the settings anew; those that cannot change while it runs stay, and are named.

        If anything is wrong with them, all stay, and the log says why.
        """
        if self._reload is None:
            log.warning("asked to read the settings anew, but there is no file to read")
            return
        try:
            wanted = await trio.to_thread.run_sync(self._reload)
            settings = merged(self.settings, wanted)
            reload_certificate(self._context, settings.tls_cert, settings.tls_key)
        except ServiceError as error:
            log.error("the settings stay as they were: %s", error)
            return
        taken, kept = changed(self.settings, wanted)
        self.settings = settings
        if "log_level" in taken:
            logging.getLogger("spikewire").setLevel(settings.log_level.upper())
        for pipeline in self.pipelines.values():
            pipeline.take_settings(merged(pipeline.settings, wanted, overridden=pipeline.own))
        log.warning("read the settings anew: %s", ", ".join(taken) or "nothing has changed")
        if kept:
            log.warning("these settings need a restart to change: %s", ", ".join(kept))


def _version() -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("spikewire")
    return "unknown"


async def serve(
    source: SourceLike,
    network: NetworkLike,
    settings: Settings | None = None,
    *,
    signals: bool = True,
    task_status: trio.TaskStatus[Service] = trio.TASK_STATUS_IGNORED,
) -> Summary:
    """Serve one source and one network until the source ends, SIGINT or SIGTERM.

    See :meth:`Service.serve` for what it raises, and what ``task_status`` is given.
    """
    return await Service(source, network, settings).serve(signals=signals, task_status=task_status)
