"""Connection of one peer, from its hello to its goodbye."""

from __future__ import annotations

import logging
import math
import os
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import trio

from spikewire.runtime.broker.subscriber_queue import SubscriberQueue
from spikewire.runtime.broker.topics import set_topics
from spikewire.runtime.errors import ProtocolError
from spikewire.runtime.net.peer_socket import end_sending
from spikewire.runtime.pipeline.lease import Lease
from spikewire.runtime.pipeline.pipeline import PIPELINE, Pipeline
from spikewire.runtime.protocol.frames import encode
from spikewire.runtime.protocol.messages import (
    PROTOCOL,
    Beat,
    ClientMessage,
    Hello,
    Inspect,
    Play,
    Request,
    Status,
    Subscribe,
    Teach,
    Unsubscribe,
    error_reply,
)
from spikewire.runtime.server.admission import Admission, Allowed
from spikewire.runtime.server.farewell import LINGER_S, error_frame, no_place
from spikewire.runtime.server.reader import MessageReader
from spikewire.runtime.server.refusals import RefusalLog
from spikewire.runtime.settings.settings import Settings

log = logging.getLogger("spikewire.runtime")

_CHUNK = 4096
_LINGER_BYTES = 1024 * 1024


# What is handed to the kernel in one go. What was handed over is out of the policies' reach.
_JOINED_BYTES = 16 * 1024
_GATHERED_BYTES = 256 * 1024
# What follows so soon is sent by the writer, many in one go: 200 subscribers take 100 results of a
# fast replay in 23 ms, in turns with others; one call for each would be 39 ms in one turn.
_BURST_S = 0.001
# Elsewhere a socket is no file that one can write to.
_CAN_SEND_NOW = os.name == "posix"
_IDS = 1024  # ids of a connection's last requests, none of which may come again


class ServiceApi(Protocol):
    """The parts of a service that a connection uses."""

    settings: Settings
    admission: Admission
    refusals: RefusalLog
    refused_requests: int
    refused_handshakes: int

    def next_phase(self) -> float: ...
    def find(self, name: str | None) -> Pipeline | None: ...
    def hello(self, pipeline: Pipeline, may: Allowed) -> dict[str, Any]: ...


