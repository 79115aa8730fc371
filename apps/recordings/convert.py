"""`spikewire convert`: a recording in another format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import Drop, Filters, FormatOptions, Json
from spikewire.apps.cli.output import console, print_json
from spikewire.apps.cli.warmup import patience

if TYPE_CHECKING:
    from spikewire.sensors import Events

_FORMAT = FormatOptions()


@grouped
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Recording of any format.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to be written; its suffix names the format.")
    ],
    format: FormatOptions = _FORMAT,
    filters: Filters = None,
    drop: Drop = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Convert a recording to another format, with the same events.

    OUT ends in .aedat4, .aedat (3.1), .bin (N-MNIST), .csv, .dat, .es, .npy or .raw (EVT 3.0).
    Nothing is written for a damaged recording; with --drop the events before the damage are.
    """
    with patience():
        from spikewire.sensors import (
            WRITABLE_FORMATS,
            DecodeError,
            SensorError,
            make_chain,
            open_recording,
            write_events,
        )
    if target.suffix.lower() not in WRITABLE_FORMATS:
        raise UsageError(f"{target} is of no format that is written: {', '.join(WRITABLE_FORMATS)}")
    if target.exists() and not force:
        raise UsageError(f"{target} exists already; give --force to replace it")
    recording = open_recording(
        source,
        size=format.sensor_size(),
        columns=format.columns,
        unit=format.unit,
        policy="drop" if drop else "raise",
    )
    try:
        chain = make_chain(filters or (), recording.size)
    except SensorError as error:
        raise UsageError(str(error)) from error
    damage: list[str] = []

    def chunks() -> Iterator[Events]:
        try:
            yield from map(chain.apply, recording.chunks())
        except DecodeError as error:
            if not drop:
                raise
            damage.append(str(error))

    count = write_events(chunks(), target, chain.size)
    lost = {**recording.counters, **chain.dropped}
    if as_json:
        print_json(
            {
                "type": "summary", "path": str(target),
                "format": WRITABLE_FORMATS[target.suffix.lower()], "events": count,
                "size": chain.size, "dropped": lost,
                "damage": damage[0] if damage else None,
            }
        )  # fmt: skip
    else:
        summary = f"{target}: {count:,} events, {WRITABLE_FORMATS[target.suffix.lower()]}"
        summary += "".join(f", {name} {n:,} dropped" for name, n in lost.items())
        console().print(summary, markup=False, soft_wrap=True)
        for sentence in damage:
            console().print(sentence, markup=False, soft_wrap=True)
    raise typer.Exit(DONE)
