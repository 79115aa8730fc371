"""View of the class means of a network, as arrays that share the network's memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import answers
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.layer_views import view_of


class PrototypesView:
    """Class means of a network; writing to its arrays changes the network.

    Parameters
    ----------
    state
        State of a network that has class means.
    """

    __slots__ = ("_L", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._L = state.layers[0]

    def _by_class(self, column: int, length: int) -> npt.NDArray[np.int32]:
        classes = int(self._state.registers[at.CLASSES])
        return view_of(self._state.i32, int(self._L[column]), classes, length)

    @property
    def size(self) -> int:
        """Length to which features are folded."""
        return int(self._L[at.M_SIZE])

    @property
    def sums(self) -> npt.NDArray[np.int32]:
        """Sums of the folded examples: int32[classes, size]."""
        return self._by_class(at.AT_M_SUMS, self.size)

    @property
    def weights(self) -> npt.NDArray[np.int32]:
        """Weights of the last solution: int32[classes, size]."""
        return self._by_class(at.AT_M_WEIGHTS, self.size)

    @property
    def counts(self) -> npt.NDArray[np.int32]:
        """Examples, lessons, and what is taken off the score: int32[classes, 3]."""
        return self._by_class(at.AT_M_COUNTS, answers.COUNTS)

    @property
    def moment(self) -> npt.NDArray[np.int16]:
        """Second moment of the distances to the means: int16[size * (size + 1) / 2]."""
        size = self.size * (self.size + 1) // 2
        return view_of(self._state.i16, int(self._L[at.AT_M_MOMENT]), size)

    @property
    def state(self) -> npt.NDArray[np.int32]:
        """State of the means, by the names in ``kernels.answers``: int32[8]."""
        return view_of(self._state.i32, int(self._L[at.AT_M_STATE]), answers.STATES)

    @property
    def learns(self) -> bool:
        """Whether lessons add to the means."""
        return bool(self.state[answers.LEARNS])

    @learns.setter
    def learns(self, on: bool) -> None:
        self.state[answers.LEARNS] = int(on)

    def forget(self) -> None:
        """Begin anew, without examples: for features that will not be what they were."""
        learns = self.learns
        for array in self.learned_arrays():
            array[...] = 0
        self.learns = learns
        self._L[at.M_SINCE] = -1

    def learned_arrays(self) -> Iterator[npt.NDArray[Any]]:
        """View all arrays; those with a row per class have the class first."""
        yield from (self.sums, self.weights, self.counts, self.moment, self.state)


def prototypes_view(state: State) -> PrototypesView | None:
    """View the class means of a network's state; None without any."""
    return PrototypesView(state) if state.layers.shape[1] > at.TEMPORAL_COLUMNS else None


def prototypes_fault(state: State) -> str | None:
    """Say what is impossible in class means that were read from a file; None for nothing."""
    means = prototypes_view(state)
    if means is None:
        return None
    if (means.counts[:, : answers.OFFSET] < 0).any() or (means.state < 0).any():
        return "the counts of its class means are negative"
    examples, shown = means.counts[:, answers.EXAMPLES], means.counts[:, answers.SHOWN]
    if (shown > examples).any():
        return "its class means have more lessons than examples"
    # The moment's unit: beyond it a product of 64 bits would be shifted to nothing.
    if means.state[answers.POWER] > answers.MOST_POWER or means.state[answers.CUT] > 62:
        return "the unit of its class means is out of range"
    if (np.abs(means.sums.astype(np.int64)) > examples[:, None].astype(np.int64) << 20).any():
        return "the sums of its class means are larger than their examples"
    diagonal = means.moment[np.arange(1, means.size + 1).cumsum() - 1]
    # Below zero the diagonal could make a divisor of zero.
    if (means.moment == -32768).any() or (diagonal < 0).any():
        return "the metric of its class means is out of range"
    return None
