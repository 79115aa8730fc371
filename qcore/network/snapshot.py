"""What a network knew at one moment, to go back to it while its clock goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import State

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
    state
        Its arrays.
    """

    classes: tuple[str, ...]
    state: State


def take(network: Network) -> Snapshot:
    """Copy what ``network`` knows."""
    return Snapshot(network.classes, network.state.copy())


def restore(network: Network, snapshot: Snapshot) -> None:
    """Give ``network`` the knowledge of ``snapshot``; what it is in the middle of goes on.

    Weights, readouts, thresholds, what is rehearsed, generators and classes are the snapshot's.
    Membranes, traces, features, the tick and all counters stay the network's.
    """
    state = snapshot.state.copy()
    for register in _GOES_ON:
        state.registers[register] = network.state.registers[register]
    for column in _COLUMNS_GO_ON:
        state.layers[:, column] = network.state.layers[:, column]
    state.registers[at.LABEL] = -1
    before = network.dynamic_state()
    network.replace(snapshot.classes, state)
    for old, new in zip(before, network.dynamic_state(), strict=True):
        new[...] = old
