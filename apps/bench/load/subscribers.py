"""`spikewire bench subscribers`: many subscribers, some of which stall.

The same load is measured twice in one run: with healthy subscribers alone, and with stalled ones
beside them. The healthy subscribers must receive everything, without more delay. The service counts
the losses of the stalled ones, and tells each the exact number once it reads again.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import trio
import typer
from rich.table import Table

from spikewire.apps.bench.load import slow_subscribers, udp_sender
from spikewire.apps.bench.load.child_process import child, resident, udp_service
from spikewire.apps.bench.machine import machine
from spikewire.apps.cli.errors import DONE, CommandError
from spikewire.apps.cli.options.shared import Json, length_s
from spikewire.apps.cli.output import console, output_report, stderr_console
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels

_LIMIT_S = 600.0
MOST_RATIO = 1.2


def subscribers(
    healthy: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of healthy subscribers.")
    ] = 180,
    deaf: Annotated[int, typer.Option(min=1, max=200, help="Number of stalled subscribers.")] = 20,
    for_us: Annotated[
        int | None,
        typer.Option(
            "--for", metavar="TIME", parser=duration_us, help="Length of each phase (default: 20s)."
        ),
    ] = None,
    rate: Annotated[float, typer.Option(min=1e3, max=1e6, help="Events per second.")] = 50_000,
    as_json: Json = False,
) -> None:
    """Measure the effect of stalled subscribers on healthy ones."""
    seconds = length_s(for_us, default=20.0, least=1, most=600)
    load_kernels()
    phases = []
    for count in (0, deaf):
        phases.append(trio.run(partial(_phase, healthy, count, seconds, rate, quiet=as_json)))
    alone, crowd = phases
    lost = sum(subscriber["lost"] for subscriber in crowd["deaf"])
    report = {
        "bench": "subscribers", "machine": machine(), "healthy": healthy, "deaf": deaf,
        "alone": alone, "crowd": crowd,
        "p99_ratio": round(crowd["age_us"]["p99"] / alone["age_us"]["p99"], 3),
        "everything_received": alone["whole"] == crowd["whole"] == healthy,
        "lost_by_deaf": lost, "counted_by_service": crowd["dropped"],
        "counted_exactly": lost == crowd["dropped"],
    }  # fmt: skip
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


async def _phase(
    healthy: int, stalled: int, seconds: float, rate: float, *, quiet: bool
) -> dict[str, Any]:
    note = stderr_console()
    note.quiet = quiet
    note.print(f"{healthy} subscribers that read, {stalled} that do not, {seconds:g} s")
    with trio.fail_after(_LIMIT_S + seconds):
        async with udp_service() as (server, where, udp):
            crowd = child("crowd", slow_subscribers, *where, str(healthy), str(stalled))
            sender = child("sender", udp_sender, udp, str(rate), str(seconds))
            async with crowd as people, sender as camera:
                await people.read()
                await camera.read()
                memory = resident(server.pid)
                await camera.write({"go": True})
                await camera.read()
                dropped = (await _settled(where))["subscribers"]["dropped"]
                grown = resident(server.pid) - memory
                await people.write({"stop": True})
                received = await people.read()
                server.interrupt()
                await server.wait()
    return {**received, "dropped": dropped, "memory_grown_mb": round(grown / 1e6, 2)}


async def _settled(where: tuple[str, str]) -> dict[str, Any]:
    """Wait for two stats in a row between which nothing was published: all is counted then."""
    from spikewire.runtime import connect

    before: tuple[int, int] | None = None
    async with connect(where[0], int(where[1]), subscribe=["stats"]) as client:
        async for stats in client:
            now = int(stats["results"]), int(stats["subscribers"]["dropped"])
            if now == before:
                return stats
            before = now
    raise CommandError("the service ended before all was counted")


def _print(report: dict[str, Any]) -> None:
    out = console()
    table = Table("", "got everything", "p50", "p99", "server grew by")
    for name in ("alone", "crowd"):
        row = report[name]
        ages = [f"{row['age_us'][q] / 1000:.2f} ms" for q in ("p50", "p99")]
        whole = f"{row['whole']} of {row['healthy']}"
        table.add_row(name, whole, *ages, f"{row['memory_grown_mb']} MB")
    out.print(table)
    out.print(
        f"p99 {report['p99_ratio']:g} times that without the stalled ones (wanted: at most "
        f"{MOST_RATIO:g}); those lost {report['lost_by_deaf']:,} messages, the service counted "
        f"{report['counted_by_service']:,}"
    )
