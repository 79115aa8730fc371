"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikewire.apps.cli.units import duration_us, host_port, speed_factor

# What `spikewire run` listens on when nothing else is said, as the service's own default.
DEFAULT_PORT = 7462
DEFAULT_ADDRESS = f"127.0.0.1:{DEFAULT_PORT}"
DEFAULT_MODEL = "edge"

Connect = Annotated[
    str,
    typer.Option(
        "--connect", "-c", metavar="HOST:PORT|unix:PATH", help="Where the service listens."
    ),
]
Tls = Annotated[bool, typer.Option("--tls", help="Speak TLS with the service.")]
Ca = Annotated[
    Path | None,
    typer.Option("--ca", metavar="PEM", help="Trust these authorities only; means --tls too."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", metavar="FILE", help="The secret to show (default: SPIKEWIRE_TOKEN)."
    ),
]
Pipeline = Annotated[
    str | None,
    typer.Option("--pipeline", metavar="NAME", help="Of a service that has several: which one."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines, for a program to read.")]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="FILE|NAME", help="A model file, a preset, or gestures: the trained one."
    ),
]
Classes = Annotated[
    str | None,
    typer.Option("--classes", metavar="A,B,C", help="Names of the classes of a new network."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of a new network's weights.")]
Start = Annotated[
    int | None,
    typer.Option("--start", metavar="TIME", parser=duration_us, help="Such as 0ms or 1.5s."),
]
Stop = Annotated[
    int | None,
    typer.Option("--stop", metavar="TIME", parser=duration_us, help="Such as 750ms."),
]
Size = Annotated[
    str | None,
    typer.Option("--size", metavar="WxH", help="Of the sensor, where the file is silent."),
]  # parsed by sensor_size: typer would take a pair for two arguments
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="X,Y,P,T", help="Of a text or a table; - passes a column over."
    ),
]
Unit = Annotated[
    str | None, typer.Option("--unit", metavar="s|ms|us|ns", help="Of a text's or array's times.")
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="TOML", help="Settings of the service; the environment and flags win."
    ),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter", metavar="NAME[:VALUE]",
        help="Such as background:5ms or hot; several apply in order (docs/filters.md).",
    ),
]  # fmt: skip
__all__ = [
    "DEFAULT_ADDRESS",
    "DEFAULT_MODEL",
    "DEFAULT_PORT",
    "Ca",
    "Classes",
    "Columns",
    "Config",
    "Connect",
    "Filters",
    "Json",
    "Model",
    "Pipeline",
    "Seed",
    "Size",
    "Start",
    "Stop",
    "Tls",
    "TokenFile",
    "Unit",
    "host_port",
    "speed_factor",
]
