"""NATS servers and subjects by name: what is allowed, in sentences, before anything connects."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from spikewire.sensors.errors import SourceError

DEFAULT_PORT = 4222
LONGEST_SUBJECT = 200
_CREDENTIALS = "-----BEGIN NATS USER JWT-----"


class BrokerError(SourceError):
    """A NATS server cannot be used, or the connection to it was lost.

    Attributes
    ----------
    refused
        The server is there, and will not: trying the same again seldom helps.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class NatsServer:
    """Address and credentials of a NATS server; made by :func:`nats_server`.

    Attributes
    ----------
    urls
        Its addresses, with secrets; those of a cluster are tried in turn.
    name
        The first host and port: what may be printed.
    tls
        Whether it must speak TLS.
    credentials, ca
        Files: a user's credentials, and authorities to trust instead of the system's.
    """

    urls: tuple[str, ...] = field(repr=False)
    name: str
    tls: bool
    credentials: str | None = None
    ca: str | None = None


def nats_server(text: str, *, credentials: str | None = None, ca: str | None = None) -> NatsServer:
    """Read ``nats://HOST:PORT`` or ``tls://...``; several are separated by commas.

    ``USER:PASSWORD@`` or ``TOKEN@`` may stand before the host.

    Raises
    ------
    SourceError
        The address, or one of the files, cannot be what it should be.
    """
    urls, names, schemes = [], [], set()
    for part in text.split(","):
        url, name, scheme = _address(part.strip())
        urls.append(url)
        names.append(name)
        schemes.add(scheme)
    if len(schemes) > 1:
        raise SourceError("The servers of a cluster are all nats:// or all tls://, not both.")
    tls = schemes == {"tls"}
    if ca is not None and not tls:
        raise SourceError("Authorities to trust need an address tls://HOST:PORT.")
    if credentials is not None:
        _check_credentials(credentials)
    return NatsServer(tuple(urls), names[0], tls, credentials, ca)


def _address(text: str) -> tuple[str, str, str]:
    if "://" not in text:
        text = f"nats://{text}"
    wrong = "such as nats://127.0.0.1:4222 or tls://broker:4222"
    try:
        parts = urlsplit(text)
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        # The text is not repeated: it may hold a password.
        raise SourceError(f"That is no address of a NATS server; write one {wrong}.") from None
    if parts.scheme not in ("nats", "tls") or not parts.hostname or port == 0:
        raise SourceError(f"That is no address of a NATS server; write one {wrong}.")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise SourceError(f"The address of a NATS server ends after the port; write one {wrong}.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    secret = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{secret}{host}:{port}", f"{host}:{port}", parts.scheme


def _check_credentials(path: str) -> None:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"The NATS credentials in {path} cannot be read: {reason}.") from None
    if _CREDENTIALS not in text:
        raise SourceError(f"{path} holds no NATS credentials: it has no line {_CREDENTIALS!r}.")


def check_subject(text: str, *, what: str = "Subject prefix") -> str:
    """Return a subject that can be published to, or say what is wrong with it.

    Raises
    ------
    SourceError
        It has empty parts, wildcards, spaces, or belongs to the server itself.
    """
    if (
        not re.fullmatch(r"[^\s.*>\x00-\x1f\x7f]+(\.[^\s.*>\x00-\x1f\x7f]+)*", text)
        or len(text) > LONGEST_SUBJECT
        or text.startswith(("$", "_INBOX"))
    ):
        raise SourceError(
            f"{what} is {text[:80]!a}; allowed are names joined by dots, such as "
            f"spikewire.camera1: no spaces, no * and no >, up to {LONGEST_SUBJECT} characters, "
            "and not beginning with $ or _INBOX."
        )
    return text


def subject_name(text: str) -> str:
    """One part of a subject out of any text: ``udp://127.0.0.1:3333`` is ``udp-127-0-0-1-3333``."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:64] or "unnamed"
