"""The client for programs without trio: one socket, one thread, plain calls."""

from __future__ import annotations

import os
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from runtime._client import TOKEN_VARIABLE, unreachable
from runtime._doors import client_context
from runtime._errors import ConnectionLost, ProtocolError, RequestRefused
from runtime._frames import CLIENT_FRAME_LIMIT, Framer, decode, encode
from runtime._messages import PROTOCOL, Policy
from runtime._settings import DEFAULT_PORT


class BlockingClient:
    """A conversation with a service, from a thread that may wait::

        with BlockingClient(port=7462, subscribe=["result"]) as client:
            client.teach("wave")
            for message in client:
                print(message["class"])

    Messages that come while a request waits for its answer are kept for the next iteration, up
    to ``buffer``; beyond it the oldest are lost and counted in ``missed``.

    Parameters
    ----------
    host, port
        Where the service listens.
    name
        What the service's log calls this client.
    subscribe, policy
        Topics to take from the start, and what to do when they come too fast.
    token
        What the service wants to be shown; None takes ``SPIKEWIRE_TOKEN`` from the environment.
    tls, ca
        Speak TLS, and trust the system's authorities or those of a PEM file.
    unix_path
        A Unix socket, instead of host and port.
    timeout_s
        How long to wait for the service to connect, and for each message; None: for ever.

    Raises
    ------
    ConnectionLost
        Nobody answers there.
    ProtocolError
        Whoever answers does not speak protocol 1, or refuses the connection.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        name: str = "spikewire",
        subscribe: Iterable[str] = (),
        policy: Policy = "drop_oldest",
        token: str | None = None,
        tls: bool = False,
        ca: str | None = None,
        unix_path: str | None = None,
        timeout_s: float | None = None,
        buffer: int = 4096,
    ) -> None:
        self._framer = Framer(CLIENT_FRAME_LIMIT)
        self._kept: deque[dict[str, Any]] = deque()
        self._most = buffer
        self._last_id = 0
        self.missed = 0
        self.goodbye: dict[str, Any] | None = None
        context = client_context(ca) if tls and unix_path is None else None
        try:
            if unix_path is not None:
                self._socket = socket.socket(socket.AF_UNIX)
                self._socket.settimeout(timeout_s)
                self._socket.connect(unix_path)
            else:
                self._socket = socket.create_connection((host, port), timeout=timeout_s)
            if context is not None:
                self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or error
            place = f"{host}, port {port}"
            raise ConnectionLost(f"No secure connection to {place}: {reason}.") from None
        except OSError as error:
            raise unreachable(host, port, error) from error
        token = os.environ.get(TOKEN_VARIABLE) if token is None else token
        hello: dict[str, Any] = {"type": "hello", "protocol": PROTOCOL, "client": name}
        if token is not None:
            hello["token"] = token
        try:
            self._send(hello)
            self.hello = self._receive()
            if self.hello.get("type") != "hello":
                raise ProtocolError("hello_first", "The service did not begin with a hello.")
            topics = list(subscribe)
            if topics:
                self.subscribe(*topics, policy=policy)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.messages()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Published messages, and gaps (``type`` ``gap``), until the service says goodbye."""
        while True:
            if self._kept:
                yield self._kept.popleft()
            elif self.goodbye is not None:
                return
            else:
                self._sort(self._receive())

    def results(self) -> Iterator[dict[str, Any]]:
        """Messages of the result topic, until the service says goodbye."""
        for message in self.messages():
            if message["type"] == "message" and message["topic"] == "result":
                yield message

    def request(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Make a request and return its answer.

        Raises
        ------
        RequestRefused
            The service refused it.
        ConnectionLost, ProtocolError
            The connection ended before the answer.
        """
        self._last_id += 1
        self._send({"type": kind, "id": self._last_id, **fields})
        while True:
            message = self._receive()
            if message.get("type") == "reply" and message.get("id") == self._last_id:
                break
            self._sort(message)
            if self.goodbye is not None:
                raise ConnectionLost("The service said goodbye before it answered.")
        if not message["ok"]:
            raise RequestRefused(message)
        return message

    def subscribe(
        self,
        *topics: str,
        policy: Policy = "drop_oldest",
        last_seq: Mapping[str, int] | None = None,
        run: str | None = None,
    ) -> dict[str, Any]:
        """Take messages of these topics from now on, and what was missed since ``last_seq``."""
        more = {} if last_seq is None else {"last_seq": dict(last_seq), "run": run}
        return self.request("subscribe", topics=list(topics), policy=policy, **more)

    def unsubscribe(self, *topics: str) -> dict[str, Any]:
        """Take messages of these topics no more."""
        return self.request("unsubscribe", topics=list(topics))

    def teach(self, label: str | None) -> dict[str, Any]:
        """Say what is shown from now on; None: nobody says."""
        return self.request("teach", label=label)

    def learn(self, on: bool) -> dict[str, Any]:
        """Switch learning on or off."""
        return self.request("learn", on=on)

    def checkpoint(self) -> dict[str, Any]:
        """Write the learner to disk; the answer has its ``path``."""
        return self.request("checkpoint")

    def status(self) -> dict[str, Any]:
        """How things stand, under ``status`` in the answer."""
        return self.request("status")

    def play(
        self,
        name: str,
        *,
        start_us: int = 0,
        stop_us: int | None = None,
        speed: float | None = None,
    ) -> dict[str, Any]:
        """Show an excerpt from the service's shelf; answered when it has been computed."""
        return self.request("play", name=name, start_us=start_us, stop_us=stop_us, speed=speed)

    # -- inside ----------------------------------------------------------------------------------

    def _sort(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "goodbye":
                self.goodbye = message
            case "reply" | "beat":
                pass  # a reply of a request that was interrupted: nobody waits for it
            case _:
                if len(self._kept) >= self._most:
                    self._kept.popleft()
                    self.missed += 1
                self._kept.append(message)

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.sendall(encode(message))
        except (BrokenPipeError, ConnectionResetError):
            pass  # an error or a goodbye may still be there to read
        except OSError as error:
            raise ConnectionLost(f"The connection broke: {error.strerror or error}.") from error

    def _receive(self) -> dict[str, Any]:
        while (payload := self._framer.take()) is None:
            try:
                data = self._socket.recv(64 * 1024)
            except TimeoutError:
                raise ConnectionLost("The service said nothing within the time allowed.") from None
            except OSError as error:
                raise ConnectionLost(f"The connection broke: {error.strerror or error}.") from error
            if not data:
                raise ConnectionLost("The service closed the connection without a goodbye.")
            self._framer.feed(data)
        message = decode(payload)
        if message.get("type") == "error":
            raise ProtocolError(str(message.get("code")), str(message.get("message")))
        return message
