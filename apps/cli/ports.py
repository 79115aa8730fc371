"""The port of a service that a command starts itself."""

from __future__ import annotations

import socket

PAGE_PORT = 7480
"""Usual port of the dashboard's page."""


def free_port(wanted: int) -> int:
    """Return the wanted port, or 0 (any) where another service has it.

    Other commands look for a service at the usual port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def other_port_hint(address: str) -> str:
    """Return the hint to a user whose service is not where other commands look for one."""
    return f"another service has the usual port: other commands find this one with -c {address}"
