"""`spikewire` alone: the dashboard, before the simulated camera and each camera that is found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import trio
import typer

from spikewire.apps.cli.errors import DONE
from spikewire.apps.cli.options.shared import (
    TRAINED_MODEL,
    Json,
    NetworkOptions,
    SourceOptions,
)
from spikewire.apps.cli.output import print_note, stderr_console
from spikewire.apps.cli.ports import free_port
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.dashboard.command import Page, PageOptions, serve_both
from spikewire.apps.dashboard.folders import networks_folder, recordings_folder
from spikewire.apps.doctor.cameras import driver_devices, usb_devices
from spikewire.apps.service.build import build_pipeline, configure
from spikewire.apps.service.logs import log_to_stderr

if TYPE_CHECKING:
    from spikewire.runtime import Pipeline, Service, Settings

SIMULATED = "simulated camera"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that was found.

    Attributes
    ----------
    name
        Name of its pipeline, which the page offers.
    uri
        Its source.
    """

    name: str
    uri: str


def start(
    http_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65535,
            help="Port of the page (default: 7480).",
        ),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in this machine's browser.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Open the dashboard on the simulated camera and on each camera that is found.

    The same as spikewire without any word. The page offers a choice where a camera was found.
    Record and Save on the page write into ~/.local/share/spikewire.
    """
    from spikewire.runtime import keep_ready

    service = _service(find_cameras())
    keep_ready(service.pipelines.values())
    load_kernels(service=True)
    page = Page(PageOptions(http_port=http_port, open_browser=open_browser), as_json)
    with log_to_stderr("warning", "text"):
        trio.run(serve_both, service, page)
    raise typer.Exit(DONE)


def find_cameras() -> list[Camera]:
    """List the cameras that can be opened; print a note for each other one."""
    found, listed = [], driver_devices()
    for number, one in enumerate(listed or (), 1):
        if one["name"] is None and one["serial"] is None:
            print_note(f"cameras on USB cannot be listed: {one['error']}")
            continue
        name = one["name"] or "camera"
        if one["error"] is not None or one["serial"] is None:
            print_note(
                f"{name} cannot be opened: {one['error'] or 'it has no serial number'}; "
                "spikewire doctor says more"
            )
            continue
        words = re.sub(r"[^\w .-]", "", f"{name} {one['serial']}").strip() or f"camera {number}"
        found.append(Camera(words, f"camera:?serial={one['serial']}"))
    if listed is None:
        for device in usb_devices():
            print_note(
                f"{device.maker} {device.product} found; its driver comes with "
                "pip install 'spikewire[camera]'"
            )
    return found


def _service(cameras: list[Camera]) -> Service:
    from spikewire.runtime import DEFAULT_PORT, Service

    flags = {
        "at_end": "stay",
        "port": free_port(DEFAULT_PORT),
        "record_folder": str(recordings_folder()),
        "save_folder": str(networks_folder()),
    }
    settings = configure(None, flags).settings
    pipelines = {SIMULATED: _pipeline(SIMULATED, "sim:", settings)}
    for camera in cameras:
        try:
            pipelines[camera.name] = _pipeline(camera.name, camera.uri, settings)
        except Exception as error:
            # One camera that cannot be opened does not keep the others from being shown.
            print_note(f"{camera.name} cannot be opened: {error}")
    names = ", ".join(pipelines)
    stderr_console().print(f"sources: {names}", markup=False, soft_wrap=True)
    return Service.from_pipelines(pipelines, settings)


def _pipeline(name: str, uri: str, settings: Settings) -> Pipeline:
    from spikewire.runtime import PipelineConfig

    source, network = SourceOptions(source=uri), NetworkOptions(model=TRAINED_MODEL)
    wanted = PipelineConfig(
        name, uri, TRAINED_MODEL, (), (), network.seed, source.speed, settings, frozenset(),
        frozenset(),
    )  # fmt: skip
    return build_pipeline(wanted, resume=False)
