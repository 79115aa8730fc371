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
from spikewire.apps.cli.warmup import compiling_shown
from spikewire.apps.service.run import check_recording_target, serve_pipelines
from spikewire.runtime import DEFAULT_PORT

if TYPE_CHECKING:
    from spikewire.sensors import Aedat4Writer, Packet, Source


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

    The file can be read while it grows. --for counts the time of the events; a source that sends
    none for so long ends the recording, too. With --model or --classes the command runs a service
    as well, as `spikewire run --record`: the labels are recorded, too, and a replay gives the same
    results and weights.
    """
    if source.source is None:
        raise UsageError("there is nothing to record: give --source URI")
    if given(network).keys() & {"model", "classes"}:
        code = serve_pipelines(
            source, network, {"port": port}, record=target, for_us=for_us, as_json=as_json
        )
        raise typer.Exit(code)
    check_recording_target("FILE.aedat4", target)
    opened = open_source_at(source.source, source.speed, source.filters)
    with compiling_shown() as tell:
        from spikewire._jit import prepare

        prepare(tell=tell)
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
    stderr_console().print(f"recording {source.name}; Ctrl-C ends it", markup=False, soft_wrap=True)
    counts["events"] = 0
    recorded = _Recorded(target, for_us, counts)
    try:
        async with trio.open_nursery() as nursery:
            if for_us is not None:
                nursery.start_soon(recorded.end_in_silence, nursery.cancel_scope)
            with recorded.scope:
                await source.run(recorded.write)
            nursery.cancel_scope.cancel()
    finally:
        recorded.close()


class _Recorded:
    """A file, and the part of a source's event time that it holds.

    Attributes
    ----------
    scope
        Cancelled when the file is as long as it shall be.
    """

    def __init__(self, target: Path, for_us: int | None, counts: dict[str, int]) -> None:
        self.scope = trio.CancelScope()
        self._target, self._for_us, self._counts = target, for_us, counts
        self._writer: Aedat4Writer | None = None
        self._segments: set[int] = set()
        self._shift = self._last = 0
        self._heard = trio.current_time()

    async def write(self, packet: Packet) -> None:
        """Write a packet, as far as it lies within the length of the recording."""
        from spikewire.sensors import Aedat4Writer

        events = packet.events
        if not len(events) or self.scope.cancel_called:
            return
        self._heard = trio.current_time()
        begins = int(events["t"][0])
        if packet.segment not in self._segments:
            self._segments.add(packet.segment)
            # A file has one time: where the source's begins anew, the file's goes on.
            if self._writer is not None and begins + self._shift < self._last:
                self._shift = self._last + 1 - begins
        if self._writer is None:
            self._writer = Aedat4Writer(self._target, packet.size)
            self._counts["first"] = begins
        if self._shift:
            events = events.copy()
            events["t"] += self._shift
        if self._for_us is not None:
            whole = len(events)
            events = events[: int(events["t"].searchsorted(self._counts["first"] + self._for_us))]
            if len(events) < whole:
                self.scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._writer.write, events)
        if len(events):
            self._last = int(events["t"][-1])
        self._counts |= {
            "events": self._writer.events, "last": self._last, "segments": len(self._segments),
        }  # fmt: skip

    async def end_in_silence(self, scope: trio.CancelScope) -> None:
        """End when the source has sent nothing for as long as the recording shall be."""
        assert self._for_us is not None
        patience = max(1.0, self._for_us / 1e6)
        heard = None
        while heard != self._heard:
            heard = self._heard
            await trio.sleep_until(heard + patience)
        scope.cancel()

    def close(self) -> None:
        """End the file, if there is one."""
        if self._writer is not None:
            self._writer.close()


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
