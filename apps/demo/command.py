"""`spikewire demo`: a simulated camera, a network that learns, and a watcher, in one terminal.

The trained network recognises live, and a page in the browser shows it and teaches it. With
`--untrained` nothing is prepared: an untrained network is taught by the simulator first, then
recognises. Both go the real way: source, pipeline, TCP socket, subscriber.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import trio
import typer
from rich.console import Console

from spikewire.apps.cli.errors import DONE, CommandError, UsageError, check_target
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.shared import DEFAULT_MODEL
from spikewire.apps.cli.output import console, stderr_console
from spikewire.apps.cli.ports import free_port, other_port_hint
from spikewire.apps.cli.signals import stop_after
from spikewire.apps.cli.units import duration_us, format_us
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.dashboard.folders import networks_folder, recordings_folder
from spikewire.apps.demo.svg import save_picture
from spikewire.apps.service.build import make_recorder
from spikewire.apps.terminal.event_tap import EventTap
from spikewire.apps.terminal.live_state import LiveState
from spikewire.apps.terminal.scene import share
from spikewire.apps.terminal.screen import REDRAW_S, Presenter, open_presenter
from spikewire.runtime import DEFAULT_PORT

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.runtime import Service

# Simulated time in which the untrained network is shown each of 11 gestures twice. Measured: right
# 52 to 73 % of the time after one showing, 84 to 90 % after two.
_LESSONS_S = 66.0


@dataclass(slots=True)
class _Stage:
    """State of the display: redrawn by one task while another feeds it.

    learn and labels are the service's; port is where others can watch and teach.
    """

    live_state: LiveState
    tap: EventTap
    progress: Callable[[], float]
    footer: str
    labels: Literal["client", "source"]
    learn: bool
    port: int = 0
    other_port: bool = False  # others would look for its service where another one is


def demo(
    for_us: Annotated[
        int | None,
        typer.Option(
            "--for",
            metavar="TIME",
            parser=duration_us,
            help="Length of the live part; 0s runs until Ctrl-C (default: 0s on a terminal, else"
            " 30s).",
        ),
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Teach an untrained network first.")
    ] = False,
    lessons: Annotated[
        float | None,
        typer.Option(
            min=1,
            help=f"Simulated seconds of teaching with --untrained (default: {_LESSONS_S:g}).",
        ),
    ] = None,
    page: Annotated[
        bool,
        typer.Option("--page/--no-page", help="Serve the dashboard."),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the network and the simulation.")] = 4,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Save the last picture as SVG.")
    ] = None,
) -> None:
    """Show a network recognise simulated gestures, and teach it in the browser."""
    if lessons is not None and not untrained:
        raise UsageError("--lessons is for --untrained: the trained network needs none")
    if untrained and lessons is None:
        lessons = _LESSONS_S
    seconds = None if for_us is None else for_us / 1e6
    if record is not None:
        check_target("--record", record)
    try:
        network = _network(untrained, seed)
        network.keep_ready(learn=True)
        load_kernels(service=True)
        trio.run(partial(_demo, network, seconds, lessons, page, seed, record))
    except KeyboardInterrupt:
        # Before the service listens for Ctrl-C itself there is nothing to put in order.
        pass
    raise typer.Exit(DONE)


def _network(untrained: bool, seed: int) -> Network:
    if not untrained:
        return open_network("gestures", (), seed)
    from spikewire.sensors import SimSource

    return open_network(DEFAULT_MODEL, SimSource(seed=seed).classes, seed)


async def _demo(
    network: Network,
    seconds: float | None,
    lessons: float | None,
    page: bool,
    seed: int,
    record: Path | None,
) -> None:
    from spikewire.sensors import SimSource

    out = console()
    if seconds is None:
        seconds = 0.0 if out.is_terminal else 30.0
    with open_presenter(out) as presenter:
        if lessons is not None:
            camera = SimSource(seed=seed, speed=None)
            if await _teach(
                EventTap(camera, until_us=round(lessons * 1e6)), network, lessons, presenter
            ):
                return
        # Another seed: the same person, but another order, other pixels and other noise.
        stage = _live_stage(EventTap(SimSource(seed=seed + 1, speed=1.0)), seconds)
        await _show(stage, network, presenter, seconds=seconds, page=page)
    _conclude(stage, out, record)


async def _teach(tap: EventTap, network: Network, lessons: float, presenter: Presenter) -> bool:
    """Teach an untrained network; tells if Ctrl-C ended it."""
    stage = _Stage(
        LiveState("teaching (1 of 2)"),
        tap,
        lambda: tap.seen_us / (lessons * 1e6),
        f"an untrained network learns {len(network.classes)} gestures, faster than real time",
        labels="source",
        learn=True,
    )
    return await _show(stage, network, presenter, seconds=0, page=False)


def _live_stage(tap: EventTap, seconds: float) -> _Stage:
    began, port = trio.current_time(), free_port(DEFAULT_PORT)
    return _Stage(
        LiveState("live"),
        tap,
        (lambda: (trio.current_time() - began) / seconds) if seconds else (lambda: 0.0),
        "nothing is told any more; Ctrl-C ends",
        labels="client",
        learn=True,
        port=port,
        other_port=port == 0,
    )


async def _show(
    stage: _Stage, network: Network, presenter: Presenter, *, seconds: float, page: bool
) -> bool:
    """Run a service over the stage's camera, watched over its socket; tells if Ctrl-C ended it."""
    from spikewire.runtime import Service, Settings, connect

    settings = Settings(
        port=stage.port, labels=stage.labels, learn=stage.learn, stats_every_s=0.5,
        record_folder=str(recordings_folder()), save_folder=str(networks_folder()),
    )  # fmt: skip
    recorder = make_recorder(recordings_folder(), "demo", {"source": "sim:", "model": "gestures"})
    service = Service(stage.tap, network, settings, recorder=recorder)
    reason = ""

    async def serve(*, task_status: trio.TaskStatus[Service]) -> None:
        nonlocal reason
        reason = (await service.serve(task_status=task_status)).reason

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        host, port = service.addresses[0]
        if stage.other_port:
            stderr_console().print(other_port_hint(f"{host}:{port}"), markup=False, soft_wrap=True)
        async with (
            connect(host, port, name="demo", subscribe=["result", "decision", "stats"]) as client,
            trio.open_nursery() as onlookers,
        ):
            if page:
                await _serve_page(stage, host, port, onlookers)
            onlookers.start_soon(_redraw, stage, presenter)
            if seconds:
                onlookers.start_soon(stop_after, service, seconds, "the demo is over")
            async for message in client:
                stage.live_state.take(message)
            onlookers.cancel_scope.cancel()
    return reason == "stopped"


