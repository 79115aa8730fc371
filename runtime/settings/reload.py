"""Settings that can change while a service runs."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from spikewire.runtime.settings.settings import Settings

RELOADABLE = frozenset(
    {
        "watch_token", "control_token", "tls_cert", "tls_key", "connections", "strangers",
        "refusals_logged", "frame_bytes", "subscriber_messages", "subscriber_bytes",
        "heartbeat_s", "hello_s", "frame_s", "checkpoint_every_s", "checkpoint_keep",
        "stats_every_s", "preview_per_s", "picture_bytes_per_s", "upload_bytes", "stall_s",
        "drain_s", "goodbye_s", "add_classes", "most_classes", "at_end", "log_level",
    }
)  # fmt: skip
"""Settings that are looked up when they are needed; a connection keeps those it began with."""


def reloadable(now: Settings, wanted: Settings) -> frozenset[str]:
    """Return the settings that can change: TLS cannot begin or end on an open port."""
    if (now.tls_cert is None) != (wanted.tls_cert is None):
        return RELOADABLE - {"tls_cert", "tls_key"}
    return RELOADABLE


def merged(now: Settings, wanted: Settings, overridden: Collection[str] = ()) -> Settings:
    """``now``, with what can change taken from ``wanted``, but for what is ``overridden``."""
    names = reloadable(now, wanted) - frozenset(overridden)
    return msgspec.structs.replace(now, **{name: getattr(wanted, name) for name in names})


def changed(now: Settings, wanted: Settings) -> tuple[list[str], list[str]]:
    """Settings that differ: those that change at once, and those that need a restart."""
    names = [
        field.name
        for field in msgspec.structs.fields(Settings)
        if getattr(now, field.name) != getattr(wanted, field.name)
    ]
    can = reloadable(now, wanted)
    return [n for n in names if n in can], [n for n in names if n not in can]
