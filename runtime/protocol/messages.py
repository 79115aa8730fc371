"""Messages of clients in protocol 1, checked field by field as they are decoded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from spikewire._names import LONGEST_NAME, name_fault
from spikewire.runtime.errors import ProtocolError

PROTOCOL = 1
TOPICS = (
    "result", "stats", "status", "learning", "decision", "events", "picture", "spikes", "membrane",
    "intervals",
)  # fmt: skip
_LONGEST_FAULT = 400

Policy = Literal["latest", "drop_oldest", "disconnect"]
_Id = (
    Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[str, msgspec.Meta(max_length=64)]
)
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
_Filter = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Path = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_Micros = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Index = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
# A name, or a pattern such as "*" or "stat*".
_Topics = Annotated[
    list[Annotated[str, msgspec.Meta(pattern=r"^[a-z*]{1,32}$")]], msgspec.Meta(max_length=16)
]
# No pattern: what a client saw last is of one topic.
_Topic = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{1,32}$")]
_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


def matching(patterns: Iterable[str]) -> list[str]:
    """Return the topics that names and patterns stand for, in the topics' order."""
    return [topic for topic in TOPICS if any(_fits(topic, one) for one in patterns)]


def _fits(topic: str, pattern: str) -> bool:
    # By hand: fnmatch compiles and keeps 32,768 patterns, which strangers choose here.
    head, *parts = pattern.split("*")
    if not parts:
        return topic == head
    at = len(head) if topic.startswith(head) else -1
    for part in parts[:-1]:
        if at < 0:
            return False
        found = topic.find(part, at)
        at = found + len(part) if found >= 0 else -1
    return 0 <= at <= len(topic) - len(parts[-1]) and topic.endswith(parts[-1])


def _check_topics(patterns: list[str]) -> None:
    for pattern in patterns:
        if not matching([pattern]):
            raise ValueError(f"topics holds {pattern!r}; there are {', '.join(TOPICS)}, and *")


def _check_speed(speed: float) -> None:
    if not 1e-3 <= speed <= 1e6:
        raise ValueError(
            "speed is a number from 0.001 to 1,000,000, or nil for as fast as possible"
        )


class _ClientMessage(msgspec.Struct, tag_field="type", forbid_unknown_fields=True):
    id: _Id | None = None


class Hello(_ClientMessage, tag="hello", kw_only=True):
    """The first message of a connection."""

    protocol: int
    client: Annotated[str, msgspec.Meta(max_length=128)] = ""
    token: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    pipeline: _Name | None = None


class Subscribe(_ClientMessage, tag="subscribe", kw_only=True):
    """Send these topics from now on, and what was missed since ``last_seq`` of ``run``."""

    topics: _Topics
    policy: Policy = "drop_oldest"
    last_seq: Annotated[dict[_Topic, _Seq], msgspec.Meta(max_length=16)] | None = None
    run: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    every_ms: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None

    def __post_init__(self) -> None:
        _check_topics(self.topics)
        if self.last_seq is not None:
            _check_topics(list(self.last_seq))
            if self.run is None:
                raise ValueError("last_seq needs run: numbers begin anew with each run")


class Unsubscribe(_ClientMessage, tag="unsubscribe", kw_only=True):
    """Send these topics no more."""

    topics: _Topics

    def __post_init__(self) -> None:
        _check_topics(self.topics)


class Teach(_ClientMessage, tag="teach", kw_only=True):
    """Name the class that is shown from now on; None: it is not known."""

    label: _Name | None
    lasting: bool = False
    lease_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] | None = None

    def __post_init__(self) -> None:
        # Names end up on the terminals of watching clients: no escape sequences.
        if self.label is not None and (fault := name_fault(self.label)) is not None:
            raise ValueError(f"label must be printable text, and not only spaces: it {fault}")


class Learn(_ClientMessage, tag="learn", kw_only=True):
    """Switch learning on or off."""

    on: bool


class Checkpoint(_ClientMessage, tag="checkpoint"):
    """Write the learner to disk."""


class Status(_ClientMessage, tag="status"):
    """Say how things stand."""


class Play(_ClientMessage, tag="play", kw_only=True):
    """Show an excerpt of a recording from the service's shelf."""

    name: _Path
    start_us: _Micros = 0
    stop_us: _Micros | None = None
    speed: float | None = None
    lasting: bool = False

    def __post_init__(self) -> None:
        if self.speed is not None:
            _check_speed(self.speed)
        if self.stop_us is not None and self.stop_us <= self.start_us:
            raise ValueError("stop_us must lie after start_us")


class Undo(_ClientMessage, tag="undo", kw_only=True):
    """Take back the last lesson, or the last so many."""

    lessons: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1


class Replay(_ClientMessage, tag="replay", kw_only=True):
    """Change the replay of a recording; fields that are left out stay."""

    paused: bool | msgspec.UnsetType = msgspec.UNSET
    position_us: _Micros | msgspec.UnsetType = msgspec.UNSET
    speed: float | msgspec.UnsetType | None = msgspec.UNSET
    loop: bool | msgspec.UnsetType = msgspec.UNSET
    step_us: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if not self.changes():
            raise ValueError(
                "replay changes paused, position_us, speed, loop or step_us: none was given"
            )
        if isinstance(self.speed, int | float):
            _check_speed(self.speed)

    def changes(self) -> dict[str, Any]:
        """Return the changes by name."""
        names = ("paused", "position_us", "speed", "loop", "step_us")
        told = {name: getattr(self, name) for name in names}
        return {name: value for name, value in told.items() if value is not msgspec.UNSET}


