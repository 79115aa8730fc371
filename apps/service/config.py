"""`spikewire config`: every setting of a service, its value and its origin."""

from __future__ import annotations

import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.options.shared import Config, Json
from spikewire.apps.cli.output import console, print_json


def config(config: Config = None, as_json: Json = False) -> None:
    """Print every setting of a service with its value and origin.

    Later origins override earlier ones: defaults, the file's table \\[service], variables such as
    SPIKEWIRE_PORT, options of `run`. Tokens are not shown. The pipelines of the file follow with
    their own settings.
    """
    from spikewire.runtime import SettingsError, load_settings

    try:
        loaded = load_settings(config)
    except SettingsError as error:
        raise UsageError(str(error)) from error
    values = loaded.shown()
    pipelines = {
        pipeline.name: {
            "source": pipeline.source, "model": pipeline.model, "classes": list(pipeline.classes),
            "filters": list(pipeline.filters), "seed": pipeline.seed, "speed": pipeline.speed,
            **{name: getattr(pipeline.settings, name) for name in sorted(pipeline.own)},
        }
        for pipeline in loaded.pipelines
    }  # fmt: skip
    if as_json:
        settings = {n: {"value": v, "from": loaded.origins[n]} for n, v in values.items()}
        print_json({**settings, **({"pipelines": pipelines} if pipelines else {})})
        raise typer.Exit(DONE)
    table = Table("setting", "value", "from")
    for name, value in values.items():
        origin = loaded.origins[name]
        table.add_row(
            name, "" if value is None else str(value), "" if origin == "default" else origin
        )
    console().print(table)
    for name, own in pipelines.items():
        settings_line = ", ".join(
            f"{key} {value}" for key, value in own.items() if value not in ([], None)
        )
        console().print(f"pipeline {name}: {settings_line}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE)
