"""A running service: source, network owner, broker and connections, from start to goodbye."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

import trio

from runtime._broker import Broker
from runtime._checkpoints import CheckpointStore
from runtime._connection import Connection, refuse
from runtime._contracts import NetworkLike, Recorder, SourceLike
from runtime._doors import limit_sending, open_unix, server_context
from runtime._errors import ServiceError
from runtime._http import serve_http
from runtime._inbox import Asked, Inbox
from runtime._messages import PROTOCOL, TOPICS, Play, Request
from runtime._owner import InThread, Owner
from runtime._plays import Plays
from runtime._report import Reporter
from runtime._saver import Saver
from runtime._settings import Settings
from runtime._watchdog import Watchdog
from sensors import SensorError

log = logging.getLogger("spikewire.runtime")

# Peers that are being told, at one time, that there is no room for them.
_MOST_REFUSING = 64


@dataclass(frozen=True, slots=True)
class Summary:
    """What a service did, once it has ended.

    Attributes
    ----------
    reason
        ``stopped`` or ``source ended``.
    tick, packets, events, results, updates
        Where the network stands, and what was computed.
    drops
        Events lost, by reason.
    checkpoint, checkpoint_error
        The last checkpoint written, and why the last attempt failed, if it did.
    """

    reason: str
    tick: int
    packets: int
    events: int
    results: int
    updates: int
    drops: Mapping[str, int]
    checkpoint: str | None
    checkpoint_error: str | None


class Service:
    """One source, one network, and those who watch and teach it.

    Attributes
    ----------
    run_id
        Text that no other run shares.
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
    ) -> None:
        self.settings = settings or Settings()
        self.source = source
        self.network = network
        self.run_id = secrets.token_hex(8)
        self.addresses: tuple[tuple[str, int], ...] = ()
        self.broker = Broker(self.settings.history_messages, self.settings.history_bytes)
        self.inbox = Inbox(self.settings.queue_packets, self.settings.queue_events)
        self.connections = 0
        self.refused = 0
        self.refused_tokens = 0
        self.http_address: str | None = None
        self.refused_requests = 0
        self.state = "starting"
        self.source_state = "starting"
        self.source_error: str | None = None
        self._stopping = trio.Event()
        self._asking = 0
        self._refusing = 0
        self._asked = trio.Event()
        self._reason = "source ended"
        self._source_scope = trio.CancelScope()
        self.reporter = Reporter(self)
        self.watchdog = Watchdog(self)
        folder = self.settings.checkpoint_folder
        self.saver: Saver | None = None
        if folder is not None:
            store = CheckpointStore(folder, self.settings.checkpoint_keep)
            beside = getattr(source, "save", None)
            self.saver = Saver(store, self.publish_status, in_thread, beside)
        self.owner = Owner(
            network,
            self.inbox,
            self.broker,
            self.settings,
            save=self.saver.save if self.saver is not None else None,
            changed=self.publish_status,
            status=self.reporter.status,
            in_thread=in_thread,
            record=record,
        )
        self.plays = Plays(source)
        self.owner.on_finished = self.plays.finished

    # -- what connections use --------------------------------------------------------------------

    def hello(self) -> dict[str, Any]:
        """The service's hello."""
        settings = self.settings
        return {
            "type": "hello",
            "protocol": PROTOCOL,
            "software": f"spikewire {_version()}",
            "run": self.run_id,
            "classes": list(self.owner.classes),
            "tick_us": self.network.tick_us,
            "input": list(self.network.input_size),
            "source": self.source.name,
            "topics": list(TOPICS),
            "limits": {
                "frame_bytes": settings.frame_bytes,
                "connections": settings.connections,
                "subscriber_messages": settings.subscriber_messages,
                "subscriber_bytes": settings.subscriber_bytes,
                "history_messages": settings.history_messages,
                "history_bytes": settings.history_bytes,
                "heartbeat_s": settings.heartbeat_s,
                "hello_s": settings.hello_s,
                "frame_s": settings.frame_s,
            },
        }

    def admit(self, token: str | None) -> Literal["watch", "control"] | None:
        """What a peer may do that brings this token; None: nothing."""
        watch, control = self.settings.watch_token, self.settings.control_token
        if watch is None and control is None:
            return "control"
        given = (token or "").encode()
        # Both are compared always, each in constant time: the answer's delay tells nothing.
        controls = hmac.compare_digest(given, (control or "").encode()) and control is not None
        watches = hmac.compare_digest(given, (watch or "").encode()) and watch is not None
        if controls:
            return "control"
        if watches:
            return "watch"
        self.refused_tokens += 1
        return None

    def current_tick(self) -> int:
        """The next tick to compute."""
        return self.owner.tick

    async def ask(self, request: Request) -> dict[str, Any]:
        """Answer a request; the answer holds the tick at which it took effect."""
        self._asking += 1
        try:
            if isinstance(request, Play):
                answer = await self.plays.play(request)
                return {"tick": self.owner.tick, **answer}
            if self.state == "stopped":
                return self._too_late()
            asked = Asked(request)
            self.inbox.put_request(asked)
            return await asked.answer()
        finally:
            self._asking -= 1
            self._asked.set()
            self._asked = trio.Event()

    def _too_late(self) -> dict[str, Any]:
        return {
            "ok": False,
            "tick": self.owner.tick,
            "code": "stopping",
            "message": "The service is stopping.",
        }

    def stop(self, reason: str = "stopped") -> None:
        """Begin an ordered shutdown: the source ends, what has arrived is computed."""
        if self.state in ("starting", "running") and not self._stopping.is_set():
            self._reason = reason
            self._stopping.set()
            self._source_scope.cancel()

    async def converse(self, stream: trio.abc.Stream) -> None:
        """Serve one peer until it leaves, or is told goodbye."""
        if self.connections >= self.settings.connections:
            self.refused += 1
            if self._refusing >= _MOST_REFUSING:
                # In a flood there is no time for explanations.
                await trio.aclose_forcefully(stream)
                return
            self._refusing += 1
            await refuse(
                stream,
                "too_many_connections",
                f"All {self.settings.connections} connections are in use.",
            )
            self._refusing -= 1
            return
        self.connections += 1
        limit_sending(stream)
        try:
            await Connection(stream, self).run()
        except Exception:
            # A fault of ours in one conversation must not end the others.
            log.exception("a connection ended by an unforeseen error")
        finally:
            self.connections -= 1

    # -- the life of a service -------------------------------------------------------------------

    async def serve(
        self,
        *,
        listen: bool = True,
        signals: bool = True,
        task_status: trio.TaskStatus[Service] = trio.TASK_STATUS_IGNORED,
    ) -> Summary:
        """Run until the source ends (setting ``at_end``), :meth:`stop`, SIGINT or SIGTERM.

        Parameters
        ----------
        listen
            Whether to open the TCP port; without it, :meth:`converse` serves given streams.
        signals
            Whether to stop in order at SIGINT and SIGTERM (main thread only).
        task_status
            Started with this service once its port is open.

        Raises
        ------
        ServiceError
            The port cannot be opened.
        Exception
            What the source failed with (``sensors.SensorError``), if ``at_end`` is ``exit``; the
            shutdown was in order all the same.
        """
        listeners = await self._open_listeners() if listen else []
        failure: Exception | None = None
        async with trio.open_nursery() as outer:
            doors = trio.CancelScope()
            if listeners:
                outer.start_soon(self._accept, listeners, doors, outer)
            if listen and self.settings.http_port is not None:
                self.http_address = await outer.start(
                    serve_http, self, self.settings.host, self.settings.http_port
                )
            if signals:
                await outer.start(self._obey_signals)
            outer.start_soon(self.reporter.run)
            self.inbox.last_put = trio.current_time()
            outer.start_soon(self.watchdog.run)
            if self.saver is not None and self.settings.checkpoint_every_s > 0:
                outer.start_soon(self._save_now_and_then)
            self.state = "running"
            async with trio.open_nursery() as saves:
                if self.saver is not None:
                    self.saver.begin(saves, self.owner)
                async with trio.open_nursery() as work:
                    work.start_soon(self.owner.run)
                    task_status.started(self)
                    failure = await self._run_source()
                    self.inbox.end()
                    if self.settings.at_end == "stay":
                        await self._stopping.wait()
                    self.state = "draining"
                    self.publish_status()
                    self.inbox.close()
                    work.start_soon(self._limit_drain)
            if self.saver is not None:
                await self.saver.finish(self.network)
            await self._finish_requests()
            doors.cancel()
            if listen and self.settings.unix_path is not None:
                with suppress(OSError):
                    os.unlink(self.settings.unix_path)
            await self._say_goodbye()
            outer.cancel_scope.cancel()
        if failure is not None and self.settings.at_end == "exit":
            raise failure
        return self._summary()

    async def _open_listeners(self) -> list[trio.abc.Listener[Any]]:
        host, port = self.settings.host, self.settings.port
        context = server_context(self.settings.tls_cert, self.settings.tls_key)
        try:
            plain = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ServiceError(f"Cannot listen on {host}, port {port}: {reason}.") from error
        self.addresses = tuple(
            (str(name[0]), int(name[1]))
            for name in (listener.socket.getsockname() for listener in plain)
        )
        listeners: list[trio.abc.Listener[Any]] = list(plain)
        if context is not None:
            listeners = [trio.SSLListener(one, context, https_compatible=True) for one in plain]
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
            await trio.serve_listeners(self.converse, listeners, handler_nursery=connections)

    async def _obey_signals(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            task_status.started()
            async for _ in received:
                if self._stopping.is_set() or self.state == "draining":
                    # Asked a second time: what is not computed yet is given up, counted.
                    self.inbox.discard()
                self.stop()

    async def _run_source(self) -> Exception | None:
        deliver = self.inbox.put_dropping if self.source.live else self.inbox.put_waiting
        failure: Exception | None = None
        self.source_state = "running"
        self.publish_status()
        with self._source_scope:
            try:
                await self.source.run(deliver)
            except Exception as error:
                # Whatever ends a source, what it has delivered is computed and kept.
                failure = error
                self.source_error = str(error)
                if isinstance(error, SensorError):
                    log.error("the source failed: %s", error)
                else:
                    log.exception("the source failed by an unforeseen error")
        self.plays.source_over()
        stopped = self._source_scope.cancelled_caught
        self.source_state = "failed" if failure else "stopped" if stopped else "ended"
        self.publish_status()
        return failure

    async def _limit_drain(self) -> None:
        with trio.move_on_after(self.settings.drain_s):
            await self.owner.done.wait()
            return
        self.inbox.discard()

    async def _finish_requests(self) -> None:
        """Answer what is still asked, before the goodbye ends the outboxes."""
        self.state = "stopped"
        self.plays.abandon()
        while (asked := self.inbox.take_request()) is not None:
            asked.settle(self._too_late())
        with trio.move_on_after(self.settings.goodbye_s):
            while self._asking:
                await self._asked.wait()

    async def _say_goodbye(self) -> None:
        self.reporter.publish_stats()
        self.publish_status()
        self.broker.finish({"type": "goodbye", "reason": self._reason, "tick": self.owner.tick})
        with trio.move_on_after(self.settings.goodbye_s):
            while self.broker.subscribers:
                await self.broker.left.wait()

    async def _save_now_and_then(self) -> None:
        while True:
            await trio.sleep(self.settings.checkpoint_every_s)
            self.owner.want_checkpoint()

    # -- reports ---------------------------------------------------------------------------------

    def publish_status(self) -> None:
        self.broker.publish("status", self.reporter.status())

    def _summary(self) -> Summary:
        meter = self.owner.meter
        return Summary(
            reason=self._reason,
            tick=self.owner.tick,
            packets=meter.packets,
            events=meter.events,
            results=meter.results,
            updates=meter.updates,
            drops=dict(self.inbox.drops),
            checkpoint=self.saver.path if self.saver is not None else None,
            checkpoint_error=self.saver.error if self.saver is not None else None,
        )


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
