"""`spikewire bench soak`: a service over a long run, with clients that come and go.

Each of these is a process: a sender of SPIF datagrams over UDP, a server with a learning `edge`, a
subscriber that measures latency, and clients that subscribe, send requests, disconnect and violate
the protocol. The server's memory, descriptors and threads are sampled every few seconds. At the end
the first stretch is compared with the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import trio
import typer

from spikewire.apps.bench.load import client_churn, latency_listener, udp_sender
from spikewire.apps.bench.load.child_process import Child, child, descriptors, resident, udp_service
from spikewire.apps.bench.load.percentiles import percentiles
from spikewire.apps.bench.machine import machine
from spikewire.apps.cli.errors import DONE, CommandError
from spikewire.apps.cli.figures import check_plot, new_figure
from spikewire.apps.cli.options.shared import Json, length_s
from spikewire.apps.cli.output import console, output_report, stderr_console
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels

_LIMIT_S = 600.0
# What the first seconds allocate (buffers, code that runs for the first time) is no leak.
_WARM_SHARE = 0.1
TARGETS = {"memory_growth": 0.02, "descriptors": 0, "latency_ratio": 1.1}


def soak(
    for_us: Annotated[
        int | None,
        typer.Option(
            "--for", metavar="TIME", parser=duration_us, help="Length of the run (default: 30min)."
        ),
    ] = None,
    rate: Annotated[float, typer.Option(min=1e3, max=1e7, help="Events per second.")] = 200_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the clients that come and go.")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw the run to this file (needs spikewire\\[plot])."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure memory, descriptors and latency of a service over a long run."""
    minutes = length_s(for_us, default=1800.0, least=6, most=600_000) / 60
    if plot is not None:
        check_plot(plot)
    load_kernels()
    figures = trio.run(partial(_run, minutes * 60, rate, seed, quiet=as_json))
    report = {
        "bench": "soak", "machine": machine(), "minutes": minutes, "rate": rate, **figures,
        "targets": TARGETS,
    }  # fmt: skip
    output_report(report, _print, as_json=as_json)
    if plot is not None:
        _plot(report, plot)
    raise typer.Exit(DONE)


async def _run(seconds: float, rate: float, seed: int, *, quiet: bool) -> dict[str, Any]:
    note = stderr_console()
    note.quiet = quiet
    samples: list[dict[str, Any]] = []
    with trio.fail_after(_LIMIT_S + seconds):
        async with (
            udp_service() as (server, where, udp),
            child("listener", latency_listener, *where) as listener,
            child("passers-by", client_churn, *where, str(seed)) as churn,
            child("sender", udp_sender, udp, str(rate), str(seconds)) as sender,
        ):
            for process in (listener, churn, sender):
                await process.read()
            before = descriptors(server.pid)
            await sender.write({"go": True})
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_sample, server, samples, max(1.0, seconds / 180), note)
                sent = await sender.read()
                nursery.cancel_scope.cancel()
            await churn.write({"stop": True})
            clients = (await churn.read())["clients"]
            await trio.sleep(1.0)
            after = descriptors(server.pid)
            server.interrupt()
            received = await listener.read()
            summary: dict[str, Any] = {}
            async for line in server.lines():
                summary = line
    if not received["ages"]:
        raise CommandError("the subscriber got no results")
    return {
        "sent_events": sent["events"], "sent_per_s": round(sent["events"] / sent["took_s"]),
        "late_datagrams": sent["late"], "computed": summary["events"], "drops": summary["drops"],
        "kernel_drops": summary["source"].get("kernel_drops", 0), "clients": clients,
        "results": len(received["ages"]), "results_lost": received["lost"],
        "descriptors": {"before": before, "after": after},
        "samples": samples,
        **_compared(samples, received, seconds),
    }  # fmt: skip


async def _sample(server: Child, samples: list[dict[str, Any]], every_s: float, note: Any) -> None:
    began = trio.current_time()
    while True:
        at = trio.current_time() - began
        sample = {
            "at_s": round(at, 1), "resident": resident(server.pid),
            "descriptors": descriptors(server.pid),
        }  # fmt: skip
        samples.append(sample)
        note.print(
            f"{at:7.0f} s  {sample['resident'] / 1e6:.1f} MB  {sample['descriptors']} descriptors",
            highlight=False,
        )
        await trio.sleep(every_s)


