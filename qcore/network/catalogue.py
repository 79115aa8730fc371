"""Networks by name: shipped ones, presets, and files."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from spikewire.qcore.errors import ModelError, SpecError
from spikewire.qcore.network.spec import NetworkSpec, load_preset, preset_names

SHIPPED = ("gestures",)
"""Trained networks that come with the package."""

_MODELS = Path(__file__).parents[1] / "models"


def shipped_names() -> list[str]:
    """List the trained networks that come with the package."""
    return list(SHIPPED)


def shipped_model(name: str) -> Path | None:
    """Return the model file of a network that comes with the package; None if it is none."""
    return _MODELS / f"{name}.model" if name in SHIPPED else None


def is_untrained(model: str | os.PathLike[str]) -> bool:
    """Tell whether a name stands for a specification: a preset, or a TOML file written like one."""
    return model in preset_names() or str(model).endswith(".toml")


def load_spec(preset: str | os.PathLike[str]) -> NetworkSpec:
    """Load a specification from a preset's name, or from a TOML file that is written like one.

    Raises
    ------
    SpecError
        If it is neither, or describes no network.
    """
    if isinstance(preset, str) and preset in preset_names():
        return load_preset(preset)
    path = Path(preset)
    if not path.is_file():
        raise SpecError(
            f"{preset} is neither a preset ({', '.join(preset_names())}) nor a TOML file like one."
        )
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        return NetworkSpec.from_dict({"name": path.stem, **read})
    except (ValueError, RecursionError) as error:
        # SpecError, bad UTF-8, bad TOML, and numbers of thousands of digits are ValueErrors.
        raise SpecError(f"{path} is no preset: {error!s:.300}") from None


def read_model(model: str | os.PathLike[str]) -> bytes:
    """Read the model file of a shipped network's name, or of a path.

    Raises
    ------
    ModelError
        If there is no such file, or it cannot be read.
    """
    path = (shipped_model(model) if isinstance(model, str) else None) or Path(model)
    try:
        return path.read_bytes()
    except OSError as error:
        names = ", ".join([*SHIPPED, *preset_names()])
        raise ModelError(
            f"The model {model} cannot be read: {error.strerror}. Networks with a name: {names}."
        ) from None
