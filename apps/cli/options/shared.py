"""Options that several commands share, so that they read the same everywhere.

One meaning has one name in every command:

* length of a run, a recording or a lesson: ``--for TIME``
* port of a web page: ``--http-port PORT``
* address of a service: ``--connect HOST:PORT|unix:PATH``
* Dask cluster: ``--cluster tcp://HOST:PORT``
* network: ``--model FILE|NAME``, or the argument ``MODEL`` where there is no command without one
* data set: the argument ``DATASET``
* file or folder to be written: ``--out``

Each help text is one plain phrase that ends with a full stop. Old spellings stand in
`spikewire.apps.cli.options.old_spellings`. The use of groups is shown in
`spikewire.apps.cli.options.groups`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.units import duration_us, sensor_size
from spikewire.runtime import DEFAULT_PORT

if TYPE_CHECKING:
    from spikewire.apps.cli.options.address import ServiceAccess

DEFAULT_ADDRESS = f"127.0.0.1:{DEFAULT_PORT}"
DEFAULT_MODEL = "edge"
TRAINED_MODEL = "gestures"

Json = Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")]
RawScores = Annotated[
    bool, typer.Option("--scores", help="Show the network's scores instead of shares.")
]
ReadoutOnly = Annotated[
    bool,
    typer.Option("--readout-only", help="Let lessons change the readout only, and no layer."),
]
Duration = Annotated[
    int | None,
    typer.Option(
        "--for", metavar="TIME", parser=duration_us, help="End after this time, such as 10s."
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="FILE|NAME", help="Model file, preset, or gestures (trained network)."
    ),
]
Classes = Annotated[
    str | None, typer.Option("--classes", metavar="A,B,C", help="Class names of a new network.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of a new network's weights.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="TOML",
        help="Settings file of the service; environment variables and options override it.",
    ),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="NAME[:VALUE]",
        help="Event filter such as background:5ms or hot; repeatable, in order (docs/filters.md).",
    ),
]
Speed = Annotated[
    str | None,
    typer.Option(
        "--speed", metavar="FACTOR|max", help="Playback speed (file and simulator sources)."
    ),
]
Start = Annotated[
    int | None,
    typer.Option(
        "--start", metavar="TIME", parser=duration_us, help="Start of the excerpt, such as 1.5s."
    ),
]
Stop = Annotated[
    int | None,
    typer.Option(
        "--stop", metavar="TIME", parser=duration_us, help="End of the excerpt, such as 2s."
    ),
]
# Typer would take a pair for two arguments, so the text is parsed later.
Size = Annotated[
    str | None,
    typer.Option("--size", metavar="WxH", help="Sensor size if the file does not state it."),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="X,Y,P,T", help="Column order of a text or table; - skips one."
    ),
]
Unit = Annotated[
    str | None, typer.Option("--unit", metavar="s|ms|us|ns", help="Time unit of a text or array.")
]
Drop = Annotated[
    bool, typer.Option("--drop", help="Drop and count invalid events instead of failing.")
]
DatasetPath = Annotated[
    Path, typer.Argument(metavar="DATASET", help="Folder of labelled recordings.")
]
ShowFor = Annotated[
    int | None,
    typer.Option(
        "--show",
        metavar="TIME",
        parser=duration_us,
        help="Length shown of each recording, such as 300ms (default: by the data set).",
    ),
]
Trials = Annotated[
    Literal["train", "test"] | None,
    typer.Option(
        "--trials", help="Use one part of a data set that has two (trials_to_test.txt, Test)."
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", metavar="tcp://HOST:PORT", help="Compute on the Dask cluster at this address."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=1024, help="Compute in this many processes."),
]


def length_s(for_us: int | None, *, default: float, least: float, most: float) -> float:
    """Return the value of ``--for`` in seconds.

    Raises
    ------
    UsageError
        The length is outside the allowed range.
    """
    seconds = default if for_us is None else for_us / 1e6
    if not least <= seconds <= most:
        raise UsageError(f"--for is {seconds:g}s; allowed are times from {least:g}s to {most:g}s")
    return seconds


_WAIT_US = 10_000_000
"""A service takes some seconds to listen: it loads its kernels first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """Address of a running service.

    Attributes
    ----------
    connect
        ``HOST:PORT`` or ``unix:PATH``; None stands for the default address where a command does
        something else without ``--connect``.
    """

    connect: Annotated[
        str | None,
        typer.Option(
            "--connect", "-c", metavar="HOST:PORT|unix:PATH", help="Address of the service."
        ),
    ] = DEFAULT_ADDRESS
    tls: Annotated[bool, typer.Option("--tls", help="Connect with TLS.")] = False
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="PEM", help="Trust only these authorities; implies --tls."),
    ] = None

    def address(self) -> ServiceAccess:
        """Return the address that the options describe.

        Raises
        ------
        UsageError
            The options contradict each other, or a file cannot be read.
        typer.BadParameter
            ``--connect`` is neither ``HOST:PORT`` nor ``unix:PATH``.
        """
        from spikewire.apps.cli.options.address import service_access

        return service_access(self.connect or DEFAULT_ADDRESS, self.tls, self.ca, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions(EndpointOptions):
    """Address of a running service, and access to it."""

    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE", help="File with the token (default: SPIKEWIRE_TOKEN)."
        ),
    ] = None
    pipeline: Annotated[
        str | None,
        typer.Option(
            "--pipeline", metavar="NAME", help="Pipeline of the service (default: its first)."
        ),
    ] = None
    wait_us: Annotated[
        int | None,
        typer.Option(
            "--wait",
            metavar="TIME",
            parser=duration_us,
            help="Time to wait for a service that does not listen yet (default: 10s).",
        ),
    ] = None

    def address(self) -> ServiceAccess:
        """Return the address that the options describe, with token and pipeline.

        Raises
        ------
        UsageError
            The options contradict each other, or a file cannot be read.
        typer.BadParameter
            ``--connect`` is neither ``HOST:PORT`` nor ``unix:PATH``.
        """
        from spikewire.apps.cli.options.address import service_access

        connect = self.connect or DEFAULT_ADDRESS
        wait_us = _WAIT_US if self.wait_us is None else self.wait_us
        return service_access(connect, self.tls, self.ca, self.token_file, self.pipeline, wait_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """The network of a command: a file or a preset, and how to build a new one.

    Attributes
    ----------
    model
        None where a command chooses by its other options.
    classes
        Names, separated by commas.
    """

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="FILE|NAME",
            help="Model file, preset, or gestures (trained network).",
        ),
    ] = DEFAULT_MODEL
    classes: Classes = None
    seed: Seed = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """A live or recorded source of events, and its filters.

    Attributes
    ----------
    source
        None where a command has something else to do without ``--source``.
    """

    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            "-s",
            metavar="URI",
            help="Event source: file:PATH, aestream:PATH, udp://HOST:PORT?size=WxH, camera:, ...",
        ),
    ] = None
    filters: Filters = None
    speed: Speed = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatOptions:
    """Properties of recordings whose files do not state them."""

    size: Size = None
    columns: Columns = None
    unit: Unit = None

    def sensor_size(self) -> tuple[int, int] | None:
        """Return the size as a pair, if it was given.

        Raises
        ------
        typer.BadParameter
            The size is not understood.
        """
        return None if self.size is None else sensor_size(self.size)

    def given(self) -> dict[str, Any]:
        """Return what was given of size, columns and unit, as plain data.

        Raises
        ------
        typer.BadParameter
            The size is not understood.
        """
        from spikewire.sensors import parse_columns

        columns = None if self.columns is None else list(parse_columns(self.columns))
        size = self.sensor_size()
        all_of = {"size": None if size is None else list(size), "columns": columns}
        return {k: v for k, v in (all_of | {"unit": self.unit}).items() if v is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions(FormatOptions):
    """Properties of a data set whose files do not state them, and filters of its events."""

    filters: Filters = None

    def given(self) -> dict[str, Any]:
        """Return what was given of size, columns, unit and filters, as plain data."""
        given = FormatOptions.given(self)
        return given | ({"filters": list(self.filters)} if self.filters else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions(FormatOptions):
    """Properties of recordings, and the way to read them."""

    convention: Annotated[
        Literal["jaer", "document"],
        typer.Option(
            "--convention",
            help="Meaning of AEDAT 1.0 and 2.0 addresses: as jAER writes, or as its document says.",
        ),
    ] = "jaer"
    reader: Annotated[
        Literal["spikewire", "aestream", "faery"],
        typer.Option("--reader", help="Decoder; the other libraries are for comparison."),
    ] = "spikewire"
    sort: Annotated[
        bool,
        typer.Option("--sort", help="Put events in time order, within a million of them."),
    ] = False

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `sensors.open_recording`.

        Raises
        ------
        typer.BadParameter
            The size is not understood.
        """
        return {
            "size": self.sensor_size(), "columns": self.columns, "unit": self.unit,
            "convention": self.convention, "reader": self.reader, "sort": self.sort,
        }  # fmt: skip
