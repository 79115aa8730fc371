"""Access to the dashboard: Host and Origin checks, and security headers."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def own_names(host: str, public: bool) -> frozenset[str]:
    """Return the host names of a server that listens on `host`, IP addresses aside."""
    names = {"localhost", host.lower()}
    if public:
        name = socket.gethostname().lower()
        names |= {name, f"{name}.local", socket.getfqdn().lower()}
    return frozenset(names)


def host_allowed(header: str | None, names: Iterable[str]) -> bool:
    """Tell whether a ``Host`` header names this server.

    Any IP address does. DNS rebinding, which makes a browser take a foreign page for one of this
    server, needs a name.
    """
    if not header:
        return False
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True


def origin_allowed(origin: str | None, host: str | None) -> bool:
    """Tell whether a WebSocket was opened by a page of this server."""
    if not origin or not host:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
