"""Settings of the temporal layer, between the features of several moments and the readout."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from spikewire.qcore.errors import SpecError
from spikewire.qcore.network.layer_spec import LayerSpec
from spikewire.qcore.network.spec_checks import one_of, within

MOST_DELAYS = 8
LONGEST_DELAY = 1000


@dataclass(frozen=True, slots=True)
class TemporalSpec:
    """A dense layer whose synapses have delays, read by the trained readout beside the features.

    Its inputs are the features of the last layer that is read, as one bit each (whether it reaches
    their root mean square), of now and of earlier ticks.

    Attributes
    ----------
    units
        Number of hidden units; 0: there is no temporal layer.
    delays
        Delays of the synapses in ticks, rising. Each input reaches each unit once with each delay.
    plastic
        Whether the layer learns, by the readout's error. Otherwise weights stay as drawn.
    threshold
        First threshold of the units' drive, which is regulated while the network learns.
    slope
        Bits of drive above the threshold that one step of a unit's output stands for.
    activity
        Target activity: units above their threshold, per mille.
    period
        Lessons between two regulations; 0: thresholds stay.
    shift
        Bits by which steps of weights are smaller than ``readout.shift`` makes those of the
        readout.
    live_shift
        Bits by which they are smaller still in live lessons, where the readout's step is as large
        as at the beginning of a training.
    """

    units: int = 0
    delays: tuple[int, ...] = (0,)
    plastic: bool = True
    threshold: int = 12_000
    slope: int = 8
    activity: int = 250
    period: int = 64
    shift: int = 10
    live_shift: int = 5

    def check(self, layers: Sequence[LayerSpec], answer: str, average: int) -> None:
        """Refuse impossible values.

        Parameters
        ----------
        layers
            The layers before it.
        answer
            What answers, ``readout.answer``.
        average
            As ``training.average``.

        Raises
        ------
        SpecError
            The message names the setting and what is allowed.
        """
        for name, low, high in _RANGES:
            within(f"temporal.{name}", getattr(self, name), low, high)
        one_of("temporal.plastic", self.plastic, (False, True))
        self._check_delays()
        if self.units == 0:
            return
        if answer != "trained":
            raise SpecError(
                f"temporal.units is {self.units}, but with readout.answer {answer!r} the trained "
                "readout, which reads the temporal layer, does not answer: it has to be 0."
            )
        if not any(layer.read for layer in layers):
            raise SpecError("temporal.units needs a layer with read = true.")
        if average:
            raise SpecError(
                f"training.average is {average}, but the readout of a temporal layer cannot be "
                "averaged: it has to be 0."
            )

    def _check_delays(self) -> None:
        delays = self.delays
        if not isinstance(delays, tuple) or not 1 <= len(delays) <= MOST_DELAYS:
            raise SpecError(
                f"temporal.delays is {delays!r:.80}; allowed is a list of 1 to {MOST_DELAYS} "
                "whole numbers of ticks, rising."
            )
        for n, delay in enumerate(delays):
            within(f"temporal.delays[{n}]", delay, 0, LONGEST_DELAY)
        if any(b <= a for a, b in itertools.pairwise(delays)):
            raise SpecError(f"temporal.delays is {list(delays)}; each has to be above the last.")


NO_TEMPORAL = TemporalSpec()

_RANGES = (
    ("units", 0, 1024),
    ("threshold", 64, 2**22),
    ("slope", 0, 20),
    ("activity", 1, 500),
    ("period", 0, 1_000_000),
    ("shift", 0, 16),
    ("live_shift", 0, 16),
)
