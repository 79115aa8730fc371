"""Results of computed ticks: of one call, and of a whole run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewire.qcore.kernels.binning import BinnedEvents


@dataclass(frozen=True, slots=True)
class Steps:
    """Results of one call of :meth:`Network.advance`: a row per result tick with activity.

    Attributes
    ----------
    tick
        int64[m].
    scores
        int32[m, classes].
    spikes
        int64[m, layers]: output spikes since the row before.
    fired
        Spikes of the probed units, for each layer int8[ticks, units], up to the last tick; empty
        without a probe.
    """

    tick: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int32]
    spikes: npt.NDArray[np.int64]
    fired: tuple[npt.NDArray[np.int8], ...] = ()


def allocate_rows(
    events: BinnedEvents, ticks: int, every: int, classes: int, layers: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Allocate the rows that some ticks can yield: tick, scores and spikes as in :class:`Steps`.

    Parameters
    ----------
    events
        Events of those ticks.
    ticks
        Number of ticks.
    every
        Ticks from one result to the next.
    classes, layers
        Numbers of classes and layers.
    """
    most = ticks // every + 2
    if most > 4096:
        # A long quiet stretch yields few rows: bound them by what can be active.
        most = min(most, int(np.unique(events.tick // every).size) * 64 + 8192)
    return (
        np.zeros(most, np.int64),
        np.zeros((most, classes), np.int32),
        np.zeros((most, layers), np.int64),
    )


@dataclass(frozen=True, slots=True)
class RunResult:
    """Results of a network over an event array.

    There are n results, one per result tick with activity, and m computed ticks.

    Attributes
    ----------
    time_us
        int64[n]: event time in microseconds at which each result's tick ends.
    tick
        int64[n]: the network's tick of each result.
    scores
        int32[n, classes]: scores of the classes.
    winners
        int64[n]: index of the class with the highest score, the first of equals; -1 where all
        scores are the same.
    classes
        Names of the classes.
    spike_counts
        int64[n, layers]: output spikes of each layer since the result before.
    synaptic_ops
        int64[layers]: synaptic operations of each layer during the run.
    first_tick, start_us
        The first computed tick, and the event time in microseconds at which it begins.
    spikes
        For each recorded layer, int8[m, units]: output spikes tick by tick. Units are in the order
        of the layer's output map (rows, columns, channels), after pooling.
    membranes
        For each recorded layer, int32[m, neurons]: membrane potentials at the end of each tick.
        Neurons are in the order rows, columns, channels, before pooling.
    """

    time_us: npt.NDArray[np.int64]
    tick: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int32]
    winners: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    spike_counts: npt.NDArray[np.int64]
    synaptic_ops: npt.NDArray[np.int64]
    first_tick: int
    start_us: int
    spikes: Mapping[int, npt.NDArray[np.int8]]
    membranes: Mapping[int, npt.NDArray[np.int32]]

    def __len__(self) -> int:
        return len(self.time_us)

    @property
    def labels(self) -> list[str | None]:
        """Names of the winning classes; None where all scores are the same."""
        return [self.classes[k] if k >= 0 else None for k in self.winners.tolist()]
