"""runtime: the live service.

A source's packets become ticks, a network computes and learns them in worker threads, and a
broker publishes the classes over protocol 1 (docs/protocol.md). :func:`serve` runs a service;
:func:`connect` and :class:`BlockingClient` talk to one, :func:`follow` across its restarts.

A name is loaded when it is first used: a program that is only a client compiles no kernels.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime._blocking import BlockingClient
    from runtime._bridge import Bridge
    from runtime._bridge_base import BridgeOptions
    from runtime._bridge_events import EventBridge
    from runtime._checkpoints import CheckpointStore, resume
    from runtime._client import Client, connect, converse
    from runtime._config import Configured, PipelineConfig, configure
    from runtime._contracts import RecordedPiece, Recorder
    from runtime._errors import (
        CheckpointError,
        ConnectionLost,
        ProtocolError,
        RequestRefused,
        ServiceError,
        SettingsError,
    )
    from runtime._following import Following, follow
    from runtime._messages import PROTOCOL, TOPICS
    from runtime._pipeline import ONLY, PIPELINE, Pipeline, Summary
    from runtime._retry import Retry
    from runtime._service import Service, serve
    from runtime._settings import DEFAULT_PORT, Settings
    from runtime._web import WebServer, address_of

# The only fields of a result that depend on the clock on the wall, not on the events.
WALL_CLOCK_FIELDS = frozenset({"latency_us"})

_HOME = {
    "BlockingClient": "_blocking",
    "Bridge": "_bridge",
    "BridgeOptions": "_bridge_base",
    "CheckpointError": "_errors",
    "CheckpointStore": "_checkpoints",
    "Client": "_client",
    "Configured": "_config",
    "ConnectionLost": "_errors",
    "DEFAULT_PORT": "_settings",
    "EventBridge": "_bridge_events",
    "Following": "_following",
    "ONLY": "_pipeline",
    "PIPELINE": "_pipeline",
    "PROTOCOL": "_messages",
    "Pipeline": "_pipeline",
    "PipelineConfig": "_config",
    "ProtocolError": "_errors",
    "RecordedPiece": "_contracts",
    "Recorder": "_contracts",
    "RequestRefused": "_errors",
    "Retry": "_retry",
    "Service": "_service",
    "ServiceError": "_errors",
    "Settings": "_settings",
    "SettingsError": "_errors",
    "Summary": "_pipeline",
    "TOPICS": "_messages",
    "WebServer": "_web",
    "address_of": "_web",
    "configure": "_config",
    "connect": "_client",
    "converse": "_client",
    "follow": "_following",
    "resume": "_checkpoints",
    "serve": "_service",
}

__all__ = [
    "DEFAULT_PORT",
    "ONLY",
    "PIPELINE",
    "PROTOCOL",
    "TOPICS",
    "WALL_CLOCK_FIELDS",
    "BlockingClient",
    "Bridge",
    "BridgeOptions",
    "CheckpointError",
    "CheckpointStore",
    "Client",
    "Configured",
    "ConnectionLost",
    "EventBridge",
    "Following",
    "Pipeline",
    "PipelineConfig",
    "ProtocolError",
    "RecordedPiece",
    "Recorder",
    "RequestRefused",
    "Retry",
    "Service",
    "ServiceError",
    "Settings",
    "SettingsError",
    "Summary",
    "WebServer",
    "address_of",
    "configure",
    "connect",
    "converse",
    "follow",
    "resume",
    "serve",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
