"""Snapshots: the knowledge of a network at one moment, to restore while its clock goes on."""

from __future__ import annotations

from dataclasses import dataclass

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.state_views import dynamic_arrays

# Counters and the clock record events that a restored network has seen all the same.
_KEPT = tuple(sorted(at.STATE_REGISTERS - {at.LABEL, at.LABEL_SINCE, at.PENDING, at.READ_SHIFT}))
_COLUMNS_RESTORED = {at.STEP, at.PAIRS}


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


def restore(snapshot: Snapshot, present: State) -> State:
    """Join the knowledge of a snapshot with the present activity of its network.

    Parameters
    ----------
    snapshot
        Gives weights, readouts, thresholds, the rehearsal memory and generators.
    present
        Gives membranes, traces, features, the tick and all counters.

    Returns
    -------
    State
        The joined state; both others stay as they are.
    """
    state = snapshot.state.copy()
    for register in _KEPT:
        state.registers[register] = present.registers[register]
    for column in at.state_columns(state.layers.shape[1]) - _COLUMNS_RESTORED:
        state.layers[:, column] = present.layers[:, column]
    state.registers[at.LABEL] = -1
    # Traces at rest above zero need not be so under other weights.
    state.layers[state.layers[:, at.DYNAMICS] == at.TRACES, at.LIVE] = 1
    for new, old in zip(dynamic_arrays(state), dynamic_arrays(present), strict=True):
        new[...] = old
    return state
