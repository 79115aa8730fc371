"""Settings of a service."""

from __future__ import annotations

import ipaddress
import math
from typing import Literal

import msgspec

from spikewire.runtime.errors import SettingsError
from spikewire.sensors import DEFAULT_JUMP_S

DEFAULT_PORT = 7462


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of one service; every value is checked when it is made.

    Attributes
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    public
        Allow a host that other machines can reach. It needs a ``control_token``.
    watch_token, control_token
        Secrets that a hello, or a request for ``/metrics``, has to bring: the first allows to
        watch, the second everything. With neither, everybody who reaches the service may do
        everything.
    unix_path
        A Unix socket to listen on as well, for this user only.
    http_port
        Where ``/metrics`` and ``/healthz`` are, on the same host; None: nowhere.
    tls_cert, tls_key
        PEM files of a certificate (with its chain) and its key: TLS on the TCP port.
    labels
        Who names the class that is shown: ``client`` (teach requests) or ``source`` (the label
        that comes with the events).
    learn
        Whether learning is on at the start.
    learn_layers
        Whether lessons change layers that can learn (plastic ones, and the temporal layer) as well
        as the readout.
    steady_ms
        Window, in milliseconds of event time, over which the answer (topic ``decision``) averages
        scores.
    unknown
        How clear an answer has to be: ``off``, ``normal`` or ``strict``.
    still
        Spikes of layer 1 per millisecond from which something moves (None: by the rate of events,
        relative to the camera's own rates).
    add_classes
        Whether a label that the network does not know becomes a new class, and how many classes
        there may be (``most_classes``).
    at_end
        ``exit`` or ``stay`` when the source is over.
    gap_ms
        Event time, in milliseconds, that the network is given to come to rest between two
        segments of a stream.
    jump_s
        A step ahead in event time of more than so many seconds begins a new segment, and is
        counted as ``time_jumps``.
    queue_packets, queue_events
        How much may wait between the source and the network. A recording waits; a live source
        loses its oldest packets, counted.
    undo_lessons
        How many of the last lessons can be taken back, one after the other; each costs the memory
        of one network.
    preview_per_s
        Most messages a second of the topics ``events`` and ``spikes``.
    picture_bytes_per_s
        Most bytes a second of the topic ``picture``; beyond them its resolution falls, or its rate.
    upload_bytes
        Size limit of a recording that a client sends into ``record_folder``; 0: none may be sent.
    record_folder
        Where recordings go that clients ask for (None: none may be asked for).
    save_folder
        Where networks go that clients ask to save, where there is no ``checkpoint_folder`` (None:
        none may be asked for). Unlike a folder of checkpoints it belongs to no service, and nothing
        is saved there unasked.
    log_level, log_format
        What is logged: ``debug``, ``info``, ``warning`` or ``error`` and worse; as ``text``, or
        ``json``: a map a line.
    checkpoint_folder, checkpoint_every_s, checkpoint_keep
        Where checkpoints go (None: nowhere), how often (0: on request and at shutdown only), and
        how many of the newest are kept.
    stats_every_s
        Seconds between two messages of the stats topic.
    connections
        Most connections at a time that have said hello.
    strangers
        Most connections at a time that have not said hello; a newer one takes the oldest one's
        place.
    refusals_logged
        Most refusals and failed handshakes that are logged in 60 s; the others are told as a sum.
    frame_bytes
        Longest message accepted, in bytes.
    subscriber_messages, subscriber_bytes
        How much may wait for one slow subscriber, for each topic.
    history_messages, history_bytes
        How many of a topic's last messages are kept for subscribers that come back, and of how
        many bytes in all; 0 keeps none.
    heartbeat_s
        Seconds of silence after which a peer is sent a heartbeat; 0: never.
    hello_s, frame_s
        Seconds a peer has for its hello, and for the rest of a message that it began.
    stall_s
        Seconds without a packet after which a live source is called stalled, and seconds in one
        batch after which the network is; 0: never.
    drain_s
        Seconds at shutdown to compute what has arrived.
    goodbye_s
        Seconds at shutdown for subscribers to take what waits for them.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    public: bool = False
    watch_token: str | None = None
    control_token: str | None = None
    unix_path: str | None = None
    http_port: int | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    labels: Literal["client", "source"] = "client"
    learn: bool = True
    learn_layers: bool = True
    steady_ms: float = 300.0
    unknown: Literal["off", "normal", "strict"] = "normal"
    still: int | None = None
    add_classes: bool = True
    most_classes: int = 64
    at_end: Literal["exit", "stay"] = "exit"
    gap_ms: int = 300
    jump_s: float = DEFAULT_JUMP_S
    queue_packets: int = 256
    queue_events: int = 262_144
    undo_lessons: int = 4
    preview_per_s: float = 25.0
    picture_bytes_per_s: int = 4_000_000
    upload_bytes: int = 256 * 1024 * 1024
    record_folder: str | None = None
    save_folder: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    log_format: Literal["text", "json"] = "text"
    checkpoint_folder: str | None = None
    checkpoint_every_s: float = 60.0
    checkpoint_keep: int = 3
    stats_every_s: float = 1.0
    connections: int = 256
    strangers: int = 256
    refusals_logged: int = 20
    frame_bytes: int = 1024 * 1024
    subscriber_messages: int = 1024
    subscriber_bytes: int = 4 * 1024 * 1024
    history_messages: int = 1024
    history_bytes: int = 1024 * 1024
    heartbeat_s: float = 5.0
    hello_s: float = 5.0
    frame_s: float = 10.0
    stall_s: float = 5.0
    drain_s: float = 10.0
    goodbye_s: float = 2.0

    @property
    def wants_token(self) -> bool:
        """Whether peers have to bring a token."""
        return self.watch_token is not None or self.control_token is not None

    def __post_init__(self) -> None:
        _one_of("labels", self.labels, ("client", "source"))
        _one_of("at_end", self.at_end, ("exit", "stay"))
        _one_of("unknown", self.unknown, ("off", "normal", "strict"))
        _one_of("log_level", self.log_level, ("debug", "info", "warning", "error"))
        _one_of("log_format", self.log_format, ("text", "json"))
        for name in ("public", "learn", "learn_layers", "add_classes"):
            _one_of(name, getattr(self, name), (False, True))
        for name, least, most in _WHOLE:
            _whole(name, getattr(self, name), least, most)
        for name, low, high in _SECONDS:
            _seconds(name, getattr(self, name), low, high)
        if self.http_port is not None:
            _whole("http_port", self.http_port, 0, 65_535)
        if self.still is not None:
            _whole("still", self.still, 0, 1_000_000)
        _number("steady_ms", self.steady_ms, 0.0, 10_000.0, "milliseconds")
        _number("preview_per_s", self.preview_per_s, 1.0, 100.0, "messages a second")
        for name in ("checkpoint_folder", "record_folder", "save_folder"):
            folder = getattr(self, name)
            if folder is not None and (not isinstance(folder, str) or not folder.strip()):
                raise SettingsError(name, folder, "the path of a folder, or none")
        if not isinstance(self.host, str) or not self.host.strip():
            raise SettingsError("host", self.host, "a host name or an address")
        if not self.public and not _is_loopback(self.host):
            raise SettingsError(
                "host",
                self.host,
                "a loopback address such as 127.0.0.1, unless public is true: anybody who reaches "
                "the port can try to watch and teach",
            )
        for name in ("watch_token", "control_token"):
            _token(name, getattr(self, name))
        if not _is_loopback(self.host) and self.control_token is None:
            raise SettingsError(
                "control_token", None, f"a secret, where others can reach the host {self.host}"
            )
        if self.watch_token is not None and self.watch_token == self.control_token:
            raise SettingsError("watch_token", "...", "another secret than control_token")
        for name in ("unix_path", "tls_cert", "tls_key"):
            path = getattr(self, name)
            if path is not None and (not isinstance(path, str) or not path.strip()):
                raise SettingsError(name, path, "the path of a file, or none")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError("tls_key", self.tls_key, "set together with tls_cert")


def _token(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not 16 <= len(value) <= 256 or not value.isprintable():
        # The value itself stays out of the message: it may be nearly right.
        raise SettingsError(name, "...", "printable text of 16 to 256 characters, or none")


_WHOLE = (
    ("port", 0, 65_535),
    ("most_classes", 1, 1024),
    ("gap_ms", 0, 3_600_000),
    ("queue_packets", 1, 1_000_000),
    ("queue_events", 1, 1_000_000_000),
    ("undo_lessons", 0, 1000),
    ("upload_bytes", 0, 1 << 40),
    ("picture_bytes_per_s", 10_000, 1_000_000_000),
    ("checkpoint_keep", 1, 10_000),
    ("connections", 1, 100_000),
    ("strangers", 1, 100_000),
    ("refusals_logged", 0, 1_000_000),
    ("frame_bytes", 4096, 64 * 1024 * 1024),
    ("history_messages", 0, 1_000_000),
    ("history_bytes", 0, 1024**3),
    ("subscriber_messages", 1, 1_000_000),
    ("subscriber_bytes", 4096, 1024**3),
)
_SECONDS = (
    ("jump_s", 0.05, 1e9),
    ("checkpoint_every_s", 0.0, 86_400.0),
    ("stats_every_s", 0.05, 3600.0),
    ("heartbeat_s", 0.0, 3600.0),
    ("hello_s", 0.05, 3600.0),
    ("frame_s", 0.05, 3600.0),
    ("stall_s", 0.0, 86_400.0),
    ("drain_s", 0.0, 3600.0),
    ("goodbye_s", 0.0, 3600.0),
)


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    # A bool is wanted where a bool is allowed: 1 == True must not slip through.
    if not any(type(value) is type(choice) and value == choice for choice in allowed):
        raise SettingsError(name, value, " or ".join(repr(choice) for choice in allowed))


def _whole(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise SettingsError(name, value, f"a whole number from {least} to {most}")


def _seconds(name: str, value: object, least: float, most: float) -> None:
    _number(name, value, least, most, "seconds")


def _number(name: str, value: object, least: float, most: float, of: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most:  # type: ignore[arg-type,operator]
        raise SettingsError(name, value, f"a number of {of} from {least:g} to {most:g}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
