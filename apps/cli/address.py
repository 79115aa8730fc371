"""Where a running service is, as a command line says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.units import host_port

_UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class Door:
    """A service's address and what it takes to be let in.

    Attributes
    ----------
    shown : the address, as a person would say it.
    options : arguments of `runtime.connect`, `runtime.follow` and `runtime.BlockingClient`.
    """

    shown: str
    options: dict[str, Any]


def door(
    connect: str,
    tls: bool,
    ca: Path | None,
    token_file: Path | None,
    pipeline: str | None = None,
) -> Door:
    """Understand `--connect`, `--tls`, `--ca`, `--token-file` and `--pipeline`.

    Raises
    ------
    UsageError
        They contradict each other, or a file cannot be read.
    typer.BadParameter
        `--connect` is neither HOST:PORT nor unix:PATH.
    """
    options: dict[str, Any] = {}
    if connect.startswith(_UNIX):
        path = connect.removeprefix(_UNIX)
        if not path:
            raise UsageError("--connect unix: lacks the path of a socket, as in unix:/run/s.sock")
        if tls or ca is not None:
            raise UsageError("--tls and --ca are for HOST:PORT: a Unix socket has no TLS")
        options["unix_path"] = path
    else:
        options["host"], options["port"] = host_port(connect)
    if ca is not None and not ca.is_file():
        raise UsageError(f"--ca {ca}: there is no such file")
    if tls or ca is not None:
        options |= {"tls": True, "ca": None if ca is None else str(ca)}
    if token_file is not None:
        options["token"] = read_token(token_file)
    if pipeline is not None:
        options["pipeline"] = pipeline
    return Door(connect, options)


def read_token(path: Path | None) -> str | None:
    """Read a secret from a file: on a command line everybody could see it.

    Raises
    ------
    UsageError
        The file cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the token in {path} cannot be read: {error}") from None
