"""`spikewire bench dashboards`: latency of a service with open dashboards.

The same load is measured several times in one run, in turns with and without open pages. A
subscriber measures the latency of both. The pages' server, and the WebSockets that read as pages
do, are processes of their own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Annotated, Any

import trio
import typer
from rich.table import Table

import spikewire
from spikewire.apps.bench.load import latency_listener, udp_sender, websocket_clients
from spikewire.apps.bench.load.child_process import child, udp_service
from spikewire.apps.bench.load.percentiles import percentiles
from spikewire.apps.bench.machine import machine
from spikewire.apps.cli.errors import DONE, CommandError
from spikewire.apps.cli.options.shared import Json, length_s
from spikewire.apps.cli.output import console, output_report, stderr_console
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels

_LIMIT_S = 600.0
MOST_RATIO = 1.2


def dashboards(
    pages: Annotated[int, typer.Option(min=1, max=100, help="Number of open pages.")] = 10,
    for_us: Annotated[
        int | None,
        typer.Option(
            "--for", metavar="TIME", parser=duration_us, help="Length of each phase (default: 15s)."
        ),
    ] = None,
    rate: Annotated[float, typer.Option(min=1e3, max=1e6, help="Events per second.")] = 100_000,
    rounds: Annotated[
        int, typer.Option(min=1, max=20, help="Rounds, each with and without pages.")
    ] = 3,
    as_json: Json = False,
) -> None:
    """Measure the effect of open dashboards on the latency of a service."""
    seconds = length_s(for_us, default=15.0, least=1, most=600)
    load_kernels()
    phases: list[dict[str, Any]] = []
    for _ in range(rounds):
        for count in (0, pages):
            phases.append(trio.run(partial(_phase, count, seconds, rate, quiet=as_json)))
    ages = {
        name: [age for one in phases if bool(one["pages"]) is some for age in one["ages"]]
        for name, some in (("alone", False), ("open", True))
    }
    report: dict[str, Any] = {
        "bench": "dashboards", "machine": machine(), "pages": pages, "rate": rate,
        "rounds": [{k: v for k, v in one.items() if k != "ages"} for one in phases],
        "age_us": {name: percentiles(values) for name, values in ages.items()},
    }  # fmt: skip
    alone, opened = report["age_us"]["alone"], report["age_us"]["open"]
    report["p99_ratio"] = round(opened["p99"] / alone["p99"], 3)
    report["p50_ratio"] = round(opened["p50"] / alone["p50"], 3)
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


async def _phase(pages: int, seconds: float, rate: float, *, quiet: bool) -> dict[str, Any]:
    note = stderr_console()
    note.quiet = quiet
    note.print(f"{pages} pages, {seconds:g} s")
    read: list[dict[str, int]] = []
    with trio.fail_after(_LIMIT_S + seconds):
        async with (
            udp_service() as (server, where, udp),
            child("listener", latency_listener, *where) as listener,
            child("sender", udp_sender, udp, str(rate), str(seconds)) as sender,
            AsyncExitStack() as stack,
        ):
            await listener.read()
            await sender.read()
            if pages:
                browsers = await stack.enter_async_context(_open(where, pages))
            await sender.write({"go": True})
            await sender.read()
            await trio.sleep(0.3)
            if pages:
                await browsers.write({"stop": True})
                read = (await browsers.read())["browsers"]
            server.interrupt()
            received = await listener.read()
            await server.wait()
    # The last two results were completed by the end of the stream, and waited for it.
    ages = received["ages"][:-2]
    if not ages or any(not one["messages"] for one in read):
        raise CommandError("a subscriber or a page got nothing")
    return {
        "pages": pages, "ages": ages, "lost": received["lost"], **percentiles(ages),
        "inside_us": percentiles(received["inside"][:-2]),
        "page_bytes_per_s": round(sum(one["bytes"] for one in read) / max(1, pages) / seconds),
    }  # fmt: skip


@asynccontextmanager
async def _open(where: tuple[str, str], pages: int) -> AsyncGenerator[Any]:
    address = ":".join(where)
    async with child(
        "dashboard", spikewire, "dashboard", "--json", "--http-port", "0", "-c", address
    ) as page:
        url = str((await page.read())["url"])
        async with child("browsers", websocket_clients, url, str(pages)) as browsers:
            await browsers.read()
            yield browsers


def _print(report: dict[str, Any]) -> None:
    out = console()
    table = Table("pages", "p50", "p99", "to each page")
    for row in report["rounds"]:
        ages = [f"{row[q] / 1000:.2f} ms" for q in ("p50", "p99")]
        sent = f"{row['page_bytes_per_s'] / 1e3:.0f} kB/s" if row["pages"] else ""
        table.add_row(str(row["pages"]), *ages, sent)
    out.print(table)
    out.print(
        f"p99 {report['p99_ratio']:g} times that without pages (wanted: at most {MOST_RATIO:g}), "
        f"p50 {report['p50_ratio']:g} times"
    )
