"""runtime: the live service.

A source's packets become ticks, a network computes and learns them in worker threads, and a
broker publishes the classes over protocol 1 (docs/protocol.md). :func:`serve` runs a service;
:func:`connect` and :class:`BlockingClient` talk to one, :func:`follow` across its restarts.

A name is loaded when it is first used: a program that is only a client compiles no kernels.
"""

from typing import TYPE_CHECKING

from spikewire._lazy import lazy_names

if TYPE_CHECKING:
    from spikewire.runtime.bridge.base import BridgeOptions
    from spikewire.runtime.bridge.events import EventBridge
    from spikewire.runtime.bridge.fan_out import FanOut, SharedPage
    from spikewire.runtime.bridge.messages import Bridge
    from spikewire.runtime.checkpoints import CheckpointStore, resume
    from spikewire.runtime.client.asyncio_client import AsyncioClient, connect_asyncio
    from spikewire.runtime.client.blocking import BlockingClient
    from spikewire.runtime.client.client import Client, connect, converse
    from spikewire.runtime.client.reconnecting import ReconnectingClient, follow
    from spikewire.runtime.client.retry import Retry
    from spikewire.runtime.decision.calibrate import MarginCalibration, Told, answer_shares
    from spikewire.runtime.decision.filter import Decision, DecisionFilter, Standing
    from spikewire.runtime.decision.rules import (
        NORMAL,
        NOTHING,
        OFF,
        OTHER,
        STRICT,
        STRICTNESS,
        UNKNOWN,
        Rules,
        told_calibration,
        usual_motion,
    )
    from spikewire.runtime.decision.stream import DecisionStream
    from spikewire.runtime.errors import (
        CheckpointError,
        ConnectionLost,
        ProtocolError,
        RequestRefused,
        ServiceError,
        SettingsError,
    )
    from spikewire.runtime.interfaces import RecordedPiece, Recorder
    from spikewire.runtime.net.address import ServiceAddress
    from spikewire.runtime.net.asgi_server import AsgiServer, address_of
    from spikewire.runtime.pipeline.pipeline import ONLY, PIPELINE, Pipeline
    from spikewire.runtime.pipeline.summary import Summary
    from spikewire.runtime.protocol.frames import Framer, frame
    from spikewire.runtime.protocol.messages import PROTOCOL, TOPICS
    from spikewire.runtime.protocol.service_messages import check_greeting
    from spikewire.runtime.server.prepare import keep_ready
    from spikewire.runtime.server.service import Service, serve
    from spikewire.runtime.settings.load import Configured, PipelineConfig, load_settings
    from spikewire.runtime.settings.settings import DEFAULT_PORT, Settings

# The only fields of a result that depend on the clock on the wall, not on the events.
WALL_CLOCK_FIELDS = frozenset({"latency_us"})

_HOME = {
    "STRICT": "decision.rules",
    "OTHER": "decision.rules",
    "OFF": "decision.rules",
    "NORMAL": "decision.rules",
    "MarginCalibration": "decision.calibrate",
    "Told": "decision.calibrate",
    "answer_shares": "decision.calibrate",
    "DecisionStream": "decision.stream",
    "told_calibration": "decision.rules",
    "usual_motion": "decision.rules",
    "Standing": "decision.filter",
    "Rules": "decision.rules",
    "DecisionFilter": "decision.filter",
    "Decision": "decision.filter",
    "UNKNOWN": "decision.rules",
    "STRICTNESS": "decision.rules",
    "NOTHING": "decision.rules",
    "AsyncioClient": "client.asyncio_client",
    "BlockingClient": "client.blocking",
    "Bridge": "bridge.messages",
    "BridgeOptions": "bridge.base",
    "CheckpointError": "errors",
    "CheckpointStore": "checkpoints",
    "Client": "client.client",
    "Configured": "settings.load",
    "ConnectionLost": "errors",
    "DEFAULT_PORT": "settings.settings",
    "EventBridge": "bridge.events",
    "ReconnectingClient": "client.reconnecting",
    "FanOut": "bridge.fan_out",
    "SharedPage": "bridge.fan_out",
    "Framer": "protocol.frames",
    "ONLY": "pipeline.pipeline",
    "PIPELINE": "pipeline.pipeline",
    "PROTOCOL": "protocol.messages",
    "Pipeline": "pipeline.pipeline",
    "PipelineConfig": "settings.load",
    "ProtocolError": "errors",
    "RecordedPiece": "interfaces",
    "Recorder": "interfaces",
    "RequestRefused": "errors",
    "Retry": "client.retry",
    "Service": "server.service",
    "ServiceAddress": "net.address",
    "ServiceError": "errors",
    "Settings": "settings.settings",
    "SettingsError": "errors",
    "Summary": "pipeline.summary",
    "TOPICS": "protocol.messages",
    "AsgiServer": "net.asgi_server",
    "address_of": "net.asgi_server",
    "load_settings": "settings.load",
    "check_greeting": "protocol.service_messages",
    "connect": "client.client",
    "connect_asyncio": "client.asyncio_client",
    "converse": "client.client",
    "follow": "client.reconnecting",
    "frame": "protocol.frames",
    "keep_ready": "server.prepare",
    "resume": "checkpoints",
    "serve": "server.service",
}

__all__ = [
    "DEFAULT_PORT",
    "NORMAL",
    "NOTHING",
    "OFF",
    "ONLY",
    "OTHER",
    "PIPELINE",
    "PROTOCOL",
    "STRICT",
    "STRICTNESS",
    "TOPICS",
    "UNKNOWN",
    "WALL_CLOCK_FIELDS",
    "AsgiServer",
    "AsyncioClient",
    "BlockingClient",
    "Bridge",
    "BridgeOptions",
    "CheckpointError",
    "CheckpointStore",
    "Client",
    "Configured",
    "ConnectionLost",
    "Decision",
    "DecisionFilter",
    "DecisionStream",
    "EventBridge",
    "FanOut",
    "Framer",
    "MarginCalibration",
    "Pipeline",
    "PipelineConfig",
    "ProtocolError",
    "ReconnectingClient",
    "RecordedPiece",
    "Recorder",
    "RequestRefused",
    "Retry",
    "Rules",
    "Service",
    "ServiceAddress",
    "ServiceError",
    "Settings",
    "SettingsError",
    "SharedPage",
    "Standing",
    "Summary",
    "Told",
    "address_of",
    "answer_shares",
    "check_greeting",
    "connect",
    "connect_asyncio",
    "converse",
    "follow",
    "frame",
    "keep_ready",
    "load_settings",
    "resume",
    "serve",
    "told_calibration",
    "usual_motion",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
