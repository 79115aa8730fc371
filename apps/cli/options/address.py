"""Address of a running service, from the options of a command."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from spikewire._compiling import announced_here
from spikewire.apps.cli.errors import UsageError, leaf_errors
from spikewire.apps.cli.output import stderr_console
from spikewire.apps.cli.units import host_port

if TYPE_CHECKING:
    from spikewire.runtime import Client, ReconnectingClient, ServiceAddress

_UNIX = "unix:"
_PAUSE_S = 0.2
_AnyClient = TypeVar("_AnyClient")


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
    wait_us
        How long to wait for a service that does not listen yet, in microseconds.
    """

    text: str
    address: ServiceAddress
    token: str | None = None
    pipeline: str | None = None
    wait_us: int = 0

    @asynccontextmanager
    async def connect(self, **options: Any) -> AsyncGenerator[Client]:
        """Connect as `runtime.connect` does, to a service that may still be starting.

        Raises
        ------
        runtime.ServiceError
            As `runtime.connect` does; where nothing listens, after ``wait_us``.
        """
        from spikewire.runtime import connect

        async with self._reached(lambda: connect(**self._keywords, **options)) as client:
            yield client

    @asynccontextmanager
    async def follow(self, **options: Any) -> AsyncGenerator[ReconnectingClient]:
        """Connect as `runtime.follow` does; see :meth:`connect`."""
        from spikewire.runtime import follow

        async with self._reached(lambda: follow(**self._keywords, **options)) as client:
            yield client

    @property
    def _keywords(self) -> dict[str, Any]:
        return {"host": self.address, "token": self.token, "pipeline": self.pipeline}

    @asynccontextmanager
    async def _reached(
        self, dial: Callable[[], AbstractAsyncContextManager[_AnyClient]]
    ) -> AsyncGenerator[_AnyClient]:
        """Dial until something listens, or the time is over, and tell the user once.

        The time begins anew while a command compiles here: it may be the service's first start.
        """
        from spikewire.runtime import ConnectionLost

        end = trio.current_time() + self.wait_us / 1e6
        told = False
        async with AsyncExitStack() as stack:
            while True:
                try:
                    client = await stack.enter_async_context(dial())
                    break
                except ConnectionLost as error:
                    if not _nobody_listens(error):
                        raise
                    if self.wait_us and announced_here():
                        end = trio.current_time() + self.wait_us / 1e6
                    if trio.current_time() >= end:
                        raise
                # A program reads one line on standard error: that of the failure.
                if not told and stderr_console().is_terminal:
                    told = True
                    text = f"waiting up to {self.wait_us / 1e6:g} s for a service at {self.text}"
                    stderr_console().print(f"{text} ...", style="dim", markup=False, soft_wrap=True)
                await trio.sleep(_PAUSE_S)
            yield client


def _nobody_listens(error: BaseException) -> bool:
    """Tell whether a connection failed as it does before a service has started."""
    cause = error.__cause__
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
    absent = ConnectionRefusedError | FileNotFoundError
    return cause is not None and all(isinstance(leaf, absent) for leaf in leaf_errors(cause))


def service_access(
    connect: str,
    tls: bool,
    ca: Path | None,
    token_file: Path | None,
    pipeline: str | None = None,
    wait_us: int = 0,
) -> ServiceAccess:
    """Read `--connect`, `--tls`, `--ca`, `--token-file`, `--pipeline` and `--wait`.

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
    return ServiceAccess(connect, address, read_token(token_file), pipeline, wait_us)


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
