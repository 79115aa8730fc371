"""Settings from a file, the environment and a command line, each over the one before."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from spikewire.runtime.errors import SettingsError
from spikewire.runtime.settings.settings import Settings

PREFIX = "SPIKEWIRE_"
TABLE = "service"
PIPELINES = "pipelines"
_NUMBERS = frozenset({"http_port", "still"})  # numbers whose default is none
SECRET = frozenset({"watch_token", "control_token"})
"""Settings whose values are never shown."""


PIPELINE_SETTINGS = frozenset(
    {
        "labels", "learn", "learn_layers", "add_classes", "most_classes", "at_end", "gap_ms",
        "jump_s",
        "queue_packets", "queue_events", "undo_lessons", "preview_per_s", "picture_bytes_per_s",
        "upload_bytes",        "record_folder", "steady_ms", "unknown", "still", "save_folder",
        "checkpoint_folder", "checkpoint_every_s", "checkpoint_keep", "stats_every_s",
        "history_messages", "history_bytes", "stall_s", "drain_s",
    }
)  # fmt: skip
"""Settings that a pipeline may have of its own."""

CHOSEN = frozenset({"model", "classes", "seed"})
"""Choices about a new network, which one that is resumed has made already."""


class _Table(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    source: str
    model: str = "edge"
    classes: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    speed: float | str | None = None


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """A pipeline as a file names it.

    Attributes
    ----------
    name
        From its table's name.
    source, model, classes, filters, seed, speed
        As the options of `run`.
    settings, own
        Its settings, and which of them are its own.
    chosen
        Which of ``model``, ``classes`` and ``seed`` somebody chose; the others are defaults. A
        learner that is resumed must agree with these.
    """

    name: str
    source: str
    model: str
    classes: tuple[str, ...]
    filters: tuple[str, ...]
    seed: int
    speed: str | None
    settings: Settings
    own: frozenset[str]
    chosen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings, and where each of them comes from.

    Attributes
    ----------
    settings
        The result.
    origins
        ``"default"``, the file's name, ``"environment"`` or ``"command line"``, by setting.
    pipelines
        Those that the file names, in its order.
    """

    settings: Settings
    origins: Mapping[str, str]
    pipelines: tuple[PipelineConfig, ...] = ()

    def shown(self) -> dict[str, Any]:
        """The values, secrets replaced by ``...``."""
        values = msgspec.structs.asdict(self.settings)
        return {n: "..." if n in SECRET and v is not None else v for n, v in values.items()}


def load_settings(
    file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Configured:
    """Put settings together: defaults, then a file, then the environment, then flags.

    Parameters
    ----------
    file
        TOML with a table ``[service]`` that holds settings by their names, and a table
        ``[pipelines.NAME]`` for each pipeline: its ``source``, and what else is its own.
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
    tables: dict[str, Any] = {}
    if file is not None:
        table, tables = _read(Path(file), kinds)
        for name, value in table.items():
            values[name], origins[name] = value, str(file)
    for variable, text in (os.environ if environment is None else environment).items():
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and name in kinds:
            values[name] = _from_text(name, text, kinds[name].default)
            origins[name] = "environment"
    for name, value in (flags or {}).items():
        values[name], origins[name] = value, "command line"
    try:
        settings = Settings(**values)
        pipelines = tuple(
            _pipeline(name, table, settings, origins, str(file)) for name, table in tables.items()
        )
        _check_folders(pipelines, str(file))
        return Configured(settings, origins, pipelines)
    except SettingsError as error:
        if (origin := origins.get(error.setting, "default")) == "default":
            raise
        raise SettingsError(
            error.setting, error.value, f"{error.allowed} (it is from the {_place(origin)})"
        ) from None


def _place(origin: str) -> str:
    return origin if origin in ("environment", "command line") else f"file {origin}"


def _read(path: Path, kinds: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        with open(path, "rb") as file:
            whole = tomllib.load(file)
    except OSError as error:
        raise SettingsError("config", str(path), f"a file: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("config", str(path), f"TOML: {error}") from None
    for name, value in whole.items():
        if name not in (TABLE, PIPELINES) or not isinstance(value, dict):
            allowed = f"the tables [{TABLE}] and [{PIPELINES}.NAME]"
            raise SettingsError("config", f"{path}: {name}", allowed)
    table: dict[str, Any] = whole.get(TABLE, {})
    for name in table:
        if name not in kinds:
            raise SettingsError("config", f"{path}: {name}", f"{', '.join(sorted(kinds))}")
    pipelines: dict[str, Any] = whole.get(PIPELINES, {})
    for name, value in pipelines.items():
        if not isinstance(value, dict):
            raise SettingsError("config", f"{path}: {PIPELINES}.{name}", "a table")
    return table, pipelines


def _pipeline(
    name: str, table: dict[str, Any], service: Settings, origins: Mapping[str, str], file: str
) -> PipelineConfig:
    where = f"{file}: {PIPELINES}.{name}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise SettingsError("config", where, "a name of up to 64 letters, digits, _ and -")
    given = {key: value for key, value in table.items() if key in PIPELINE_SETTINGS}
    # What was said for this start counts for all pipelines, over the file.
    own = {
        key: value
        for key, value in given.items()
        if origins[key] not in ("environment", "command line")
    }
    if "checkpoint_folder" not in own and service.checkpoint_folder is not None:
        own["checkpoint_folder"] = str(Path(service.checkpoint_folder) / name)
    rest = {key: value for key, value in table.items() if key not in PIPELINE_SETTINGS}
    try:
        general = msgspec.convert(rest, _Table)
        settings = msgspec.structs.replace(service, **own)
    except msgspec.ValidationError as error:
        known = ", ".join(sorted({*_Table.__struct_fields__, *PIPELINE_SETTINGS}))
        raise SettingsError("config", where, f"a table of {known}: {error}") from None
    except SettingsError as error:
        raise SettingsError(error.setting, error.value, f"{error.allowed} (in {where})") from None
    speed = None if general.speed is None else str(general.speed)
    return PipelineConfig(
        name, general.source, general.model, general.classes, general.filters, general.seed,
        speed, settings, frozenset(own), frozenset(rest) & CHOSEN,
    )  # fmt: skip


def _check_folders(pipelines: Sequence[PipelineConfig], file: str) -> None:
    """Refuse a folder of checkpoints that two pipelines would write to."""
    owners: dict[Path, str] = {}
    for pipeline in pipelines:
        folder = pipeline.settings.checkpoint_folder
        if folder is None:
            continue
        other = owners.setdefault(Path(folder).absolute(), pipeline.name)
        if other != pipeline.name:
            allowed = f"another folder than that of the pipeline {other} (in {file})"
            raise SettingsError("checkpoint_folder", folder, allowed)


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