class Connection:
    """Reads one peer's messages, answers each, and writes what its queue holds.

    A fault of the peer ends this connection, with an error that names it. Other connections are not
    affected.
    """

    def __init__(self, stream: trio.abc.Stream, service: ServiceApi) -> None:
        settings = service.settings
        self._stream = stream
        self._service = service
        self._scope = trio.CancelScope()
        self._reader = MessageReader(stream, lambda: service.settings, self._end_lease)
        self._lease = Lease()
        self._writer_scope = trio.CancelScope()
        self._reading = False
        self._greeted = False
        self._taught = False
        self._may: Allowed | None = None
        self._with: Pipeline | None = None
        self._ids: deque[int | str] = deque(maxlen=_IDS)
        self._name = "a connection"
        self._every_s = 0.0
        self._phase = service.next_phase()
        self._silence = settings.heartbeat_s
        self._sent_at = -math.inf
        self._queue = SubscriberQueue(
            settings.subscriber_messages,
            settings.subscriber_bytes,
            self._hurry_writer,
            self._send_now if _CAN_SEND_NOW and isinstance(stream, trio.SocketStream) else None,
        )

    async def run(self) -> None:
        """Serve until either side ends it; faults of the peer are not raised."""
        admission = self._service.admission
        if admission.meet(self._scope):
            self._service.refusals.tell(
                logging.WARNING, "a connection without a hello made room for a newer one"
            )
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, nursery.cancel_scope)
                    await self._read()
        finally:
            admission.leave(self._scope, self._greeted)
            if self._with is not None:
                self._with.broker.detach(self._queue)
            self._end_lease()
            # Both refer back to this connection. The collector would free the circle much later:
            # it does not know how much TLS states and buffers weigh.
            del self._reader, self._queue
            await trio.aclose_forcefully(self._stream)

    def _end_lease(self) -> None:
        if self._with is not None and self._taught:
            self._with.end_lease(self._lease)

    def _hurry_writer(self) -> None:
        limit = trio.current_time() + self._service.settings.goodbye_s
        self._writer_scope.deadline = min(self._writer_scope.deadline, limit)

    # -- reading ---------------------------------------------------------------------------------

    async def _read(self) -> None:
        self._reading = True
        try:
            pipeline = await self._handshake()
            pipeline.broker.attach(self._queue)
            while (message := await self._reader.read()) is not None:
                await self._respond(message, pipeline)
        except ProtocolError as error:
            # Kept in a local, it would hold this frame, which holds it.
            self._service.refusals.tell(
                logging.INFO, "%s broke the protocol: %s", self._name, error
            )
            self._queue.finish(error_frame(error))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._note_handshake(error)
        finally:
            self._reading = False
        # If the peer reads no more, or cannot ask any more: what waits is sent, then it ends.
        self._queue.finish()
        self._hurry_writer()

    def _note_handshake(self, error: BaseException) -> None:
        """Count a peer that speaks no TLS here, or does not like the certificate."""
        reason = error.__cause__
        if isinstance(reason, ssl.SSLError) and not self._greeted:
            self._service.refused_handshakes += 1
            self._service.refusals.tell(
                logging.WARNING, "%s made no TLS handshake: %s", self._name, reason.reason or reason
            )

    async def _handshake(self) -> Pipeline:
        limit_s = self._service.admission.hello_s
        with trio.move_on_after(limit_s) as scope:
            message = await self._reader.read()
            if message is None:
                raise trio.BrokenResourceError
        if scope.cancelled_caught:
            raise ProtocolError("hello_late", f"No hello came within {limit_s:g} s.")
        if not isinstance(message, Hello):
            raise ProtocolError("hello_first", "The first message of a connection is a hello.")
        if message.protocol != PROTOCOL:
            raise ProtocolError(
                "wrong_protocol", f"Protocol {message.protocol} is not spoken here; {PROTOCOL} is."
            )
        if message.client:
            self._lease.client = message.client
            # As a literal: a name must not be able to forge lines of a log.
            self._name = f"client {message.client!r}"
        self._may = self._service.admission.rights(message.token)
        if self._may is None:
            kind = "no" if message.token is None else "a wrong"
            self._service.refusals.tell(
                logging.WARNING, "%s was refused: it brought %s token", self._name, kind
            )
            raise ProtocolError("wrong_token", "This service wants a token, and not that one.")
        pipeline = self._service.find(message.pipeline)
        if pipeline is None:
            raise ProtocolError(
                "unknown_pipeline", f"This service has no pipeline {message.pipeline!r}."
            )
        if not self._service.admission.greet(self._scope):
            raise no_place(self._service.settings)
        self._greeted = True
        self._reader.greeted()
        PIPELINE.set(pipeline.name)
        self._with = pipeline
        log.info("%s said hello", self._name)
        await self._queue.answer(encode(self._service.hello(pipeline, self._may)))
        return pipeline

    async def _respond(self, message: ClientMessage, pipeline: Pipeline) -> None:
        match message:
            case Hello():
                raise ProtocolError("hello_twice", "A connection has one hello.")
            case Beat():
                pass
            case Subscribe() | Unsubscribe():
                await self._set_topics(message, pipeline)
            case _:
                refused = self._refuse(message, pipeline)
                if refused is None:
                    self._watch_teacher(message)
                answer = refused if refused is not None else await self._ask(message, pipeline)
                await self._reply(message, answer)

    def _watch_teacher(self, message: Request) -> None:
        if not isinstance(message, Teach):
            return
        self._taught = True
        if message.label is None or message.lasting:
            self._reader.release()
        else:
            self._reader.hold(message.lease_s)

    async def _ask(self, message: Request, pipeline: Pipeline) -> dict[str, Any]:
        if not isinstance(message, Play) or message.lasting:
            return await pipeline.ask(message, self._lease)
        # A play takes long, and ends with the connection.
        answer = error_reply("play_failed", "The client left before the excerpt was over.")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._reader.read_ahead, nursery.cancel_scope)
            answer = await pipeline.ask(message, self._lease)
            nursery.cancel_scope.cancel()
        return {"tick": pipeline.network_task.tick, **answer}

    def _refuse(self, message: Request, pipeline: Pipeline) -> dict[str, Any] | None:
        """Return the reply to a request that is refused at once; None if it is allowed."""
        fault: tuple[str, str] | None = None
        if self._may == "watch" and not isinstance(message, Status | Inspect):
            fault = "not_allowed", "The token of this connection allows to watch only."
        elif message.id is not None and message.id in self._ids:
            fault = "repeated_id", f"The id {message.id!r} was used before on this connection."
        if message.id is not None:
            self._ids.append(message.id)
        if fault is None:
            return None
        kind = type(message).__name__.lower()
        self._service.refusals.tell(
            logging.WARNING, "%s: %s refused: %s", self._name, kind, fault[1]
        )
        self._service.refused_requests += 1
        return {"tick": pipeline.network_task.tick, **error_reply(*fault)}

    async def _set_topics(self, message: Subscribe | Unsubscribe, pipeline: Pipeline) -> None:
        # From here to the answer nothing else can run: what was missed goes before what comes now.
        await self._queue.room()
        if isinstance(message, Subscribe) and message.every_ms is not None:
            self._every_s = message.every_ms / 1000
        told, lines = set_topics(pipeline.broker, self._queue, message, pipeline.run_id)
        answer = {"ok": True, "tick": pipeline.network_task.tick, **told}
        await self._reply(message, answer, then=lines)

    async def _reply(
        self,
        message: ClientMessage,
        answer: Mapping[str, Any],
        then: Sequence[tuple[str, int, bytes]] = (),
    ) -> None:
        kind = type(message).__name__.lower()
        await self._queue.answer(
            encode({"type": "reply", "to": kind, "id": getattr(message, "id", None), **answer}),
            then,
        )

    # -- writing ---------------------------------------------------------------------------------

    async def _write(self, connection: trio.CancelScope) -> None:
        try:
            with self._writer_scope:
                while (frame := await self._next()) is not None:
                    await self._stream.send_all(self._with_more(frame))
                    self._sent_at = trio.current_time()
                await end_sending(self._stream)
                connection.deadline = trio.current_time() + LINGER_S
                if self._reading:
                    # After a goodbye: the reader waits for the peer to close.
                    return
                await self._drain()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        connection.cancel()

    def _send_now(self, frame: bytes) -> int:
        """Hand a frame to the kernel at once, as much of it as fits, while the writer is idle.

        To wake the writer for it costs a turn of the scheduler for each peer.
        """
        now = trio.current_time()
        if self._every_s or not self._greeted or now - self._sent_at < _BURST_S:
            return 0
        if self._silence != self._service.settings.heartbeat_s:
            # The settings were read anew: the writer waits by the old ones.
            return 0
        assert isinstance(self._stream, trio.SocketStream)
        try:
            # trio's sockets never block, and have no way to send that need not wait.
            sent = os.write(self._stream.socket.fileno(), frame)
        except OSError:
            # It is full, or broken: the writer waits, or finds out.
            return 0
        self._sent_at = now
        return sent

    async def _next(self) -> bytes | None:
        """Wait for the next frame to send; a heartbeat when there has been none for a while."""
        self._silence = silence = self._service.settings.heartbeat_s
        begun = trio.current_time()
        while not self._queue.waiting:
            beats = silence and self._greeted and self._with is not None
            due = max(begun, self._sent_at) + silence if beats else math.inf
            if due <= trio.current_time() and self._with is not None:
                return encode({"type": "beat", "tick": self._with.network_task.tick})
            with trio.move_on_at(due):
                await self._queue.ready()
        if self._every_s:
            with trio.move_on_at(self._next_turn()):
                await self._queue.urgent()
        return self._queue.pop()

    def _next_turn(self) -> float:
        """Return the time of the next send of gathered messages; connections take turns.

        Ten pages that are sent 33 kB each at the same moment hold everything up for a
        millisecond; one after the other they are not noticed.
        """
        every = self._every_s
        earliest = max(trio.current_time(), self._sent_at + every / 2)
        return (math.ceil(earliest / every - self._phase) + self._phase) * every

    def _with_more(self, frame: bytes) -> bytes:
        """Join this frame and those behind it: one send for many costs little more."""
        parts, size = [frame], len(frame)
        most = _GATHERED_BYTES if self._every_s else _JOINED_BYTES
        while size < most and (more := self._queue.pop()) is not None:
            parts.append(more)
            size += len(more)
        return b"".join(parts) if len(parts) > 1 else frame

    async def _drain(self) -> None:
        """Read and forget, until the peer has closed too."""
        budget = _LINGER_BYTES
        while budget > 0:
            data = await self._stream.receive_some(_CHUNK)
            if not data:
                return
            budget -= len(data)
