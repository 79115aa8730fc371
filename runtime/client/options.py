"""Options that all clients have in common."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, TypedDict

from spikewire.runtime.client.notices import AfterGoodbye, Away
from spikewire.runtime.net.address import ServiceAddress, service_address
from spikewire.runtime.protocol.messages import PROTOCOL

TOKEN_VARIABLE = "SPIKEWIRE_TOKEN"


class ClientKeywords(TypedDict, total=False):
    """Keyword arguments of every client; :class:`ClientOptions` describes them."""

    token: str | None
    pipeline: str | None
    name: str
    tls: bool
    ca: str | None
    unix_path: str | None
    timeout_s: float
    buffer: int


class PatientKeywords(TypedDict, total=False):
    """Keyword arguments of :class:`BlockingClient`, which by default waits without a limit."""

    token: str | None
    pipeline: str | None
    name: str
    tls: bool
    ca: str | None
    unix_path: str | None
    timeout_s: float | None
    buffer: int
    after_goodbye: AfterGoodbye
    away: Away
    notices: bool


class FollowKeywords(ClientKeywords, total=False):
    """Keyword arguments of :func:`follow`; :class:`LossOptions` describes the last three."""

    after_goodbye: AfterGoodbye
    away: Away
    notices: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Options of a connection and of the client's hello.

    Attributes
    ----------
    token
        Secret that admits the client; None takes ``SPIKEWIRE_TOKEN`` from the environment.
    pipeline
        Name of the pipeline, where the service has several; None: its first.
    name
        Name of this client in the service's log.
    tls, ca
        Speak TLS, and trust the system's authorities or those of a PEM file.
    unix_path
        A Unix socket, instead of host and port.
    timeout_s
        Seconds that the service has to answer; None: no limit.
    buffer
        Messages kept until they are taken. Beyond it the oldest are lost, and a gap says so.
    """

    token: str | None = None
    pipeline: str | None = None
    name: str = "spikewire"
    tls: bool = False
    ca: str | None = None
    unix_path: str | None = None
    timeout_s: float | None = 10.0
    buffer: int = 4096

    def address(self, host: str | ServiceAddress, port: int) -> ServiceAddress:
        """Make the address of the service."""
        return service_address(host, port, self.unix_path, self.tls, self.ca)

    def hello(self) -> dict[str, Any]:
        """Make the first message of a connection."""
        token = os.environ.get(TOKEN_VARIABLE) if self.token is None else self.token
        chosen = {"token": token, "pipeline": self.pipeline}
        return {
            "type": "hello", "protocol": PROTOCOL, "client": self.name,
            **{field: value for field, value in chosen.items() if value is not None},
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOptions:
    """Behaviour of a client whose connection is lost.

    Attributes
    ----------
    after_goodbye
        Whether a goodbye is the end, or to ``wait`` for the service to come back.
    away
        Whether requests made while there is no connection ``wait`` for one or ``fail``.
    notices
        Deliver ``{"type": "lost", "reason"}`` (with the ``goodbye`` if there was one) and
        ``{"type": "back", "hello", "new_run", "away_s", "attempts"}`` among the messages.
    """

    after_goodbye: AfterGoodbye = "end"
    away: Away = "wait"
    notices: bool = False


def split_options(keywords: dict[str, Any]) -> tuple[ClientOptions, LossOptions]:
    """Sort keyword arguments into the two groups of options.

    Raises
    ------
    TypeError
        There is no option of that name.
    """
    loss = {name: keywords.pop(name) for name in LossOptions.__slots__ if name in keywords}
    return ClientOptions(**keywords), LossOptions(**loss)
