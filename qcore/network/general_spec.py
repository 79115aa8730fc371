"""Settings of a layer that networks trained elsewhere need; a layer that uses none pays nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from spikewire.qcore.errors import SpecError
from spikewire.qcore.network.later import later
from spikewire.qcore.network.spec_checks import each_within, one_of, within

NO_FLOOR = -(2**23) + 1
"""Lowest membrane potential that 24 bits hold: a floor there is none."""

OUTPUT_KINDS = ("counts", "membranes")
"""Kinds of layers that answer instead of firing."""

LONGEST_DELAY = 63
MOST_COUNT = 127
"""Largest number of spikes of a unit in a tick: it has 8 bits with a sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralSettings:
    """What networks trained elsewhere have and this project's own do not.

    A layer that uses any of these settings runs on more general kernels and cannot learn locally.
    Lengths are in ticks. Per-channel settings are one value or a list that is cycled over the
    channels.

    Attributes
    ----------
    kernel_x, stride_x, dilation_x
        Of the columns; 0 for those of the rows, ``kernel``, ``stride`` and ``dilation``.
    pad_x
        Padding of the columns; -1 for that of the rows, ``pad``.
    dilation
        Distance of neighbouring taps of the kernel.
    groups
        Number of groups of channels that are connected among themselves only.
    delay
        Delay of all input spikes. lava has one tick per layer.
    delays
        The longest further delay of a synapse, or of an input unit; arrays hold each one's.
    delays_by
        "synapse", or "input" for one delay per unit of the input map.
    fires
        "above" the threshold, or once it is "reached".
    most_spikes
        The most spikes of a neuron in a tick: one for each threshold that its membrane holds.
    reset_value
        Membrane potential after ``reset`` "zero", per channel.
    reset_late
        Whether a spike resets in the next tick, inside that tick's update of the membrane.
    floor
        Lowest membrane potential, per channel.
    reset_every, reset_at
        Every so many ticks, at this remainder, all state of the neurons is set to zero before they
        integrate. 0: never.
    neuron_bias
        Whether each neuron has a bias of its own, added to that of its channel.
    bias_to
        What biases are added to, "membrane" or "current".
    recurrent
        Whether the neurons' spikes reach all neurons of the layer in the next tick.
    recurrent_exponent
        Power of two that the recurrent weights share.
    decay_bits
        Bits of ``decay_u`` and ``decay_v``, whose unit is ``2**-decay_bits``.
    """

    kernel_x: int = later(0)
    stride_x: int = later(0)
    pad_x: int = later(-1)
    dilation: int = later(1)
    dilation_x: int = later(0)
    groups: int = later(1)
    delay: int = later(0)
    delays: int = later(0)
    delays_by: str = later("synapse")
    fires: str = later("above")
    most_spikes: int = later(1)
    reset_value: int | tuple[int, ...] = later(0)
    reset_late: bool = later(False)
    floor: int | tuple[int, ...] = later(NO_FLOOR)
    reset_every: int = later(0)
    reset_at: int = later(0)
    neuron_bias: bool = later(False)
    bias_to: str = later("membrane")
    recurrent: bool = later(False)
    recurrent_exponent: int = later(4)
    decay_bits: int = later(12)

    def general_choice(self) -> str | None:
        """Name the first of these settings that is not at its default; None without one."""
        for field in dataclasses.fields(GeneralSettings):
            if getattr(self, field.name) != field.default:
                return field.name
        return None

    def check_ranges(self, where: str, channels: int) -> None:
        """Refuse impossible values, with a :class:`SpecError`.

        Parameters
        ----------
        where
            Begins the names of settings in messages.
        channels
            Number of the layer's channels.
        """
        for name, allowed in _CHOICES:
            one_of(where + name, getattr(self, name), allowed)
        for name, low, high in _RANGES:
            within(where + name, getattr(self, name), low, high)
        for name in ("floor", "reset_value"):
            each_within(where + name, getattr(self, name), NO_FLOOR, 2**23 - 1, channels)
        if channels % self.groups:
            raise SpecError(
                f"{where}groups is {self.groups}, which does not divide the {channels} channels."
            )
        if self.reset_at and self.reset_at >= self.reset_every:
            raise SpecError(
                f"{where}reset_at is {self.reset_at}; with reset_every = {self.reset_every} "
                f"allowed are 0 to {max(self.reset_every - 1, 0)}."
            )
        if self.delays == 0 and self.delays_by != "synapse":
            raise SpecError(f"{where}delays_by needs delays of at least 1, the longest of them.")


_CHOICES = (
    ("delays_by", ("synapse", "input")),
    ("fires", ("above", "reached")),
    ("reset_late", (False, True)),
    ("neuron_bias", (False, True)),
    ("bias_to", ("membrane", "current")),
    ("recurrent", (False, True)),
)

_RANGES = (
    ("kernel_x", 0, 64),
    ("stride_x", 0, 16),
    ("pad_x", -1, 64),
    ("dilation", 1, 64),
    ("dilation_x", 0, 64),
    ("groups", 1, 4096),
    ("delay", 0, LONGEST_DELAY),
    ("delays", 0, LONGEST_DELAY),
    ("most_spikes", 1, MOST_COUNT),
    ("reset_every", 0, 2**30),
    ("reset_at", 0, 2**30),
    ("recurrent_exponent", 0, 14),
    ("decay_bits", 12, 16),
)
