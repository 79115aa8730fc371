"""From a model's name, as typed, to a network."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spikewire.apps.cli.errors import UsageError

if TYPE_CHECKING:
    from spikewire.qcore import Network, NetworkSpec

SHIPPED = ("gestures",)
"""Trained networks that come with spikewire."""


def shipped(model: str) -> Path | None:
    """Return the file of a network that comes with spikewire; None if it is none of them."""
    return Path(__file__).parents[1] / "models" / f"{model}.model" if model in SHIPPED else None


def open_network(model: str, classes: Sequence[str], seed: int, *, grow: bool = True) -> Network:
    """Build an untrained network from a preset's name, or load one from a model file.

    Parameters
    ----------
    model
        A preset's name, a TOML file that is written like one, ``gestures`` (the network that comes
        with spikewire), or the path of a trained one.
    classes
        Names the network must know. A loaded network keeps its own and gains the others.
    seed
        Of an untrained network's weights; a loaded one has its own.
    grow
        Whether a loaded network gains the classes that it lacks.

    Raises
    ------
    UsageError
        No such preset or file, or a preset without classes.
    qcore.ModelError
        The file is no model, or is damaged.
    """
    from spikewire.qcore import Network, preset_names

    if model in preset_names() or model.endswith(".toml"):
        if not classes:
            raise UsageError("a new network needs its classes: give --classes a,b,c")
        return Network.build(open_spec(model), classes, seed)
    path = shipped(model) or Path(model)
    if not path.is_file():
        presets = ", ".join([*SHIPPED, *preset_names()])
        raise UsageError(f"{model} is neither a file nor a preset ({presets})")
    network = Network.load(path)
    for name in classes if grow else ():
        if name not in network.classes:
            network.add_class(name)
    return network


def open_spec(preset: str) -> NetworkSpec:
    """Load a preset by its name, or a TOML file that is written like one.

    Raises
    ------
    UsageError
        Neither a preset nor a file, or a file that describes no network.
    """
    from spikewire.qcore import NetworkSpec, SpecError, load_preset, preset_names

    if preset in preset_names():
        return load_preset(preset)
    path = Path(preset)
    if not path.is_file():
        raise UsageError(
            f"{preset} is neither a preset ({', '.join(preset_names())}) nor a TOML file like one"
        )
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        return NetworkSpec.from_dict({"name": path.stem, **read})
    except (SpecError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no preset: {error}") from None
