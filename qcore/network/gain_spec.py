"""Gain control: the first layer's thresholds follow the rate of its input."""

from __future__ import annotations

from dataclasses import dataclass

from spikewire.qcore.errors import SpecError
from spikewire.qcore.network.layer_spec import LayerSpec
from spikewire.qcore.network.learning_spec import LearningSpec
from spikewire.qcore.network.spec_checks import within


@dataclass(frozen=True, slots=True)
class GainSpec:
    """How thresholds of the first layer follow the running mean of input spikes per tick.

    Thresholds are multiplied by the square root of the mean over ``reference``. Where learning
    regulates thresholds (``learning.period`` over 0) there is no gain control.

    Attributes
    ----------
    reference
        Input spikes per tick at which thresholds are those of the layer; 0: no gain control.
    rise, fall
        The mean moves by ``2**-rise`` of its distance to a larger number of input spikes, and by
        ``2**-fall`` to a smaller one. Ticks without input do not count.
    most
        Largest factor, and the largest divisor.
    """

    reference: int = 0
    rise: int = 3
    fall: int = 5
    most: int = 8

    def packed(self, learning: LearningSpec) -> int:
        """Return the settings as the engine's register holds them; 0 without gain control."""
        if self.reference == 0 or learning.period > 0:
            return 0
        return self.reference | self.rise << 32 | self.fall << 40 | self.most << 48

    def check(self, first: LayerSpec) -> None:
        """Refuse impossible values, and a first layer whose thresholds mean something else.

        Raises
        ------
        SpecError
            The message names the setting and what is allowed.
        """
        for name, low, high in _RANGES:
            within(f"gain.{name}", getattr(self, name), low, high)
        if self.reference == 0:
            return
        if first.plastic or first.traced or first.general or first.reset == "refractory":
            raise SpecError(
                f"gain.reference is {self.reference}: gain control needs a first layer that does "
                "not learn (plastic = false), with reset = 'subtract' or 'zero' and this "
                "project's own currents."
            )


NO_GAIN = GainSpec()

_RANGES = (
    ("reference", 0, 2**20),
    ("rise", 0, 12),
    ("fall", 0, 12),
    ("most", 1, 256),
)
