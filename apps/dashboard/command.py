"""`spikewire dashboard`: the page that shows a service and teaches it."""

from __future__ import annotations

import ipaddress
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer

from spikewire.apps.cli.address import door as service_door
from spikewire.apps.cli.address import secret
from spikewire.apps.cli.errors import DONE, UsageError, refuse
from spikewire.apps.cli.logs import logging_to_person
from spikewire.apps.cli.options import DEFAULT_ADDRESS, Ca, Classes, Filters, Json, Tls
from spikewire.apps.cli.output import json_line, remarks
from spikewire.apps.cli.signals import hand_back, run_until_interrupted
from spikewire.apps.cli.units import names
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.dashboard import DASHBOARD_PORT, Door, serve_dashboard
from spikewire.apps.service.build import build
from spikewire.apps.service.ports import free_port, other_port_hint

if TYPE_CHECKING:
    from spikewire.runtime import Service

_MODEL = "gestures"
# A recording is shown as it was, and stays to be sought in.
_FOR_FILES = {"wait": True, "speed": 1.0}


def dashboard(
    connect: Annotated[
        str | None,
        typer.Option(
            "--connect",
            "-c",
            metavar="HOST:PORT|unix:PATH",
            help=f"Where the service listens (default: {DEFAULT_ADDRESS}).",
        ),
    ] = None,
    tls: Tls = False,
    ca: Ca = None,
    http_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Of the page; 0 takes a free one (default: 7480)."),
    ] = None,
    host: Annotated[str, typer.Option(help="Where the page listens.")] = "127.0.0.1",
    public: Annotated[
        bool, typer.Option("--public", help="Allow a --host that other machines reach.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in this machine's browser.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", "-s", help="Run a service on this source, too (as spikewire run does)."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Of that service; 0 takes a free one (default: 7462, or a free one).",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="FILE|NAME", help="The network of that service (default: gestures)."
        ),
    ] = None,
    classes: Classes = None,
    filters: Filters = None,
    speed: Annotated[
        str | None,
        typer.Option(metavar="FACTOR|max", help="Of a file (default: 1) or the simulator."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where Save puts the learner.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint, if there is one.")
    ] = False,
    record_folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where Record puts recordings.")
    ] = None,
    control_token: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The secret that the service of --source wants."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of a new network's weights (default: 0).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve a page that shows a running service and teaches it, until Ctrl-C.

    With --source it runs the service, too: `spikewire dashboard --source sim:` is all it takes.
    """  # fmt: skip
    if source is not None and (connect is not None or tls or ca is not None):
        raise UsageError("--source runs a service of its own: leave out --connect, --tls and --ca")
    if not public and not _loopback(host):
        raise UsageError(
            f"--host {host} can be reached from other machines; say --public if that is meant"
        )
    page = _Page(host, http_port, public, open_browser, as_json)
    if source is None:
        theirs = {
            "port": port, "model": model, "classes": classes, "filter": filters, "speed": speed,
            "checkpoint": checkpoint, "record-folder": record_folder,
            "control-token": control_token, "seed": seed, "resume": resume or None,
        }  # fmt: skip
        refuse(theirs, "is for a service that the dashboard runs: give --source, or leave it out")
        where = Door(**service_door(connect or DEFAULT_ADDRESS, tls, ca, None).options)
        hand_back()
        run_until_interrupted(partial(page.serve, where))
        raise typer.Exit(DONE)
    load_kernels()
    service = _service(
        source,
        model or _MODEL,
        names(classes),
        tuple(filters or ()),
        seed or 0,
        speed,
        {
            "checkpoint_folder": checkpoint,
            "record_folder": record_folder,
            "control_token": secret(control_token),
            "port": port,
        },
        resume,
    )
    page = replace(page, beside=port is None and service.settings.port == 0)
    with logging_to_person("warning", "text"):
        trio.run(_serve_both, service, page)
    raise typer.Exit(DONE)


@dataclass(frozen=True, slots=True)
class _Page:
    """What was asked for about the page."""

    host: str
    port: int | None
    public: bool
    open: bool
    as_json: bool
    beside: bool = False  # the service is ours, and not where other commands look for one

    async def serve(self, door: Door) -> None:
        """Serve it until cancelled, and say where it is."""
        async with trio.open_nursery() as nursery:
            address = await nursery.start(
                partial(serve_dashboard, door, self.host, self.port, public=self.public)
            )
            self._announce(address, door)
            if self.open:
                # Some browsers return at once, others when they are closed.
                nursery.start_soon(
                    partial(
                        trio.to_thread.run_sync, webbrowser.open, address, abandon_on_cancel=True
                    )
                )

    def _announce(self, address: str, door: Door) -> None:
        if self.as_json:
            json_line({"type": "serving", "url": address, "service": str(door)})
            return
        out = remarks()
        if self.port is None and not address.endswith(f":{DASHBOARD_PORT}"):
            out.print(f"port {DASHBOARD_PORT} is in use; another one was taken", markup=False)
        out.print(f"dashboard at [link={address}]{address}[/]", soft_wrap=True)
        out.print(f"showing the service at {door}; Ctrl-C ends", markup=False, soft_wrap=True)
        if self.beside:
            out.print(other_port_hint(str(door)), markup=False, soft_wrap=True)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _service(
    source: str,
    model: str,
    classes: tuple[str, ...],
    filters: tuple[str, ...],
    seed: int,
    speed: str | None,
    more: Mapping[str, Path | str | int | None],
    resume: bool,
) -> Service:
    from spikewire.runtime import (
        DEFAULT_PORT,
        ONLY,
        PipelineConfig,
        Service,
        SettingsError,
        load_settings,
    )

    # What the source showed last stays to be looked at. Where the usual port is free, other
    # commands find this service without being told where it is.
    flags: dict[str, Any] = {"at_end": "stay", "port": free_port(DEFAULT_PORT)}
    for name, value in more.items():
        if value is not None:
            flags[name] = str(value) if isinstance(value, Path) else value
    try:
        settings = load_settings(None, flags=flags).settings
    except SettingsError as error:
        raise UsageError(str(error)) from error
    wanted = PipelineConfig(
        ONLY, source, model, classes, filters, seed, speed, settings, frozenset()
    )
    return Service.from_pipelines({ONLY: build(wanted, resume, for_files=_FOR_FILES)}, settings)


async def _serve_both(service: Service, page: _Page) -> None:
    """Run the service, and its page until the service has said goodbye."""
    async with trio.open_nursery() as nursery:

        async def serve(*, task_status: trio.TaskStatus[Any]) -> None:
            await service.serve(task_status=task_status)
            nursery.cancel_scope.cancel()

        await nursery.start(serve)
        nursery.start_soon(page.serve, Door(*service.addresses[0]))
