"""The names under which a web server answers: a defence against DNS rebinding."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


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
