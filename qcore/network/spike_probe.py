"""Probes: the spikes of chosen units tick by tick, while many ticks are computed in one call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels import layout as at


@dataclass(frozen=True, slots=True)
class SpikeProbe:
    """Units whose output spikes are recorded tick by tick. Recording changes no bit.

    Attributes
    ----------
    units
        For each layer, int64[units]: places in its flattened output map.
    ticks
        The most ticks recorded: those at the end of a call.
    """

    units: tuple[npt.NDArray[np.int64], ...]
    ticks: int

    def places(self, layers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Find the units' places in the network's int8 array: int64[layers, units].

        Rows of layers with fewer units are filled up with 0.

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
            raise ValueError(f"{len(self.units)} layers are probed; there are {len(layers)}.")
        places = np.zeros((len(layers), max(units.size for units in self.units)), np.int64)
        for n, (units, layer) in enumerate(zip(self.units, layers, strict=True)):
            size = int(layer[at.OUT_ROWS] * layer[at.OUT_COLUMNS] * layer[at.CHANNELS])
            if units.size and not 0 <= int(units.min()) <= int(units.max()) < size:
                raise ValueError(f"Layer {n} has units 0 to {size - 1}; another one is probed.")
            places[n, : units.size] = units + layer[at.AT_OUTPUT]
        return places

    def cut(self, fired: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.int8], ...]:
        """Cut int8[layers, ticks, units] into each layer's int8[ticks, units]."""
        return tuple(fired[n, :, : units.size] for n, units in enumerate(self.units))


@cache
def no_probe(layers: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """Probe of no unit, for the engine: int64[layers, 0] and int8[layers, 0, 0]."""
    return np.zeros((layers, 0), np.int64), np.zeros((layers, 0, 0), np.int8)
