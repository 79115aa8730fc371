"""`spikewire demo`: a simulated camera, a network that learns, and a watcher, in one terminal.

Nothing is prepared: an untrained network is taught by the simulator first, then recognises its
gestures live. Both go the real way: source, pipeline, TCP socket, subscriber.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer
from rich.console import Console

from apps._errors import DONE
from apps._follow import Follower
from apps._open import load_kernels, open_network
from apps._options import DEFAULT_MODEL
from apps._present import REDRAW_S, Presenter, presenter
from apps._quantities import say_us
from apps._record import save_picture
from apps._say import console
from apps._tap import Tap
from apps._view import share

if TYPE_CHECKING:
    from qcore import Network
    from runtime import Service

# Simulated time in which the untrained network is shown each of 11 gestures twice. Measured: right
# 52 to 73 % of the time after one showing, 84 to 90 % after two.
_LESSONS_S = 66.0


@dataclass(slots=True)
class _Stage:
    """What is on show: redrawn by one task while another feeds it."""

    follower: Follower
    tap: Tap
    progress: Callable[[], float]
    footer: str


def demo(
    seconds: Annotated[
        float, typer.Option(min=0, help="Length of the live part; 0: until Ctrl-C.")
    ] = 30.0,
    lessons: Annotated[
        float, typer.Option(min=1, help="Simulated seconds of teaching beforehand.")
    ] = _LESSONS_S,
    seed: Annotated[int, typer.Option(min=0, help="Of the network and the simulation.")] = 1,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Save the last picture as SVG.")
    ] = None,
) -> None:
    """Teach gestures to an untrained network, then watch it recognise them. No camera needed."""
    try:
        load_kernels()
        trio.run(partial(_demo, seconds, lessons, seed, record))
    except KeyboardInterrupt:
        # Before the service listens for Ctrl-C itself there is nothing to put in order.
        pass
    raise typer.Exit(DONE)


async def _demo(seconds: float, lessons: float, seed: int, record: Path | None) -> None:
    from sensors import SimSource

    out = console()
    camera = SimSource(seed=seed, speed=None)
    network = open_network(DEFAULT_MODEL, camera.classes, seed)
    teaching = Tap(camera, until_us=round(lessons * 1e6))
    # Another seed: the same person, but another order, other pixels and other noise.
    asking = Tap(SimSource(seed=seed + 1, speed=1.0))
    with presenter(out) as shown:
        stage = _Stage(
            Follower("teaching (1 of 2)"),
            teaching,
            lambda: teaching.seen_us / (lessons * 1e6),
            f"an untrained network learns {len(camera.classes)} gestures, faster than real time",
        )
        stopped = await _show(stage, network, shown, learn=True, seconds=0)
        if stopped:
            return
        began = trio.current_time()
        stage = _Stage(
            Follower("live (2 of 2)"),
            asking,
            (lambda: (trio.current_time() - began) / seconds) if seconds else (lambda: 0.0),
            "nothing is told any more; Ctrl-C ends",
        )
        await _show(stage, network, shown, learn=False, seconds=seconds)
    _conclude(stage, out, record)


async def _show(
    stage: _Stage, network: Network, shown: Presenter, *, learn: bool, seconds: float
) -> bool:
    """Run a service over the stage's camera, watched over its socket; tells if Ctrl-C ended it."""
    from runtime import Service, Settings, connect

    settings = Settings(port=0, labels="source", learn=learn, stats_every_s=0.5)
    service = Service(stage.tap, network, settings)
    reason = ""

    async def serve(*, task_status: trio.TaskStatus[Service]) -> None:
        nonlocal reason
        reason = (await service.serve(task_status=task_status)).reason

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        host, port = service.addresses[0]
        async with (
            connect(host, port, name="demo", subscribe=["result", "stats"]) as client,
            trio.open_nursery() as onlookers,
        ):
            onlookers.start_soon(_redraw, stage, shown)
            if seconds:
                onlookers.start_soon(_stop_after, service, seconds)
            async for message in client:
                stage.follower.take(message)
            onlookers.cancel_scope.cancel()
    return reason == "stopped"


async def _redraw(stage: _Stage, shown: Presenter) -> None:
    while True:
        scene = stage.follower.scene(progress=min(1.0, stage.progress()), footer=stage.footer)
        shown.show(scene, stage.tap.image.render())
        stage.tap.image.fade()
        await trio.sleep(REDRAW_S)


async def _stop_after(service: Service, seconds: float) -> None:
    await trio.sleep(seconds)
    service.stop("the demo is over")


def _conclude(stage: _Stage, out: Console, record: Path | None) -> None:
    tally = stage.follower.tally
    late: Any = tally.latency_us()
    out.print(
        f"The network was right {share(tally.right, tally.judged)} of the time"
        f" ({tally.judged} answers, latency {say_us(late) if late is not None else '-'})."
    )
    out.print("Now with your own events: spikewire run --help, or README.md.")
    if record is not None:
        save_picture(record, stage.follower.scene(footer=stage.footer), stage.tap.image)
