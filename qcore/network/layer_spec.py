"""One layer of a specification: its synapses, its neurons, and what they allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spikewire.qcore.errors import SpecError
from spikewire.qcore.network.general_spec import MOST_COUNT, OUTPUT_KINDS, GeneralSettings
from spikewire.qcore.network.later import later
from spikewire.qcore.network.spec_checks import PerChannel, each_within, one_of, within

FULL = 24
"""As ``widths.refractory``: the refractory trace has the membrane's own width and unit."""


@dataclass(frozen=True, slots=True)
class LayerSpec(GeneralSettings):
    """One layer of integrate-and-fire neurons, with the synapses that feed it.

    Decays (in 1/4096 per tick), thresholds and biases are one value, or a list that is cycled over
    the channels. ``pool_kind`` "or" pools to spikes, "sum" to counts of spikes.

    With ``dynamics`` "traces" quantised traces of the inputs drive the neurons, as in Schaefer &
    Joshi (2020), instead of currents and membranes of their own: ``decay_u`` is that of Q,
    ``decay_v`` that of P, and inputs that fire in a share of ``2**-trace_gain`` of all ticks take
    the traces to the end of their range. ``refractory_kick`` is what a spike adds to the refractory
    trace, 0 for the threshold; ``refractory_rounding`` says how that trace decays.

    The last layer may be of ``kind`` "counts" or "membranes". It answers instead of firing: with
    the spikes of each channel, counted, or with the membranes of neurons that take part as in a
    dense layer. The settings of :class:`GeneralSettings` are for networks trained elsewhere.
    """

    kind: str
    channels: int
    kernel: int = 3
    stride: int = 1
    pad: int = 0
    pool: int = 1
    pool_kind: str = "or"
    decay_u: PerChannel = 512
    decay_v: PerChannel = 128
    reset: str = "refractory"
    threshold: PerChannel = 1 << 16
    bias: PerChannel = 0
    refractory_keep: int = 2662
    refractory_ticks: int = 1
    exponent: int = 4
    slope: int = 12
    activity: int = 30
    plastic: bool = True
    read: bool = True
    dynamics: str = later("currents")
    trace_gain: int = later(0)
    refractory_kick: int = later(0)
    refractory_rounding: str = later("down")

    @property
    def answers(self) -> bool:
        """Whether the layer answers instead of firing."""
        return self.kind in OUTPUT_KINDS

    @property
    def general(self) -> bool:
        """Whether the layer needs the general kernels."""
        return self._general_reason() is not None

    def _general_reason(self) -> str | None:
        if self.answers:
            return f"kind = {self.kind!r}"
        if self.reset == "none":
            return "reset = 'none'"
        if self.kind == "conv" and self.pad >= self.kernel:
            return f"pad = {self.pad}, which is not below the kernel's {self.kernel},"
        return self.general_choice()

    @property
    def traced(self) -> bool:
        """Whether traces of the inputs drive the neurons."""
        return self.dynamics == "traces"

    def check(self, where: str, refractory: int) -> None:
        """Refuse impossible values, with a :class:`SpecError`.

        Parameters
        ----------
        where
            Begins the names of settings in messages.
        refractory
            Width of the refractory trace.
        """
        for name, allowed in _CHOICES:
            one_of(where + name, getattr(self, name), allowed)
        for name, low, high in _RANGES:
            within(where + name, getattr(self, name), low, high)
        within(where + "pad", self.pad, 0, 64)
        self.check_ranges(where, self.channels)
        # The counts of a sum-pooled map have 8 bits: 11 * 11 = 121.
        within(where + "pool", self.pool, 1, 11 if self.pool_kind == "sum" else 16)
        lowest = 0 if self.traced else 1
        each_within(where + "threshold", self.threshold, lowest, 2**23 - 2, self.channels)
        for name in ("decay_u", "decay_v"):
            each_within(where + name, getattr(self, name), 0, 2**self.decay_bits, self.channels)
        each_within(where + "bias", self.bias, -(2**23) + 1, 2**23 - 1, self.channels)
        self._check_refractory(where, refractory)
        if self.general:
            self._check_general(where)
        if self.traced:
            self._check_traced(where)
        elif self.trace_gain:
            raise SpecError(f"{where}trace_gain needs dynamics = 'traces', not {self.dynamics!r}.")

    def _check_refractory(self, where: str, bits: int) -> None:
        rounded = self.refractory_rounding != "down"
        if self.reset != "refractory" and (rounded or self.refractory_kick):
            name = "refractory_rounding" if rounded else "refractory_kick"
            raise SpecError(f"{where}{name} needs reset = 'refractory', not {self.reset!r}.")
        if rounded and bits == FULL and not self.traced:
            raise SpecError(
                f"{where}refractory_rounding 'nearest' needs widths.refractory of 1 to 8, not "
                f"{FULL}, or dynamics = 'traces'."
            )

    def _check_general(self, where: str) -> None:
        """Check what the general kernels can do together."""
        needs = f"{where}{self._general_reason()} needs"
        if self.plastic:
            raise SpecError(f"{needs} plastic = false: such a layer cannot learn locally.")
        if self.traced:
            raise SpecError(f"{needs} dynamics = 'currents', not 'traces'.")
        if self.answers:
            if self.read or self.pool > 1:
                raise SpecError(f"{needs} read = false and pool = 1: it sends no spikes.")
            return
        if self.reset == "refractory":
            raise SpecError(f"{needs} reset = 'zero', 'subtract' or 'none', not 'refractory'.")
        within(where + "refractory_ticks", self.refractory_ticks, 0, 127)
        if self.reset_late and self.reset == "none":
            raise SpecError(f"{where}reset_late needs reset = 'zero' or 'subtract', not 'none'.")
        if self.refractory_ticks and (self.reset_late or self.most_spikes > 1):
            name = "reset_late" if self.reset_late else "most_spikes"
            raise SpecError(f"{where}{name} needs refractory_ticks = 0.")
        window = self.pool**2 if self.pool_kind == "sum" else 1
        if self.most_spikes * window > MOST_COUNT:
            raise SpecError(
                f"{where}most_spikes is {self.most_spikes}; summed over {window} neurons allowed "
                f"are 1 to {MOST_COUNT // window}."
            )

    def _check_traced(self, where: str) -> None:
        if self.reset != "refractory":
            raise SpecError(
                f"{where}dynamics 'traces' has no membrane to reset: it needs reset = "
                f"'refractory', not {self.reset!r}."
            )
        for name in ("decay_u", "decay_v"):
            # They are those of the inputs' traces, which all output channels share.
            within(where + name, getattr(self, name), 1, 4096, " with dynamics 'traces'")


_CHOICES = (
    ("kind", ("conv", "dense", *OUTPUT_KINDS)),
    ("reset", ("zero", "subtract", "refractory", "none")),
    ("pool_kind", ("or", "sum")),
    ("plastic", (False, True)),
    ("read", (False, True)),
    ("dynamics", ("currents", "traces")),
    ("refractory_rounding", ("down", "nearest")),
)

_RANGES = (
    ("channels", 1, 4096),
    ("kernel", 1, 64),
    ("stride", 1, 16),
    ("refractory_keep", 0, 4095),
    ("refractory_ticks", 0, 1000),
    ("refractory_kick", 0, 2**22),
    ("trace_gain", 0, 8),
    ("activity", 1, 500),
    ("exponent", 0, 14),
    ("slope", 0, 20),
)


def per_channel(value: PerChannel, channels: int) -> npt.NDArray[np.int32]:
    """Spread a setting over a layer's channels, cycling through it: int32[channels]."""
    return np.resize(np.array(value, np.int32), channels)
