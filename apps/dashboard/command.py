"""`spikewire dashboard`: the page that shows a service and teaches it."""

from __future__ import annotations

import ipaddress
import webbrowser
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer

from spikewire.apps.cli.errors import DONE, CommandError, UsageError, reject_options
from spikewire.apps.cli.options.groups import given, grouped
from spikewire.apps.cli.options.shared import EndpointOptions, Json, NetworkOptions, SourceOptions
from spikewire.apps.cli.output import print_json, stderr_console
from spikewire.apps.cli.ports import PAGE_PORT, free_port, other_port_hint
from spikewire.apps.cli.signals import hand_back, run_until_interrupted
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.dashboard import serve_dashboard
from spikewire.apps.dashboard.folders import networks_folder, recordings_folder
from spikewire.apps.service.build import build_pipeline, configure, only_pipeline
from spikewire.apps.service.logs import log_to_stderr

if TYPE_CHECKING:
    from spikewire.runtime import Service, ServiceAddress

# A recording is shown as it was, and stays to be sought in.
_FOR_FILES = {"wait": True, "speed": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """Address and port of the page."""

    http_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65535,
            help="Port of the page; 0 takes a free one (default: 7480).",
        ),
    ] = None
    host: Annotated[str, typer.Option(help="Address at which the page is served.")] = "127.0.0.1"
    public: Annotated[
        bool, typer.Option("--public", help="Allow a --host that other machines can reach.")
    ] = False
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in this machine's browser.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServiceOptions:
    """The service that the dashboard runs with ``--source``."""

    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of that service; 0 takes a free one (default: 7462, or a free one).",
        ),
    ] = None
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of checkpoints, written each minute."),
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the newest checkpoint, if there is one.")
    ] = False
    record_folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of recordings (default: ~/.local/share/spikewire/recordings).",
        ),
    ] = None
    control_token: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the token that the service requires."),
    ] = None


_SERVICE, _PAGE, _SOURCE = EndpointOptions(connect=None), PageOptions(), SourceOptions()
_NETWORK, _OWN = NetworkOptions(model="gestures"), OwnServiceOptions()


@grouped
def dashboard(
    service: EndpointOptions = _SERVICE,
    page: PageOptions = _PAGE,
    source: SourceOptions = _SOURCE,
    network: NetworkOptions = _NETWORK,
    own: OwnServiceOptions = _OWN,
    as_json: Json = False,
) -> None:
    """Serve a web page that shows and teaches a running service, until Ctrl-C.

    With --source the command runs the service, too: `spikewire dashboard --source sim:`.
    """
    if source.source is not None and service != _SERVICE:
        raise UsageError("--source runs a service of its own: leave out --connect, --tls and --ca")
    if not page.public and not _loopback(page.host):
        raise UsageError(
            f"--host {page.host} can be reached from other machines; say --public if that is meant"
        )
    from spikewire.runtime import keep_ready

    if source.source is None:
        reject_options(
            {**given(own), **given(network), **given(source)},
            "is for a service that the dashboard runs: give --source, or leave it out",
        )
        address = service.address().address
        hand_back()
        run_until_interrupted(partial(Page(page, as_json).serve, address))
        raise typer.Exit(DONE)
    # Before the kernels, which a first start compiles: a mistake is told at once.
    served = _service(source, network, own)
    keep_ready(served.pipelines.values())
    load_kernels(service=True)
    usual = own.port is not None or served.settings.port != 0
    with log_to_stderr("warning", "text"):
        trio.run(serve_both, served, Page(page, as_json, other_port=not usual))
    for summary in served.summaries():
        for lost in (summary.checkpoint_error, summary.recording_error):
            if lost is not None:
                raise CommandError(lost.removesuffix("."))
    raise typer.Exit(DONE)


@dataclass(frozen=True, slots=True)
class Page:
    """The page and the announcement of its address."""

    options: PageOptions
    as_json: bool
    other_port: bool = False  # the service is ours, and not where other commands look for one

    async def serve(self, service: ServiceAddress) -> None:
        """Serve it until cancelled, and say where it is."""
        async with trio.open_nursery() as nursery:
            address = await nursery.start(
                partial(
                    serve_dashboard,
                    service,
                    self.options.host,
                    self.options.http_port,
                    public=self.options.public,
                )
            )
            self._announce(address, service)
            if self.options.open_browser:
                # Some browsers return at once, others when they are closed.
                nursery.start_soon(
                    partial(
                        trio.to_thread.run_sync, webbrowser.open, address, abandon_on_cancel=True
                    )
                )

    def _announce(self, address: str, service: ServiceAddress) -> None:
        if self.as_json:
            print_json({"type": "serving", "url": address, "service": str(service)})
            return
        out = stderr_console()
        if self.options.http_port is None and not address.endswith(f":{PAGE_PORT}"):
            out.print(f"port {PAGE_PORT} is in use; another one was taken", markup=False)
        out.print(f"dashboard at [link={address}]{address}[/]", soft_wrap=True)
        out.print(f"showing the service at {service}; Ctrl-C ends", markup=False, soft_wrap=True)
        if self.other_port:
            out.print(other_port_hint(str(service)), markup=False, soft_wrap=True)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _service(source: SourceOptions, network: NetworkOptions, own: OwnServiceOptions) -> Service:
    from spikewire.runtime import DEFAULT_PORT, ONLY, Service

    flags = {
        # The last events of the source stay visible.
        "at_end": "stay",
        # Where the usual port is free, other commands find this service without its address.
        "port": free_port(DEFAULT_PORT) if own.port is None else own.port,
        "checkpoint_folder": None if own.checkpoint is None else str(own.checkpoint),
        "record_folder": str(own.record_folder or recordings_folder()),
        "save_folder": str(networks_folder()),
        "control_token": own.control_token,
    }
    settings = configure(None, flags).settings
    assert source.source is not None
    wanted = only_pipeline(source.source, source, network, settings)
    return Service.from_pipelines(
        {ONLY: build_pipeline(wanted, own.resume, for_files=_FOR_FILES)}, settings
    )


async def serve_both(service: Service, page: Page) -> None:
    """Run the service, and its page until the service has said goodbye."""
    from spikewire.runtime import ServiceAddress

    async with trio.open_nursery() as nursery:

        async def serve(*, task_status: trio.TaskStatus[Any]) -> None:
            await service.serve(task_status=task_status)
            nursery.cancel_scope.cancel()

        await nursery.start(serve)
        nursery.start_soon(page.serve, ServiceAddress(*service.addresses[0]))