async def _serve_page(stage: _Stage, host: str, port: int, nursery: trio.Nursery) -> None:
    """Serve the dashboard and print its address, or why there is none."""
    from spikewire.apps.dashboard import serve_dashboard
    from spikewire.runtime import ServiceAddress

    try:
        address = await nursery.start(serve_dashboard, ServiceAddress(host, port))
    except CommandError as error:
        # The demo is worth seeing without it, too.
        stage.footer = "no page; Ctrl-C ends"
        stderr_console().print(f"no dashboard: {error}", markup=False, soft_wrap=True)
        return
    stage.footer = f"see it and teach it: {address}   Ctrl-C ends"
    stderr_console().print(f"dashboard at {address}", markup=False, soft_wrap=True)


async def _redraw(stage: _Stage, presenter: Presenter) -> None:
    while True:
        scene = stage.live_state.scene(progress=min(1.0, stage.progress()), footer=stage.footer)
        presenter.show(scene, stage.tap.image.render())
        stage.tap.image.fade()
        await trio.sleep(REDRAW_S)


def _conclude(stage: _Stage, out: Console, record: Path | None) -> None:
    counts = stage.live_state.counts
    late: Any = counts.latency_us()
    out.print(
        f"The network was right {share(counts.correct, counts.labelled)} of the time"
        f" ({counts.labelled} answers, latency {format_us(late) if late is not None else '-'})."
    )
    out.print("Now with your own events: docs/tutorial.md, or spikewire --help.")
    if record is not None:
        save_picture(record, stage.live_state.scene(footer=stage.footer), stage.tap.image)
