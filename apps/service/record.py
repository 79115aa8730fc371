"""`spikewire record`: a live source into a file, with or without a network beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import trio
import typer

from spikewire.apps.cli.errors import DONE
from spikewire.apps.cli.options import DEFAULT_MODEL, Classes, Filters, Json, Seed
from spikewire.apps.cli.output import console, json_line, remarks
from spikewire.apps.cli.signals import run_until_interrupted
from spikewire.apps.cli.sources import open_source_at
from spikewire.apps.cli.units import duration_us, say_bytes, say_us
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.service.run import check_target, run

if TYPE_CHECKING:
    from spikewire.sensors import Packet, Source


def record(
    target: Annotated[Path, typer.Argument(metavar="FILE.aedat4", help="The recording to write.")],
    source: Annotated[str, typer.Option("--source", "-s", help="As for `spikewire run`.")],
    for_us: Annotated[
        int | None,
        typer.Option("--for", metavar="TIME", parser=duration_us, help="Such as 10s."),
    ] = None,
    filters: Filters = None,
    speed: Annotated[
        str | None, typer.Option(metavar="FACTOR|max", help="Of a file or the simulator.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="FILE|PRESET", help="Run a network live as well, to watch and teach."),
    ] = None,
    classes: Classes = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of that network.")] = 7462,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write what a source delivers into an AEDAT 4.0 file, until Ctrl-C.

    The file can be read while it grows. With --model or --classes this is `spikewire run
    --record`: labels and all are written down, so that a replay gives the same results and weights.
    """
    check_target(target)
    if model is not None or classes is not None:
        run(
            source, model=model or DEFAULT_MODEL, classes=classes, port=port, seed=seed,
            speed=speed, filters=filters, record=target, for_us=for_us, as_json=as_json,
        )  # fmt: skip
    load_kernels()
    opened = open_source_at(source, speed, filters)
    counts: dict[str, int] = {}
    try:
        run_until_interrupted(partial(_capture, opened, target, for_us, counts))
    finally:
        if counts:
            _report(opened, target, counts, as_json)
    raise typer.Exit(DONE)


async def _capture(
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

    remarks().print(f"recording {source.name}; Ctrl-C ends it", markup=False, soft_wrap=True)
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
        json_line(
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
    told = f"{target}: {counts['events']:,} events, {say_us(span)}, {say_bytes(size)}"
    console().print(told, markup=False, soft_wrap=True)
    lost = ", ".join(f"{k} {v:,}" for k, v in counters.items() if k not in ("events", "packets"))
    if lost:
        console().print(f"counted: {lost}", markup=False, soft_wrap=True)
