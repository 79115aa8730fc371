"""`spikewire record`: a live source into a file, with or without a network beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import trio
import typer

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.options.groups import given, grouped
from spikewire.apps.cli.options.shared import (
    Duration,
    Json,
    NetworkOptions,
    SourceOptions,
)
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.signals import run_until_interrupted
from spikewire.apps.cli.sources import open_source_at
from spikewire.apps.cli.units import format_bytes, format_us
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.service.run import check_target, serve_pipelines
from spikewire.runtime import DEFAULT_PORT

if TYPE_CHECKING:
    from spikewire.sensors import Packet, Source


_SOURCE, _NETWORK = SourceOptions(), NetworkOptions()


@grouped
def record(
    target: Annotated[Path, typer.Argument(metavar="FILE.aedat4", help="Recording to write.")],
    source: SourceOptions = _SOURCE,
    for_us: Duration = None,
    network: NetworkOptions = _NETWORK,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the service with --model.")
    ] = DEFAULT_PORT,
    as_json: Json = False,
) -> None:
    """Record a source into an AEDAT 4.0 file until Ctrl-C.

    The file can be read while it grows. With --model or --classes the command runs a service as
    well, as `spikewire run --record`: the labels are recorded, too, and a replay gives the same
    results and weights.
    """
    if source.source is None:
        raise UsageError("there is nothing to record: give --source URI")
    if given(network).keys() & {"model", "classes"}:
        code = serve_pipelines(
            source, network, {"port": port}, record=target, for_us=for_us, as_json=as_json
        )
        raise typer.Exit(code)
    check_target(target)
    load_kernels()
    opened = open_source_at(source.source, source.speed, source.filters)
    counts: dict[str, int] = {}
    try:
        run_until_interrupted(partial(_write_source, opened, target, for_us, counts))
    finally:
        if counts:
            _report(opened, target, counts, as_json)
    raise typer.Exit(DONE)


async def _write_source(
    source: Source, target: Path, for_us: int | None, counts: dict[str, int]
) -> None:
    from spikewire.sensors import Aedat4Writer

    writer: Aedat4Writer | None = None
    begun: dict[int, int] = {}
    shift = 0
    last = 0

    async def write(packet: Packet) -> None:
        nonlocal writer, shift, last
        if not len(packet.events):
            return
        events = packet.events
        if packet.segment not in begun:
            begun[packet.segment] = int(events["t"][0])
            # A file has one time: where the source's begins anew, the file's goes on.
            if writer is not None and begun[packet.segment] + shift < last:
                shift = last + 1 - begun[packet.segment]
        if writer is None:
            writer = Aedat4Writer(target, packet.size)
        if shift:
            events = events.copy()
            events["t"] += shift
        await trio.to_thread.run_sync(writer.write, events)
        last = int(events["t"][-1])
        counts["events"] = writer.events
        counts.setdefault("first", int(events["t"][0]))
        counts["last"] = last
        counts["segments"] = len(begun)

    stderr_console().print(f"recording {source.name}; Ctrl-C ends it", markup=False, soft_wrap=True)
    counts["events"] = 0
    try:
        with trio.move_on_after(float("inf") if for_us is None else for_us / 1e6):
            await source.run(write)
    finally:
        if writer is not None:
            writer.close()


def _report(source: Source, target: Path, counts: dict[str, int], as_json: bool) -> None:
    span = counts.get("last", 0) - counts.get("first", 0)
    counters = {name: int(count) for name, count in source.counters.items() if count}
    size = target.stat().st_size if target.exists() else 0
    if as_json:
        print_json(
            {
                "type": "summary", "path": str(target), "events": counts["events"],
                "duration_us": span, "bytes": size, "segments": counts.get("segments", 0),
                "source": counters,
            }
        )  # fmt: skip
        return
    if not counts["events"]:
        console().print("no events came: nothing was written")
        return
    summary = f"{target}: {counts['events']:,} events, {format_us(span)}, {format_bytes(size)}"
    console().print(summary, markup=False, soft_wrap=True)
    lost = ", ".join(f"{k} {v:,}" for k, v in counters.items() if k not in ("events", "packets"))
    if lost:
        console().print(f"counted: {lost}", markup=False, soft_wrap=True)
