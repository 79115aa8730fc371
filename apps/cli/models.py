"""Networks by their names, as typed on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spikewire.apps.cli.errors import UsageError

if TYPE_CHECKING:
    from spikewire.qcore import Network, NetworkSpec


def is_known(model: str) -> bool:
    """Tell whether a name is a shipped network, a preset or a file."""
    from spikewire.qcore import preset_names, shipped_names

    return model in (*shipped_names(), *preset_names()) or Path(model).is_file()


def open_network(model: str, classes: Sequence[str], seed: int, *, grow: bool = True) -> Network:
    """Build or load a network, as :meth:`spikewire.Network.load` does.

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
    from spikewire.qcore import Network, is_untrained, preset_names, shipped_names

    if is_untrained(model):
        if not classes:
            raise UsageError("a new network needs its classes: give --classes a,b,c")
        return Network.build(open_spec(model), classes, seed)
    if not is_known(model):
        presets = ", ".join([*shipped_names(), *preset_names()])
        raise UsageError(f"{model} is neither a file nor a preset ({presets})")
    return Network.load(model, classes if grow else ())


def open_spec(preset: str) -> NetworkSpec:
    """Load a preset by its name, or a TOML file that is written like one.

    Raises
    ------
    UsageError
        Neither a preset nor a file, or a file that describes no network.
    """
    from spikewire.qcore import SpecError, load_spec

    try:
        return load_spec(preset)
    except SpecError as error:
        raise UsageError(str(error).removesuffix(".")) from None
