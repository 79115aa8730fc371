"""What can be asked of a network's state."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import State
from spikewire.qcore.network.prototypes_view import PrototypesView, prototypes_view
from spikewire.qcore.network.state_views import (
    features,
    is_at_rest,
    read_store,
    synaptic_ops,
    updates,
)
from spikewire.qcore.network.temporal_view import TemporalView, temporal_view


class StateFacts:
    """Facts of a network, taken from its state.

    Attributes
    ----------
    state
        All arrays.
    """

    state: State

    @property
    def tick(self) -> int:
        """The next tick to compute."""
        return int(self.state.registers[at.TICK])

    @property
    def at_rest(self) -> bool:
        """Whether ticks without events change nothing: any number of them is computed at once."""
        return is_at_rest(self.state)

    @property
    def updates(self) -> int:
        """Weight updates so far: of layers (weights in reach) and of the readout (classes)."""
        return updates(self.state)

    @property
    def synaptic_ops(self) -> int:
        """Weights added to a neuron so far, one by one: the synaptic operations."""
        return synaptic_ops(self.state)

    @property
    def layers_learn(self) -> bool:
        """Whether lessons change layers that can learn, and not only the readout."""
        return bool(self.state.registers[at.LEARN_LAYERS])

    @layers_learn.setter
    def layers_learn(self, on: bool) -> None:
        self.state.registers[at.LEARN_LAYERS] = int(on)

    @property
    def protects_known(self) -> bool:
        """Whether lessons spare classes that are known well, and steps are those of live lessons.

        It is switched off for the time of a lesson only: files hold networks that protect.
        """
        return not self.state.registers[at.BATCHED]

    @protects_known.setter
    def protects_known(self, on: bool) -> None:
        self.state.registers[at.BATCHED] = int(not on)

    @property
    def temporal(self) -> TemporalView | None:
        """View of the temporal layer; None without one."""
        return temporal_view(self.state)

    @property
    def prototypes(self) -> PrototypesView | None:
        """View of the class means; None without any."""
        return prototypes_view(self.state)

    @property
    def features(self) -> npt.NDArray[np.int16]:
        """Low-passed spikes of the layers that are read, as they stand: int16[features]."""
        return features(self.state)

    def read_store(self) -> npt.NDArray[np.int16]:
        """Stored weights of the trained readout: int16[classes, features]."""
        return read_store(self.state)
