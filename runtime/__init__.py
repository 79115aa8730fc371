"""runtime: the live service.

A source's packets become ticks, a network computes and learns them in worker threads, and a
broker publishes the classes over protocol 1 (docs/protocol.md). :func:`serve` runs a service;
:func:`connect` and :class:`BlockingClient` talk to one.
"""

from runtime._blocking import BlockingClient
from runtime._checkpoints import CheckpointStore, resume
from runtime._client import Client, connect, converse
from runtime._config import Configured, configure
from runtime._contracts import RecordedPiece, Recorder
from runtime._errors import (
    CheckpointError,
    ConnectionLost,
    ProtocolError,
    RequestRefused,
    ServiceError,
    SettingsError,
)
from runtime._messages import PROTOCOL, TOPICS
from runtime._service import Service, Summary, serve
from runtime._settings import DEFAULT_PORT, Settings

# The only fields of a result that depend on the clock on the wall, not on the events.
WALL_CLOCK_FIELDS = frozenset({"latency_us"})

__all__ = [
    "DEFAULT_PORT",
    "PROTOCOL",
    "TOPICS",
    "WALL_CLOCK_FIELDS",
    "BlockingClient",
    "CheckpointError",
    "CheckpointStore",
    "Client",
    "Configured",
    "ConnectionLost",
    "ProtocolError",
    "RecordedPiece",
    "Recorder",
    "RequestRefused",
    "Service",
    "ServiceError",
    "Settings",
    "SettingsError",
    "Summary",
    "configure",
    "connect",
    "converse",
    "resume",
    "serve",
]
