"""Settings from a file, the environment and a command line, each over the one before."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from runtime._errors import SettingsError
from runtime._settings import Settings

PREFIX = "SPIKEWIRE_"
TABLE = "service"
_NUMBERS = frozenset({"http_port"})  # numbers whose default is none
SECRET = frozenset({"watch_token", "control_token"})
"""Settings whose values are never shown."""


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings, and where each of them comes from.

    Attributes
    ----------
    settings
        The result.
    origins
        ``"default"``, the file's name, ``"environment"`` or ``"command line"``, by setting.
    """

    settings: Settings
    origins: Mapping[str, str]

    def shown(self) -> dict[str, Any]:
        """The values, secrets replaced by ``...``."""
        values = msgspec.structs.asdict(self.settings)
        return {n: "..." if n in SECRET and v is not None else v for n, v in values.items()}


def configure(
    file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Configured:
    """Put settings together: defaults, then a file, then the environment, then flags.

    Parameters
    ----------
    file
        TOML with a table ``[service]`` that holds settings by their names.
    environment
        Variables such as ``SPIKEWIRE_PORT``; None takes the process's own.
    flags
        What was said on a command line.

    Raises
    ------
    SettingsError
        The file cannot be read or is no TOML, a setting does not exist, or its value cannot be; the
        message names the setting, its value, where it is from and what is allowed.
    """
    kinds = {field.name: field for field in msgspec.structs.fields(Settings)}
    values: dict[str, Any] = {}
    origins = dict.fromkeys(kinds, "default")
    if file is not None:
        for name, value in _read(Path(file), kinds).items():
            values[name], origins[name] = value, str(file)
    for variable, text in (os.environ if environment is None else environment).items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name in kinds:
            values[name] = _from_text(name, text, kinds[name].default)
            origins[name] = "environment"
    for name, value in (flags or {}).items():
        values[name], origins[name] = value, "command line"
    try:
        return Configured(Settings(**values), origins)
    except SettingsError as error:
        if (origin := origins.get(error.setting, "default")) == "default":
            raise
        raise SettingsError(
            error.setting, error.value, f"{error.allowed} (it is from the {_place(origin)})"
        ) from None


def _place(origin: str) -> str:
    return origin if origin in ("environment", "command line") else f"file {origin}"


def _read(path: Path, kinds: Mapping[str, Any]) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            whole = tomllib.load(file)
    except OSError as error:
        raise SettingsError("config", str(path), f"a file: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("config", str(path), f"TOML: {error}") from None
    for name, value in whole.items():
        if name != TABLE or not isinstance(value, dict):
            raise SettingsError("config", f"{path}: {name}", f"one table, [{TABLE}]")
    table: dict[str, Any] = whole.get(TABLE, {})
    for name in table:
        if name not in kinds:
            raise SettingsError("config", f"{path}: {name}", f"{', '.join(sorted(kinds))}")
    return table


def _from_text(name: str, text: str, default: Any) -> Any:
    """Read a variable as what its setting is."""
    if isinstance(default, bool):
        known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if text.lower() not in known:
            raise SettingsError(name, text, "1 or 0, from the environment")
        return known[text.lower()]
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            raise SettingsError(name, text, "a number, from the environment") from None
    if name in _NUMBERS:
        return _from_text(name, text, 0)
    return text or None
