"""Address of a running service, from the options of a command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.units import host_port

if TYPE_CHECKING:
    from spikewire.runtime import ServiceAddress

_UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """Address of a service, with the token and the pipeline to ask for.

    Attributes
    ----------
    text
        The address as the user wrote it.
    address
        The address.
    token, pipeline
        Those of the options; None: the client's defaults.
    """

    text: str
    address: ServiceAddress
    token: str | None = None
    pipeline: str | None = None

    @property
    def keywords(self) -> dict[str, Any]:
        """Arguments of `runtime.connect`, `runtime.follow` and `runtime.BlockingClient`."""
        return {"host": self.address, "token": self.token, "pipeline": self.pipeline}


def service_access(
    connect: str,
    tls: bool,
    ca: Path | None,
    token_file: Path | None,
    pipeline: str | None = None,
) -> ServiceAccess:
    """Read `--connect`, `--tls`, `--ca`, `--token-file` and `--pipeline`.

    Raises
    ------
    UsageError
        They contradict each other, or a file cannot be read.
    typer.BadParameter
        `--connect` is neither HOST:PORT nor unix:PATH.
    """
    from spikewire.runtime import ServiceAddress

    if connect.startswith(_UNIX):
        path = connect.removeprefix(_UNIX)
        if not path:
            raise UsageError("--connect unix: lacks the path of a socket, as in unix:/run/s.sock")
        if tls or ca is not None:
            raise UsageError("--tls and --ca are for HOST:PORT: a Unix socket has no TLS")
        address = ServiceAddress(unix_path=path)
    else:
        host, port = host_port(connect)
        authorities = None if ca is None else str(ca)
        address = ServiceAddress(host, port, tls=tls or ca is not None, ca=authorities)
    if ca is not None and not ca.is_file():
        raise UsageError(f"--ca {ca}: there is no such file")
    return ServiceAccess(connect, address, read_token(token_file), pipeline)


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
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"the token in {path} cannot be read: {reason.lower()}") from None