class Sim(_ClientMessage, tag="sim", kw_only=True):
    """Direct the person before the simulated camera; fields that are left out stay."""

    gesture: _Name | msgspec.UnsetType | None = msgspec.UNSET
    hold: bool | msgspec.UnsetType = msgspec.UNSET
    person: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | msgspec.UnsetType = msgspec.UNSET
    distance: float | msgspec.UnsetType = msgspec.UNSET
    light: float | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if not self.changes():
            raise ValueError("sim changes gesture, hold, person, distance or light: none was given")

    def changes(self) -> dict[str, Any]:
        """Return the changes by name."""
        names = ("gesture", "hold", "person", "distance", "light")
        told = {name: getattr(self, name) for name in names}
        return {name: value for name, value in told.items() if value is not msgspec.UNSET}


class Inspect(_ClientMessage, tag="inspect", kw_only=True):
    """Tell of a layer, of the weights of one of its channels, and of a class' readout on it."""

    layer: _Index
    channel: _Index | None = None
    label: _Name | None = None


class Probe(_ClientMessage, tag="probe", kw_only=True):
    """Choose the neuron that the topic ``membrane`` shows; None: none."""

    layer: _Index | None
    neuron: tuple[_Index, _Index, _Index] | None = None

    def __post_init__(self) -> None:
        if (self.layer is None) != (self.neuron is None):
            raise ValueError("probe takes layer and neuron together, or layer nil for none")


class Filter(_ClientMessage, tag="filter", kw_only=True):
    """Add a filter, or change the one of that number; without either, tell of all."""

    add: _Filter | msgspec.UnsetType = msgspec.UNSET
    number: Annotated[int, msgspec.Meta(ge=1, le=2**31)] | msgspec.UnsetType = msgspec.UNSET
    to: _Filter | msgspec.UnsetType = msgspec.UNSET
    on: bool | msgspec.UnsetType = msgspec.UNSET
    remove: Literal[True] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        told = self.changes()
        if "add" in told and len(told) > 1:
            raise ValueError("a filter is added with add alone")
        if "add" not in told and told and ("number" not in told or len(told) < 2):
            raise ValueError("filter changes the one of a number: to, on or remove say how")
        if "remove" in told and len(told) > 2:
            raise ValueError("a filter that is removed is not changed, too")

    def changes(self) -> dict[str, Any]:
        """Return the changes by name."""
        told = {name: getattr(self, name) for name in ("add", "number", "to", "on", "remove")}
        return {name: value for name, value in told.items() if value is not msgspec.UNSET}


class Show(_ClientMessage, tag="show", kw_only=True):
    """Show a recording of the service in the place of its source; None: the source again."""

    name: _Path | None


class Upload(_ClientMessage, tag="upload", kw_only=True):
    """Send a piece of a recording."""

    name: _Path
    size: Annotated[int, msgspec.Meta(ge=1, le=2**62)]
    at: Annotated[int, msgspec.Meta(ge=0, le=2**62)]
    data: bytes


class Beat(_ClientMessage, tag="beat"):
    """Say that the client is alive; never answered."""


class Record(_ClientMessage, tag="record", kw_only=True):
    """Begin or end writing down what is computed."""

    on: bool


Request = (
    Teach
    | Learn
    | Checkpoint
    | Status
    | Play
    | Undo
    | Replay
    | Record
    | Sim
    | Filter
    | Show
    | Upload
    | Inspect
    | Probe
)
ClientMessage = Hello | Subscribe | Unsubscribe | Beat | Request

_said: msgspec.msgpack.Decoder[ClientMessage] = msgspec.msgpack.Decoder(ClientMessage)


def decode_message(payload: bytes) -> ClientMessage:
    """Decode and check one message of a client.

    Raises
    ------
    ProtocolError
        ``malformed``: the bytes are not msgpack; ``invalid``: they are, but no message of
        protocol 1. The text names the fault and where it is.
    """
    try:
        return _said.decode(payload)
    except msgspec.ValidationError as error:
        # The fault may quote a megabyte of what was said.
        told = (
            str(error) if len(str(error)) <= _LONGEST_FAULT else f"{error!s:.{_LONGEST_FAULT}} ..."
        )
        raise ProtocolError("invalid", f"Not a message of protocol {PROTOCOL}: {told}.") from None
    except msgspec.DecodeError as error:
        raise ProtocolError("malformed", f"A frame is not one msgpack map: {error}.") from None
    except UnicodeDecodeError as error:
        raise ProtocolError("malformed", f"A frame's text is not UTF-8: {error}.") from None
    except RecursionError:
        raise ProtocolError("malformed", "A frame is nested too deeply.") from None


def error_reply(code: str, message: str) -> dict[str, Any]:
    """Make the body of a reply that refuses a request."""
    return {"ok": False, "code": code, "message": message}
