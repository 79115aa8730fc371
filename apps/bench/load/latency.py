"""`spikewire bench latency`: time from an event on the wire to its result in another process.

Three processes run beside this one: a sender of SPIF datagrams over UDP with event times of the
monotonic clock, a server with a learning `edge`, and a subscriber with the same clock. The age of a
result counts from the end of its tick. A tick is complete when a later event arrives, which takes a
fifth of a millisecond at 200,000 events/s.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import trio
import typer
from rich.table import Table

from spikewire.apps.bench.load import latency_listener, udp_sender
from spikewire.apps.bench.load.child_process import Child, child, udp_service
from spikewire.apps.bench.load.percentiles import percentiles
from spikewire.apps.bench.machine import machine
from spikewire.apps.cli.errors import DONE, CommandError
from spikewire.apps.cli.options.shared import Json, length_s
from spikewire.apps.cli.output import console, output_report, stderr_console
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels

_LIMIT_S = 900.0
TICK_US = 1000
TARGETS = {"p50_us": TICK_US + 1000, "p99_us": 5000, "replay_events_per_s": 3e6}


def latency(
    rate: Annotated[float, typer.Option(min=1e3, max=1e7, help="Events per second.")] = 200_000,
    for_us: Annotated[
        int | None,
        typer.Option(
            "--for",
            metavar="TIME",
            parser=duration_us,
            help="Length of the measurement (default: 20s).",
        ),
    ] = None,
    overload: Annotated[
        float,
        typer.Option(min=0, max=1e8, help="Events per second of the overload; 0 leaves it out."),
    ] = 4_000_000,
    as_json: Json = False,
) -> None:
    """Measure the age of results at their arrival, under load and under overload."""
    seconds = length_s(for_us, default=20.0, least=1, most=3600)
    load_kernels()
    report: dict[str, Any] = {"bench": "latency", "machine": machine(), "targets": TARGETS}
    report["load"] = trio.run(partial(_measure, rate, seconds, quiet=as_json))
    if overload:
        report["overload"] = trio.run(partial(_measure, overload, seconds / 2, quiet=as_json))
    report["replay"] = _replay()
    report["met"] = {
        "p50_us": report["load"]["age_us"]["p50"] < TARGETS["p50_us"],
        "p99_us": report["load"]["age_us"]["p99"] < TARGETS["p99_us"],
        "replay_events_per_s": report["replay"]["events_per_s"] >= TARGETS["replay_events_per_s"],
    }
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


async def _measure(rate: float, seconds: float, *, quiet: bool) -> dict[str, Any]:
    note = stderr_console()
    note.quiet = quiet
    note.print(f"{rate:,.0f} events/s for {seconds:g} s")
    with trio.fail_after(_LIMIT_S + seconds):
        async with (
            udp_service() as (server, where, udp),
            child("listener", latency_listener, *where) as listener,
            child("sender", udp_sender, udp, str(rate), str(seconds)) as sender,
        ):
            await listener.read()
            await sender.read()
            await sender.write({"go": True})
            sent = await sender.read()
            await trio.sleep(0.5)
            server.interrupt()
            received = await listener.read()
            summary = await _last(server)
    # The last two results were completed by the end of the stream, and waited for it.
    live = [n for n, t in enumerate(received["times"]) if (sent["last"] - t) & 0xFFFFFFFF < 1 << 31]
    ages, inside = ([received[name][n] for n in live] for name in ("ages", "inside"))
    if not ages:
        raise CommandError("the subscriber got no results")
    source = summary["source"]
    words = int(source["events"])
    dropped = {**summary["drops"], **{k: v for k, v in source.items() if k in _LOSSES and v}}
    arrived = sum(
        int(source.get(name, 0)) for name in ("datagrams", "kernel_drops", "unread_datagrams")
    )
    return {
        "rate": rate, "seconds": seconds, "sent_events": sent["events"],
        "sent_datagrams": sent["datagrams"], "sent_per_s": round(sent["events"] / sent["took_s"]),
        "late_datagrams": sent["late"], "received_events": words, "computed": summary["events"],
        "dropped": dropped, "updates": summary["updates"],
        "datagrams_accounted_for": arrived == sent["datagrams"],
        "events_accounted_for": words == summary["events"] + sum(summary["drops"].values()),
        "results": len(ages), "results_lost": received["lost"],
        "age_us": _summary(ages), "inside_us": _summary(inside),
    }  # fmt: skip


_LOSSES = (
    "kernel_drops",
    "unread_datagrams",
    "time_backwards",
    "out_of_bounds",
    "stale_tail",
    "time_missing",
)


def _summary(values: list[int]) -> dict[str, int]:
    return {**percentiles(values, ("p50", "p90", "p99")), "max": max(values)}


async def _last(server: Child) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    async for line in server.lines():
        summary = line
    if summary.get("type") != "summary":
        raise CommandError("the server ended without its last words")
    return summary


def _replay() -> dict[str, Any]:
    """Time the replay of ten seconds through a frozen network."""
    from spikewire.apps.cli.models import open_network
    from spikewire.apps.service.in_process import run_in_process
    from spikewire.sensors import Excerpt, FileSource, simulate, write_events

    events = simulate("air_drums", seconds=10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dat"
        write_events([events], path, (128, 128))
        best = float("inf")
        for _ in range(3):
            source = FileSource([Excerpt(path)])
            network = open_network("edge", ("a", "b"), 0)
            results: list[Any] = []
            began = time.perf_counter()
            trio.run(
                partial(
                    run_in_process, source, network, results.append, learn=False, labels="source"
                )
            )
            best = min(best, time.perf_counter() - began)
    return {
        "events": len(events), "results": len(results), "seconds": round(best, 4),
        "events_per_s": round(len(events) / best), "times_real_time": round(10 / best, 1),
    }  # fmt: skip


def _print(report: dict[str, Any]) -> None:
    out = console()
    table = Table("", "sent/s", "p50", "p90", "p99", "max", "computed", "dropped")
    for name in ("load", "overload"):
        if name not in report:
            continue
        row = report[name]
        ages = [f"{row['age_us'][q] / 1000:.2f} ms" for q in ("p50", "p90", "p99", "max")]
        lost = ", ".join(f"{k} {v:,}" for k, v in row["dropped"].items()) or "nothing"
        table.add_row(name, f"{row['sent_per_s']:,}", *ages, f"{row['computed']:,}", lost)
    out.print(table)
    replay = report["replay"]
    out.print(
        f"replay: {replay['events_per_s'] / 1e6:.2f} million events/s, "
        f"{replay['times_real_time']:g} times real time"
    )
    out.print(f"met: {', '.join(k for k, met in report['met'].items() if met) or 'nothing'}")
