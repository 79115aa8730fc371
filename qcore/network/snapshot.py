"""What a network knew at one moment, to go back to it while its clock goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import Arena

if TYPE_CHECKING:
    from spikewire.qcore.network.network import Network

# Counters and the clock: they say what happened, which going back does not undo.
_GOES_ON = tuple(sorted(at.STATE_REGISTERS - {at.LABEL, at.LABEL_SINCE, at.PENDING, at.READ_SHIFT}))
_COLUMNS_GO_ON = tuple(sorted(at.STATE_COLUMNS - {at.STEP}))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of all that a network had learned, and of its generators.

    Attributes
    ----------
    classes
        The classes that it knew.
    arena
        Its arrays.
    """

    classes: tuple[str, ...]
    arena: Arena


def take(network: Network) -> Snapshot:
    """Copy what ``network`` knows."""
    return Snapshot(network.classes, network.arena.copy())


def go_back(network: Network, snapshot: Snapshot) -> None:
    """Give ``network`` the knowledge of ``snapshot``; what it is in the middle of goes on.

    Weights, readouts, thresholds, what is rehearsed, generators and classes are the snapshot's.
    Membranes, traces, features, the tick and all counters stay the network's.
    """
    arena = snapshot.arena.copy()
    for register in _GOES_ON:
        arena.registers[register] = network.arena.registers[register]
    for column in _COLUMNS_GO_ON:
        arena.layers[:, column] = network.arena.layers[:, column]
    arena.registers[at.LABEL] = -1
    before = network.state()
    network.replace(snapshot.classes, arena)
    for old, new in zip(before, network.state(), strict=True):
        new[...] = old
