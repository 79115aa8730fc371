"""`spikewire config`: every setting of a service, its value, and where that is from."""

from __future__ import annotations

import typer
from rich.table import Table

from apps._errors import DONE, UsageError
from apps._open import load_kernels
from apps._options import Config, Json
from apps._say import console, json_line


def config(config: Config = None, as_json: Json = False) -> None:
    """Print every setting of a service: what a run would have, and where from.

    Defaults, then the file's table [service], then variables such as SPIKEWIRE_PORT, then flags
    of `run`. Tokens are not shown.
    """
    load_kernels()
    from runtime import SettingsError, configure

    try:
        found = configure(config)
    except SettingsError as error:
        raise UsageError(str(error)) from error
    shown = found.shown()
    if as_json:
        json_line({n: {"value": v, "from": found.origins[n]} for n, v in shown.items()})
        raise typer.Exit(DONE)
    table = Table("setting", "value", "from")
    for name, value in shown.items():
        origin = found.origins[name]
        table.add_row(
            name, "" if value is None else str(value), "" if origin == "default" else origin
        )
    console().print(table)
    raise typer.Exit(DONE)
