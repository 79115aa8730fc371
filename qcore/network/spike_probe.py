"""Looking at spikes tick by tick, while a network computes many ticks in one go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at


@dataclass(frozen=True, slots=True)
class SpikeProbe:
    """Whose output spikes are wanted tick by tick. To look at them changes nothing.

    Attributes
    ----------
    units
        For each layer, places in its flattened output map: int64[units].
    ticks
        Of how many of a call's last ticks, at most.
    """

    units: tuple[npt.NDArray[np.int64], ...]
    ticks: int

    def places(self, layers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where the units lie among the network's bytes: int64[layers, units], rows of one length.

        Parameters
        ----------
        layers
            The network's layer table.

        Raises
        ------
        ValueError
            If there are not as many layers, or a layer has no such unit.
        """
        if len(self.units) != len(layers):
            raise ValueError(f"{len(self.units)} layers are watched; there are {len(layers)}.")
        places = np.zeros((len(layers), max(units.size for units in self.units)), np.int64)
        for n, (units, layer) in enumerate(zip(self.units, layers, strict=True)):
            size = int(layer[at.OUT_ROWS] * layer[at.OUT_COLUMNS] * layer[at.CHANNELS])
            if units.size and not 0 <= int(units.min()) <= int(units.max()) < size:
                raise ValueError(f"Layer {n} has units 0 to {size - 1}; another one is watched.")
            places[n, : units.size] = units + layer[at.AT_OUTPUT]
        return places

    def cut(self, fired: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.int8], ...]:
        """Each layer's own part of the engine's table: int8[ticks, units]."""
        return tuple(fired[n, :, : units.size] for n, units in enumerate(self.units))


@cache
def no_probe(layers: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """Probe of no unit, for the engine: int64[layers, 0] and int8[layers, 0, 0]."""
    return np.zeros((layers, 0), np.int64), np.zeros((layers, 0, 0), np.int8)
