"""Messages of services in protocol 1, as clients check them.

A client asks for the fields that it or a command reads. Other fields may be missing, and unknown
ones are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from spikewire._names import name_fault, without_controls
from spikewire.runtime.errors import ProtocolError
from spikewire.runtime.protocol.frames import decode
from spikewire.runtime.protocol.messages import PROTOCOL

_LONGEST_FAULT = 300
_Number = int | float


class _Named(msgspec.Struct):
    """A message with names of classes."""

    def names(self) -> Iterable[str | None]:
        return ()


class _Hello(_Named):
    protocol: int
    run: str
    source: str
    classes: list[str]
    tick_us: int
    topics: list[str]
    limits: dict[str, _Number] = {}
    pipeline: str = ""
    pipelines: list[str] = []
    offers: list[str] = []
    input: tuple[int, int] = (0, 0)
    calibration: dict[str, int] = {}
    may: str = ""
    software: str = ""

    def __post_init__(self) -> None:
        if self.tick_us < 1:
            raise ValueError("tick_us is below 1")

    def names(self) -> Iterable[str | None]:
        return self.classes


class _OfTick(_Named):
    """A message of what was computed up to a tick."""

    seq: int
    tick: int
    t_us: int
    segment: int


class _Result(_OfTick):
    recognised: str | None = msgspec.field(name="class")
    scores: dict[str, int]
    truth: str | None
    label: str | None
    teaching: bool
    latency_us: _Number
    spikes: list[int] = []
    events: int | None = None

    def names(self) -> Iterable[str | None]:
        return (self.recognised, self.truth, self.label, *self.scores)


class _Ended(_Named):
    name: str = msgspec.field(name="class")
    segment: int
    since_us: int
    decided_us: int
    until_us: int
    confidence: int


class _Decision(_Named):
    seq: int
    t_us: int
    segment: int
    name: str = msgspec.field(name="class")
    since_us: int
    decided_us: int
    confidence: int
    overall: int
    shares: dict[str, int]
    scores: dict[str, int]
    truth: str | None
    leading: str | None = None
    runner_up: str | None = None
    margin: int | None = None
    ended: _Ended | None = None

    def names(self) -> Iterable[str | None]:
        ended = () if self.ended is None else (self.ended.name,)
        known = (self.name, self.truth, self.leading, self.runner_up)
        return (*known, *self.shares, *self.scores, *ended)


class _Stats(_Named):
    seq: int
    tick: int
    events_per_s: _Number
    drops: dict[str, int]
    source: dict[str, int] = {}
    latency_us: dict[str, _Number] | None = None


class _Source(msgspec.Struct):
    name: str
    state: str
    error: str | None
    replay: dict[str, Any] | None = None


class _Checkpoint(msgspec.Struct):
    path: str | None
    error: str | None


class _Status(_Named):
    state: str
    tick: int
    classes: list[str]
    labels: str
    label: str | None
    learn: bool
    source: _Source
    checkpoint: _Checkpoint
    recording: str | None = None

    def names(self) -> Iterable[str | None]:
        return (self.label, *self.classes)


class _StatusMessage(_Status, kw_only=True):
    seq: int


class _Learning(_Named):
    seq: int
    tick: int
    on: bool
    label: str | None
    updates: int = 0
    lessons: int = 0
    undo: str | None = None

    def names(self) -> Iterable[str | None]:
        return (self.label, self.undo)


class _Events(_OfTick):
    size: tuple[int, int]
    shape: tuple[int, int]
    on: bytes
    off: bytes

    def __post_init__(self) -> None:
        columns, rows = self.shape
        if min(columns, rows) < 1 or {len(self.on), len(self.off)} != {columns * rows}:
            raise ValueError("on and off do not have the image's shape")


class _Picture(_OfTick):
    size: tuple[int, int]
    shape: tuple[int, int]
    scale: int
    cells: bytes


class _Intervals(_OfTick):
    counts: list[int]


class _Spikes(_Named):
    seq: int
    first_tick: int
    ticks: int
    layers: list[dict[str, Any]]


class _Membrane(_Named):
    seq: int
    layer: int
    neuron: list[int]
    first_tick: int
    ticks: int


class _Other(_Named):
    seq: int


class _Gap(_Named):
    topic: str
    first: int
    last: int
    count: int


class _Goodbye(_Named):
    reason: str
    tick: int = 0


class _Reply(_Named):
    ok: bool
    id: int | str | None = None
    tick: int = 0
    code: str = ""
    message: str = ""


class _Error(_Named):
    code: str
    message: str


class _Span(msgspec.Struct):
    first: int
    last: int


class _Resumed(msgspec.Struct):
    resumed: int = 0
    gap: _Span | None = None


class _Subscribed(_Named):
    topics: list[str] = []
    seq: dict[str, int] = {}
    resume: dict[str, _Resumed] = {}


class _Unsubscribed(_Named):
    topics: list[str]


class _Changed(_Named):
    tick: int


class _Undone(_Changed):
    label: str

    def names(self) -> Iterable[str | None]:
        return (self.label,)


class _Written(_Changed):
    path: str | None


class _Asked(_Changed):
    status: _Status

    def names(self) -> Iterable[str | None]:
        return self.status.names()


class _Inspected(_Changed):
    layer: dict[str, Any]


class _Played(_Changed):
    segment: int
    first_tick: int
    events: int


_TYPES: Mapping[str, type[_Named]] = {
    "hello": _Hello, "reply": _Reply, "gap": _Gap, "goodbye": _Goodbye, "error": _Error,
    "beat": _Named,
}  # fmt: skip
_TOPICS: Mapping[object, type[_Named]] = {
    "result": _Result, "stats": _Stats, "status": _StatusMessage, "learning": _Learning,
    "decision": _Decision, "events": _Events, "picture": _Picture, "intervals": _Intervals,
    "spikes": _Spikes, "membrane": _Membrane,
}  # fmt: skip
_REPLIES: Mapping[str, type[_Named]] = {
    "subscribe": _Subscribed, "unsubscribe": _Unsubscribed, "teach": _Changed, "learn": _Changed,
    "undo": _Undone, "checkpoint": _Written, "record": _Written, "status": _Asked,
    "play": _Played, "replay": _Changed, "sim": _Changed, "filter": _Changed,
    "show": _Changed, "upload": _Changed, "inspect": _Inspected,
    "probe": _Changed,
}  # fmt: skip


def check_message(message: dict[str, Any]) -> bool:
    """Check a message of a service; return whether its type is known.

    Raises
    ------
    ProtocolError
        ``wrong_protocol`` or ``invalid``. The text names the field.
    """
    kind = message.get("type")
    if not isinstance(kind, str):
        raise _fault("message", "its type is no text")
    if kind == "message":
        topic = message.get("topic")
        if not isinstance(topic, str):
            raise _fault("message", "its topic is no text")
        _check(message, _TOPICS.get(topic, _Other), f"message of the topic {topic}")
        return True
    if kind not in _TYPES:
        return False
    if kind == "hello" and message.get("protocol") != PROTOCOL:
        spoken = without_controls(repr(message.get("protocol")))[:40]
        raise ProtocolError(
            "wrong_protocol",
            f"The service speaks protocol {spoken}; this client speaks protocol {PROTOCOL}.",
        )
    _check(message, _TYPES[kind], kind)
    return True


def check_greeting(payload: bytes) -> None:
    """Check the first payload of a service: its hello, or the error that refuses the client.

    Raises
    ------
    ProtocolError
        It is neither.
    """
    message = decode(payload)
    check_message(message)
    if message["type"] not in ("hello", "error"):
        raise ProtocolError("hello_first", "The service did not begin with a hello.")


def check_reply(request: str, reply: dict[str, Any]) -> None:
    """Check the fields of a reply that carried a request out.

    Raises
    ------
    ProtocolError
        ``invalid``. The text names the field.
    """
    if reply["ok"] and request in _REPLIES:
        _check(reply, _REPLIES[request], f"reply to {request}")


def _check(message: dict[str, Any], shape: type[_Named], what: str) -> None:
    try:
        checked = msgspec.convert(message, shape)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _fault(what, str(error)) from None
    for name in checked.names():
        if name is not None and (fault := name_fault(name)) is not None:
            raise _fault(what, f"the name of a class {fault}")


def _fault(what: str, why: str) -> ProtocolError:
    text = without_controls(f"The service's {what} is not one of protocol {PROTOCOL}: {why}")
    return ProtocolError("invalid", f"{text[:_LONGEST_FAULT]}.")
