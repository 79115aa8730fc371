"""The client for programs without trio: one socket, one thread, plain calls."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Unpack

from spikewire.runtime.client.client import accepted, greeted, silence_limit_s, take_message
from spikewire.runtime.client.message_buffer import MessageBuffer
from spikewire.runtime.client.notices import (
    back_notice,
    goodbye_error,
    lost_notice,
    unanswered,
)
from spikewire.runtime.client.options import PatientKeywords, split_options
from spikewire.runtime.client.requests import request_fields
from spikewire.runtime.client.resume import TopicPositions
from spikewire.runtime.client.retry import Outages, Retry
from spikewire.runtime.errors import ConnectionLost, ProtocolError, ServiceError
from spikewire.runtime.net.address import ServiceAddress
from spikewire.runtime.protocol.frames import CLIENT_FRAME_LIMIT, Framer, encode
from spikewire.runtime.protocol.messages import Policy
from spikewire.runtime.settings.settings import DEFAULT_PORT

_RECONNECT_S = 10.0  # for one attempt, where the program itself would wait for ever


class BlockingClient(AbstractContextManager["BlockingClient"]):
    """A conversation with a service, from a thread that may wait::

        with BlockingClient("127.0.0.1", 7462, subscribe=["result"]) as client:
            client.teach("wave")
            for message in client:
                print(message["class"])

    Messages that come while a request waits for its answer are kept for the next iteration, up
    to ``buffer``; beyond it the oldest are lost, counted in ``missed``, and a gap says so.

    Parameters
    ----------
    host, port
        Address of the service. ``host`` may also be text such as ``127.0.0.1:7462`` or
        ``unix:PATH``, or a :class:`ServiceAddress`.
    subscribe, policy
        Topics to take from the start, and what to do when they come too fast.
    reconnect
        Whether a lost service is looked for, as long as it takes or as a :class:`Retry` says. The
        topics then go on where they were, as :func:`follow` describes. A loss is noticed, and
        the service looked for, within iterations and requests: there is no thread behind.
    **options
        Those of :func:`connect`, and ``after_goodbye``, ``away`` and ``notices`` of :func:`follow`,
        of use with ``reconnect`` only. ``timeout_s`` limits the wait for each message, too; by
        default there is no limit while heartbeats come.

    Raises
    ------
    ConnectionLost
        Nothing answers there.
    ProtocolError
        The other side does not speak protocol 1, or refuses the connection.
    """

    def __init__(
        self,
        host: str | ServiceAddress = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        subscribe: Iterable[str] = (),
        policy: Policy = "drop_oldest",
        reconnect: bool | Retry = False,
        **options: Unpack[PatientKeywords],
    ) -> None:
        chosen, self._loss = split_options({"timeout_s": None, **options})
        self._address = chosen.address(host, port)
        self._hello = chosen.hello()
        self._timeout_s = chosen.timeout_s
        self._buffer = MessageBuffer(chosen.buffer)
        self._last_id = 0
        self._positions = TopicPositions()
        self._outages = Outages(reconnect if isinstance(reconnect, Retry) else Retry())
        self._reconnects = bool(reconnect)
        self._lost: ServiceError | None = None
        self._socket: socket.socket | None = None
        self.hello: dict[str, Any] = {}
        self.goodbye: dict[str, Any] | None = None
        try:
            self._open(chosen.timeout_s)
        except (ConnectionLost, ProtocolError) as error:
            if not self._reconnects:
                raise
            self._come_back(error)
        else:
            self._outages.connected(time.monotonic())
        try:
            topics = list(subscribe)
            if topics:
                self.subscribe(*topics, policy=policy)
        except BaseException:
            self.close()
            raise

    @property
    def missed(self) -> int:
        """Messages lost here, because they were not taken in time."""
        return self._buffer.missed

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.messages()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Published messages, gaps (``type`` ``gap``) and notices, until the service's goodbye."""
        while True:
            if (message := self._buffer.pop()) is not None:
                yield message
            elif self.goodbye is not None and not self._waits_after_goodbye():
                return
            elif self._lost is not None or self.goodbye is not None:
                self._come_back(self._lost or goodbye_error(self.goodbye or {}))
            else:
                try:
                    self._sort(self._receive())
                except (ConnectionLost, ProtocolError) as error:
                    self._come_back(error)

    def results(self) -> Iterator[dict[str, Any]]:
        """Messages of the result topic, until the service says goodbye."""
        for message in self.messages():
            if message["type"] == "message" and message["topic"] == "result":
                yield message

    def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Make a request and return its answer; it is sent once, or not at all.

        Raises
        ------
        RequestRefused
            The service refused it.
        ConnectionLost, ProtocolError
            There is no connection; or it ended before the answer: the request may have been done.
        """
        if self._reconnects and (self._lost is not None or self.goodbye is not None):
            if self._loss.away == "fail":
                raise ConnectionLost(f"The service is away: {kind} was not asked.")
            if self.goodbye is not None and not self._waits_after_goodbye():
                raise ConnectionLost("The service has said goodbye.")
            self._come_back(self._lost or goodbye_error(self.goodbye or {}))
        try:
            return self._ask(kind, **fields)
        except (ConnectionLost, ProtocolError) as error:
            if not self._reconnects:
                raise
            self._lost = None if self.goodbye is not None else error
            if isinstance(error, ConnectionLost):
                raise unanswered(kind, error) from error
            raise

    def subscribe(
        self,
        *topics: str,
        policy: Policy = "drop_oldest",
        last_seq: Mapping[str, int] | None = None,
        run: str | None = None,
    ) -> dict[str, Any]:
        """Take messages of these topics from now on, and what was missed since ``last_seq``."""
        more = {} if last_seq is None else {"last_seq": dict(last_seq), "run": run}
        reply = self.request("subscribe", topics=list(topics), policy=policy, **more)
        if self._reconnects:
            self._positions.forget(last_seq or {})
            self._positions.want(topics, policy)
            for gap in self._positions.answered(reply):
                self._buffer.put(gap)
        return reply

    def unsubscribe(self, *topics: str) -> dict[str, Any]:
        """Take messages of these topics no more."""
        reply = self.request("unsubscribe", topics=list(topics))
        self._positions.want_only(reply["topics"])
        return reply

    def teach(self, label: str | None, *, lasting: bool = False) -> dict[str, Any]:
        """Name the class that is shown from now on; None: it is not known.

        The lesson ends with the connection, unless it is ``lasting``.
        """
        return self.request("teach", label=label, lasting=lasting)

    def learn(self, on: bool) -> dict[str, Any]:
        """Switch learning on or off."""
        return self.request("learn", on=on)

    def checkpoint(self) -> dict[str, Any]:
        """Write the learner to disk; the answer has its ``path``."""
        return self.request("checkpoint")

    def status(self) -> dict[str, Any]:
        """Ask for the present state, under ``status`` in the answer."""
        return self.request("status")

    def play(
        self,
        name: str,
        *,
        start_us: int = 0,
        stop_us: int | None = None,
        speed: float | None = None,
        lasting: bool = False,
    ) -> dict[str, Any]:
        """Show an excerpt from the service's shelf; answered when it has been computed.

        The excerpt ends with the connection, unless it is ``lasting``.
        """
        return self.request(
            "play", name=name, start_us=start_us, stop_us=stop_us, speed=speed, lasting=lasting
        )

    def undo(self) -> dict[str, Any]:
        """Take back the last lesson; the answer says which, as ``label``."""
        return self.request("undo")

    def replay(self, **changes: Any) -> dict[str, Any]:
        """Change how the recording is replayed: paused, position_us, speed (None: max), loop."""
        return self.request("replay", **changes)

    def record(self, on: bool) -> dict[str, Any]:
        """Begin or end recording the network's input; the answer has its ``path``."""
        return self.request("record", on=on)

    # -- inside ----------------------------------------------------------------------------------

    def _open(self, timeout_s: float | None) -> None:
        self._framer = Framer(CLIENT_FRAME_LIMIT)
        self._socket = self._address.open_blocking(timeout_s)
        try:
            self._send(self._hello)
            self.hello = greeted(self._receive())
            limit_s = min(silence_limit_s(self.hello), self._timeout_s or math.inf)
            self._socket.settimeout(None if limit_s == math.inf else limit_s)
        except BaseException:
            self._socket.close()
            raise
        self.goodbye = self._lost = None
        self._new_run = self._positions.met(self.hello)

    def _waits_after_goodbye(self) -> bool:
        return self._reconnects and self._loss.after_goodbye == "wait"

    def _come_back(self, error: ServiceError) -> None:
        """Try to reconnect until the service is there again, or raise a permanent error."""
        if not self._reconnects:
            raise error
        self._lost = error
        self.close()
        began, noticed = time.monotonic(), not self.hello
        while True:
            pause = self._outages.pause(error, time.monotonic())
            if not noticed and self._loss.notices:
                self._buffer.put(lost_notice(error, self.goodbye))
            noticed = True
            time.sleep(pause)
            try:
                known = bool(self.hello)
                self._open(min(self._timeout_s or math.inf, _RECONNECT_S))
                if known and self._loss.notices:
                    away_s, attempts = time.monotonic() - began, self._outages.failed + 1
                    self._buffer.put(back_notice(self.hello, self._new_run, away_s, attempts))
                    noticed = False
                self._go_on()
                break
            except (ConnectionLost, ProtocolError) as again:
                self._lost = error = again
        self._outages.connected(time.monotonic())

    def _go_on(self) -> None:
        for fields in self._positions.subscriptions(self.hello):
            for gap in self._positions.answered(self._ask("subscribe", **fields)):
                self._buffer.put(gap)

    def _ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._last_id += 1
        sent = request_fields(kind, fields, self.hello, beats=False)
        self._send({"type": kind, "id": self._last_id, **sent})
        while True:
            message = self._receive()
            if message.get("type") == "reply" and message.get("id") == self._last_id:
                break
            self._sort(message)
            if self.goodbye is not None:
                raise ConnectionLost("The service said goodbye before it answered.")
        return accepted(kind, message)

    def _sort(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "goodbye":
                self.goodbye = message
            case "reply" | "beat":
                pass  # a reply of a request that was interrupted: it is not awaited any more
            case _:
                for ordered in self._positions.take(message) if self._reconnects else (message,):
                    self._buffer.put(ordered)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._socket is not None
        try:
            self._socket.sendall(encode(message))
        except (BrokenPipeError, ConnectionResetError):
            pass  # an error or a goodbye may still be there to read
        except OSError as error:
            raise ConnectionLost(f"The connection broke: {error.strerror or error}.") from error

    def _receive(self) -> dict[str, Any]:
        assert self._socket is not None
        while (message := take_message(self._framer)) is None:
            try:
                data = self._socket.recv(64 * 1024)
            except TimeoutError:
                raise ConnectionLost("The service said nothing within the time allowed.") from None
            except OSError as error:
                raise ConnectionLost(f"The connection broke: {error.strerror or error}.") from error
            if not data:
                raise ConnectionLost("The service closed the connection without a goodbye.")
            self._framer.feed(data)
        return message
