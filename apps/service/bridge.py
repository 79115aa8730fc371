"""`spikewire bridge`: what a running service says, or a source's events, through a NATS server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import typer

from spikewire.apps.cli.address import door
from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.options import DEFAULT_ADDRESS, Ca, Connect, Json, Tls, TokenFile
from spikewire.apps.cli.output import json_line, remarks
from spikewire.apps.cli.signals import run_until_stopped
from spikewire.apps.cli.sources import open_source_at
from spikewire.apps.cli.units import names

if TYPE_CHECKING:
    from spikewire.runtime import ReconnectingClient
    from spikewire.sensors import NatsServer

DEFAULT_TOPICS = "result,status"


class _Stoppable(Protocol):
    @property
    def counters(self) -> Mapping[str, int]: ...
    def stop(self) -> None: ...
    async def run(self) -> None: ...


def bridge(
    nats: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="SPIKEWIRE_NATS",
            help="nats://[USER:PASSWORD@]HOST:PORT, or tls://...",
        ),
    ] = "nats://127.0.0.1:4222",
    source: Annotated[
        str | None,
        typer.Option(
            "--source", "-s", help="Publish this source's events, instead of a service's messages."
        ),
    ] = None,
    connect: Connect = DEFAULT_ADDRESS,
    pipeline: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a service that has several (default: the first)."),
    ] = None,
    topics: Annotated[
        str, typer.Option(metavar="A,B,C", help="Of the service; * stands for any letters.")
    ] = DEFAULT_TOPICS,
    prefix: Annotated[
        str | None,
        typer.Option(metavar="SUBJECT", help="Default: spikewire.HOST.SOURCE (or .PIPELINE)."),
    ] = None,
    encoding: Annotated[
        Literal["msgpack", "json"], typer.Option("--as", help="What a message holds.")
    ] = "msgpack",
    stored: Annotated[
        bool, typer.Option("--stored", help="Wait until a JetStream stream has stored each.")
    ] = False,
    most_messages: Annotated[
        int, typer.Option(min=2, help="Kept at most while the server is away.")
    ] = 100_000,
    most_mib: Annotated[int, typer.Option("--most-mib", min=1, help="The same, in MiB.")] = 64,
    until_goodbye: Annotated[
        bool, typer.Option("--until-goodbye", help="End when the service does.")
    ] = False,
    nats_creds: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A user's NATS credentials.")
    ] = None,
    nats_ca: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Authorities to trust, for tls://.")
    ] = None,
    tls: Tls = False,
    ca: Ca = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Publish what a running service says to a NATS server, until Ctrl-C.

    Each message goes to the subject PREFIX.TOPIC, each gap to PREFIX.gap (docs/nats.md). With
    --source no service is needed: the source's events go to PREFIX.spif.
    """
    from spikewire.runtime import Bridge, BridgeOptions, EventBridge, follow
    from spikewire.sensors import NatsLink

    server = _server(nats, nats_creds, nats_ca)
    stream: Callable[[], AbstractAsyncContextManager[ReconnectingClient]] = partial(
        follow, **door(connect, tls, ca, token_file).options, subscribe=names(topics),
        name="bridge", pipeline=pipeline, notices=True,
        after_goodbye="end" if until_goodbye else "wait",
    )  # fmt: skip
    options = BridgeOptions(
        prefix=_prefix(prefix), host=socket.gethostname(), encoding=encoding,
        most_messages=most_messages, most_bytes=most_mib << 20, stored=stored,
    )  # fmt: skip
    tell = json_line if as_json else _tell
    link = NatsLink(server)
    if source is not None:
        _work(EventBridge(open_source_at(source, None), link, options, tell), as_json)
    else:
        _work(Bridge(stream, link, options, tell), as_json)
    raise typer.Exit(DONE)


def _server(url: str, credentials: Path | None, ca: Path | None) -> NatsServer:
    from spikewire.sensors import SourceError, nats_server

    paths = {
        "credentials": None if credentials is None else str(credentials),
        "ca": None if ca is None else str(ca),
    }
    try:
        return nats_server(url, **paths)
    except SourceError as error:
        raise UsageError(str(error)) from None


def _prefix(prefix: str | None) -> str | None:
    from spikewire.sensors import SourceError, check_subject

    try:
        return None if prefix is None else check_subject(prefix)
    except SourceError as error:
        raise UsageError(str(error)) from None


def _work(bridge: _Stoppable, as_json: bool) -> None:
    try:
        run_until_stopped(bridge.run, bridge.stop)
    finally:
        counted = {name: int(count) for name, count in bridge.counters.items() if count}
        if as_json:
            json_line({"type": "summary", **counted})
        elif counted:
            told = ", ".join(f"{name} {count:,}" for name, count in counted.items())
            remarks().print(f"counted: {told}", markup=False, soft_wrap=True)


def _tell(told: Mapping[str, Any]) -> None:
    out = remarks()
    if told["type"] == "gap":
        lost = f"{told['count']:,} of {told['topic']} are lost, {told['first']} to {told['last']}"
        out.print(f"gap: {lost}, by the {told['lost_by']}", markup=False, soft_wrap=True)
        return
    what = {"service": "the service", "source": "the source"}.get(told["side"], "NATS")
    if told["state"] == "lost":
        out.print(f"{what} is away: {told['reason']}", markup=False, soft_wrap=True)
    elif told.get("prefix"):
        out.print(f"{what} is there; publishing {told['prefix']}.*", markup=False, soft_wrap=True)
    else:
        waits = f"; {told['waiting']:,} messages wait" if told.get("waiting") else ""
        out.print(f"{what} is there{waits}", markup=False, soft_wrap=True)