def _compared(
    samples: Sequence[dict[str, Any]], received: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Compare the first stretch after the warm-up with the last one, and list all stretches."""
    stretches = 20
    ages: list[list[int]] = [[] for _ in range(stretches)]
    at_us, before = 0, received["times"][0]
    for t, age in zip(received["times"], received["ages"], strict=True):
        # The low 32 bits of a time come round every 71.6 minutes; results are closer than that.
        at_us += (t - before) & 0xFFFFFFFF
        before = t
        ages[min(stretches - 1, int(at_us / 1e6 / seconds * stretches))].append(age)
    # The last two results were completed by the end of the stream, and waited for it.
    ages[-1] = ages[-1][:-2]
    by = [percentiles(part) for part in ages]
    first, last = by[int(_WARM_SHARE * stretches)], by[-1]
    warm = [sample["resident"] for sample in samples if sample["at_s"] >= _WARM_SHARE * seconds]
    edge = max(1, len(warm) // 9)
    early, late = sum(warm[:edge]) / edge, sum(warm[-edge:]) / edge
    return {
        "latency_us": by,
        "latency_ratio": {
            name: round(last[name] / first[name], 3) for name in ("p50", "p99") if first[name]
        },
        "resident": {"early": round(early), "late": round(late)},
        "memory_growth": round(late / early - 1, 4),
    }


def _plot(report: dict[str, Any], path: Path) -> None:
    figure = new_figure(9.0, 5.2)
    memory, latency = figure.subplots(2, 1, sharex=True)
    samples, minutes = report["samples"], report["minutes"]
    at = [sample["at_s"] / 60 for sample in samples]
    memory.plot(at, [sample["resident"] / 1e6 for sample in samples], color="#0072B2")
    memory.set(ylabel="resident memory (MB)")
    memory.set_ylim(0, 1.3 * max(sample["resident"] for sample in samples) / 1e6)
    open_files = memory.twinx()
    open_files.plot(at, [sample["descriptors"] for sample in samples], color="#D55E00", alpha=0.6)
    open_files.set(ylabel="descriptors (orange)")
    open_files.set_ylim(0, 4 * max(sample["descriptors"] for sample in samples))
    by = report["latency_us"]
    middle = [(n + 0.5) * minutes / len(by) for n in range(len(by))]
    for name, colour in (("p50", "#0072B2"), ("p99", "#D55E00")):
        latency.plot(middle, [part[name] / 1000 for part in by], "o-", label=name, color=colour)
    latency.set(xlabel="minutes", ylabel="from event to subscriber (ms)")
    latency.set_ylim(bottom=0)
    latency.legend()
    for axes in (memory, latency):
        axes.grid(alpha=0.3)
    clients = sum(report["clients"].values())
    figure.suptitle(
        f"{report['sent_per_s']:,} events/s, learning; {clients:,} clients came and went"
    )
    figure.savefig(path, dpi=110)


def _print(report: dict[str, Any]) -> None:
    out = console()
    clients = ", ".join(f"{count:,} {name}" for name, count in report["clients"].items())
    out.print(f"{report['sent_per_s']:,} events/s for {report['minutes']:g} min; {clients}")
    early, late = (report["resident"][name] / 1e6 for name in ("early", "late"))
    out.print(
        f"memory {early:.1f} -> {late:.1f} MB ({report['memory_growth']:+.2%}; wanted: under "
        f"{TARGETS['memory_growth']:.0%})"
    )
    files = report["descriptors"]
    out.print(f"descriptors {files['before']} -> {files['after']}")
    ratio = report["latency_ratio"]
    last = report["latency_us"][-1]
    out.print(
        f"latency at the end p50 {last['p50'] / 1000:.2f} ms, p99 {last['p99'] / 1000:.2f} ms: "
        f"{ratio.get('p50')} and {ratio.get('p99')} times that at the start"
    )
    lost = ", ".join(f"{name} {count:,}" for name, count in report["drops"].items()) or "nothing"
    out.print(f"computed {report['computed']:,} of {report['sent_events']:,}; dropped: {lost}")
