"""`spikewire convert`: a recording in another format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.options import Columns, Filters, Json, Size, Unit
from spikewire.apps.cli.output import console, json_line
from spikewire.apps.cli.units import sensor_size
from spikewire.apps.cli.warmup import patience

if TYPE_CHECKING:
    from spikewire.sensors import Events


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A recording of any format.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="Its name's end says the format to write.")
    ],
    size: Size = None,
    columns: Columns = None,
    unit: Unit = None,
    filters: Filters = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Leave out events that break a rule, and count them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a recording in another format, with the same events.

    OUT ends in .aedat4, .aedat (3.1), .bin (N-MNIST), .csv, .dat, .es, .npy or .raw (EVT 3.0). A
    damaged recording writes nothing: give --drop to keep what is before the damage.
    """
    with patience():
        from spikewire.sensors import (
            DecodeError,
            SensorError,
            make_chain,
            open_recording,
            write_events,
        )
        from spikewire.sensors.recordings.writers import MAKES
    if target.suffix.lower() not in MAKES:
        raise UsageError(f"{target} is of no format that is written: {', '.join(MAKES)}")
    if target.exists() and not force:
        raise UsageError(f"{target} exists already; give --force to replace it")
    recording = open_recording(
        source,
        size=None if size is None else sensor_size(size),
        columns=columns,
        unit=unit,
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
        json_line(
            {
                "type": "summary", "path": str(target), "format": MAKES[target.suffix.lower()],
                "events": count, "size": chain.size, "dropped": lost,
                "damage": damage[0] if damage else None,
            }
        )  # fmt: skip
    else:
        told = f"{target}: {count:,} events, {MAKES[target.suffix.lower()]}"
        told += "".join(f", {name} {n:,} dropped" for name, n in lost.items())
        console().print(told, markup=False, soft_wrap=True)
        for sentence in damage:
            console().print(sentence, markup=False, soft_wrap=True)
    raise typer.Exit(DONE)
