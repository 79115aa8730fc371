"""From what a person typed to a network and a source."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.output import remarks
from spikewire.apps.main import loaded

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Source

# Loading compiled kernels takes well under a second; compiling them takes much longer than this.
_PATIENCE_S = 2.0


@contextmanager
def patience() -> Iterator[None]:
    """Say why it takes so long, if it does: the kernels are compiled when first imported."""
    timer = threading.Timer(
        _PATIENCE_S, lambda: remarks().print("[dim]compiling kernels (once) ...[/]")
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def load_kernels() -> None:
    """Import everything that compiles, with a word to the person if that takes long."""
    with patience():
        from spikewire import qcore, sensors
        from spikewire.runtime import Service

        del qcore, sensors, Service
    # What is loaded by now stays: a full collection took 15 to 65 ms over its 130,000
    # objects, in which no event is heard and no result sent.
    gc.freeze()
    loaded()


def behind(source: Source, filters: Sequence[str] | None) -> Source:
    """Put a source behind filters; what is wrong with their names is wrong usage."""
    if not filters:
        return source
    from spikewire.sensors import Filtered, SensorError

    try:
        return Filtered(source, filters)
    except SensorError as error:
        raise UsageError(str(error)) from error


def free_port(wanted: int) -> int:
    """The port, or 0 (any) where somebody else has it: other commands look for a service there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def beside(door: str) -> str:
    """What to tell a person whose service is not where other commands look for one."""
    return f"another service has the usual port: other commands find this one with -c {door}"


SHIPPED = ("gestures",)
"""Trained networks that come with spikewire."""


def shipped(model: str) -> Path | None:
    """Return the file of a network that comes with spikewire; None if it is none of them."""
    return Path(__file__).parents[1] / "models" / f"{model}.model" if model in SHIPPED else None


def open_network(model: str, classes: Sequence[str], seed: int, *, grow: bool = True) -> Network:
    """Build an untrained network from a preset's name, or load one from a model file.

    Parameters
    ----------
    model : a preset's name, a TOML file that is written like one, ``gestures`` (the network that
        comes with spikewire), or the path of a trained one.
    classes : names the network must know. A loaded network keeps its own and gains the others.
    seed : of an untrained network's weights; a loaded one has its own.
    grow : whether a loaded network gains the classes that it lacks.

    Raises
    ------
    UsageError
        No such preset or file, or a preset without classes.
    qcore.ModelError
        The file is no model, or is damaged.
    """
    from spikewire.apps.sweep.grid import open_spec
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
