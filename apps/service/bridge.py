"""`spikewire bridge`: a service's messages, or a source's events, through a NATS server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import typer

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Json, ServiceOptions
from spikewire.apps.cli.output import print_json, stderr_console
from spikewire.apps.cli.signals import run_until_stopped
from spikewire.apps.cli.sources import open_source_at
from spikewire.apps.cli.units import names

if TYPE_CHECKING:
    from spikewire.runtime import BridgeOptions, ReconnectingClient
    from spikewire.sensors import NatsServer

DEFAULT_TOPICS = "result,status"


class _Stoppable(Protocol):
    @property
    def counters(self) -> Mapping[str, int]: ...
    def stop(self) -> None: ...
    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsOptions:
    """The NATS server."""

    nats: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="SPIKEWIRE_NATS",
            help="NATS server: nats://[USER:PASSWORD@]HOST:PORT, or tls://...",
        ),
    ] = "nats://127.0.0.1:4222"
    nats_creds: Annotated[
        Path | None, typer.Option(metavar="FILE", help="NATS credentials of a user.")
    ] = None
    nats_ca: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Trusted authorities for tls://.")
    ] = None

    def server(self) -> NatsServer:
        """Return the server that the options describe.

        Raises
        ------
        UsageError
            The URL or a file is wrong.
        """
        from spikewire.sensors import SourceError, nats_server

        paths = {
            "credentials": None if self.nats_creds is None else str(self.nats_creds),
            "ca": None if self.nats_ca is None else str(self.nats_ca),
        }
        try:
            return nats_server(self.nats, **paths)
        except SourceError as error:
            raise UsageError(str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """Messages to be published, and the memory for them."""

    topics: Annotated[
        str,
        typer.Option(metavar="A,B,C", help="Topics of the service; * stands for any letters."),
    ] = DEFAULT_TOPICS
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="SUBJECT",
            help="Subject prefix (default: spikewire.HOST.SOURCE or .PIPELINE).",
        ),
    ] = None
    encoding: Annotated[
        Literal["msgpack", "json"], typer.Option("--as", help="Message encoding.")
    ] = "msgpack"
    stored: Annotated[
        bool,
        typer.Option("--stored", help="Wait for a JetStream stream to store each message."),
    ] = False
    most_messages: Annotated[
        int, typer.Option(min=2, help="Most messages kept while the server is away.")
    ] = 100_000
    most_mib: Annotated[
        int, typer.Option("--most-mib", min=1, help="Most MiB kept while the server is away.")
    ] = 64
    until_goodbye: Annotated[
        bool, typer.Option("--until-goodbye", help="End when the service ends.")
    ] = False

    def bridge_options(self) -> BridgeOptions:
        """Return the options as the bridge takes them.

        Raises
        ------
        UsageError
            The prefix is no NATS subject.
        """
        from spikewire.runtime import BridgeOptions
        from spikewire.sensors import SourceError, check_subject

        try:
            prefix = None if self.prefix is None else check_subject(self.prefix)
        except SourceError as error:
            raise UsageError(str(error)) from None
        return BridgeOptions(
            prefix=prefix, host=socket.gethostname(), encoding=self.encoding,
            most_messages=self.most_messages, most_bytes=self.most_mib << 20, stored=self.stored,
        )  # fmt: skip


_NATS, _PUBLISH, _SERVICE = NatsOptions(), PublishOptions(), ServiceOptions()


@grouped
def bridge(
    nats: NatsOptions = _NATS,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            "-s",
            metavar="URI",
            help="Publish the events of this source instead of a service's messages.",
        ),
    ] = None,
    publish: PublishOptions = _PUBLISH,
    service: ServiceOptions = _SERVICE,
    as_json: Json = False,
) -> None:
    """Publish the messages of a running service to a NATS server until Ctrl-C.

    Each message goes to the subject PREFIX.TOPIC, each gap to PREFIX.gap (docs/nats.md). With
    --source the source's events go to PREFIX.spif, and no service is needed.
    """
    from spikewire.runtime import Bridge, EventBridge
    from spikewire.sensors import NatsLink

    server = nats.server()
    stream: Callable[[], AbstractAsyncContextManager[ReconnectingClient]] = partial(
        service.address().follow, subscribe=names(publish.topics), name="bridge", notices=True,
        after_goodbye="end" if publish.until_goodbye else "wait",
    )  # fmt: skip
    options = publish.bridge_options()
    report = print_json if as_json else _report
    link = NatsLink(server)
    if source is not None:
        _run(EventBridge(open_source_at(source, None), link, options, report), as_json)
    else:
        _run(Bridge(stream, link, options, report), as_json)
    raise typer.Exit(DONE)


def _run(bridge: _Stoppable, as_json: bool) -> None:
    try:
        run_until_stopped(bridge.run, bridge.stop)
    finally:
        counters = {name: int(count) for name, count in bridge.counters.items() if count}
        if as_json:
            print_json({"type": "summary", **counters})
        elif counters:
            counts = ", ".join(f"{name} {count:,}" for name, count in counters.items())
            stderr_console().print(f"counted: {counts}", markup=False, soft_wrap=True)


def _report(message: Mapping[str, Any]) -> None:
    out = stderr_console()
    if message["type"] == "gap":
        lost = f"{message['count']:,} of {message['topic']} are lost"
        lost += f", {message['first']} to {message['last']}"
        out.print(f"gap: {lost}, by the {message['lost_by']}", markup=False, soft_wrap=True)
        return
    side = {"service": "the service", "source": "the source"}.get(message["side"], "NATS")
    if message["state"] == "lost":
        out.print(f"{side} is away: {message['reason']}", markup=False, soft_wrap=True)
    elif message.get("prefix"):
        out.print(
            f"{side} is there; publishing {message['prefix']}.*", markup=False, soft_wrap=True
        )
    else:
        waits = f"; {message['waiting']:,} messages wait" if message.get("waiting") else ""
        out.print(f"{side} is there{waits}", markup=False, soft_wrap=True)
