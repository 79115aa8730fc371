"""Errors of services and clients; each message is a sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spikewire.errors import SpikewireError


class ServiceError(SpikewireError):
    """Base of this package's errors; the message is a sentence that can be shown as it is."""


class SettingsError(ServiceError):
    """A setting has a value that is not allowed.

    Attributes
    ----------
    setting, value, allowed
        The name of the setting, its value, and the allowed values.
    """

    def __init__(self, setting: str, value: object, allowed: str) -> None:
        super().__init__(f"Setting {setting} is {value!r}; allowed is {allowed}.")
        self.setting = setting
        self.value = value
        self.allowed = allowed


class ProtocolError(ServiceError):
    """The other side broke the protocol.

    Attributes
    ----------
    code
        The fault's name on the wire, as docs/protocol.md lists them.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ConnectionLost(ServiceError):  # noqa: N818 - what happened, not a mistake
    """The connection could not be made, or ended without a goodbye."""


class RequestRefused(ServiceError):  # noqa: N818 - the service's answer, not a mistake
    """The service answered a request with a refusal.

    Attributes
    ----------
    code
        The refusal's name on the wire.
    reply
        The whole answer.
    """

    def __init__(self, reply: Mapping[str, Any]) -> None:
        super().__init__(str(reply.get("message", "The service refused the request.")))
        self.code = str(reply.get("code", ""))
        self.reply = dict(reply)


class CheckpointError(ServiceError):
    """A checkpoint could not be written, or none could be read."""
