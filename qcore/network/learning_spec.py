"""Settings of local learning, checked."""

from __future__ import annotations

from dataclasses import dataclass

from spikewire.qcore.errors import SpecError
from spikewire.qcore.network.later import later
from spikewire.qcore.network.spec_checks import one_of, within

BIAS_EXPONENT = 8

NO_CARRY = 30
"""As ``carry_shift``: the next layer carries no errors back."""


@dataclass(frozen=True, slots=True)
class LearningSpec:
    """Local learning of the plastic layers.

    Lengths are in ticks, shifts in bits. A layer learns every ``cadence`` ticks, from ``burn_in``
    ticks after a label begins on, and steps its weights after ``apply_every`` gradients. Thresholds
    are adapted every ``period`` ticks with events.

    The last settings choose between this project's rule, the default, and that of Schaefer & Joshi
    (2020): what errors, deltas and gradients are divided by, whether a gradient's mean is taken
    off, which matrix brings errors back, the surrogate, and whether biases are learned (then their
    weights count ``2**bias_exponent`` each in the membrane's unit).

    With ``feedback`` "trained" layers have no readout of their own: they learn by the errors of the
    trained readout, which its weights bring back to the layers that it reads. With a
    ``carry_shift`` below 30 the weights of the next layer carry the errors of its neurons back,
    too, where that layer learns as well; their sums are shifted right by so many bits before they
    are added. A layer before one that learns need not be read then. 30: no errors are carried.
    """

    cadence: int = 10
    burn_in: int = 50
    apply_every: int = 8
    target: int = 6000
    error_shift: int = 8
    dead_zone: int = 1
    delta_shift: int = 6
    trace_shift: int = 5
    step: int = 32
    last_step: int = 8
    bias_step: int = 0
    slow: int = 5
    period: int = 32
    error_scale: str = later("fixed")
    delta_scale: str = later("fixed")
    gradient_scale: str = later("channel")
    centre_gradients: bool = later(True)
    feedback: str = later("readout")
    surrogate: str = later("window")
    learn_biases: bool = later(False)
    bias_exponent: int = later(BIAS_EXPONENT)
    carry_shift: int = later(NO_CARRY)

    def check(self) -> None:
        """Refuse impossible values, with a :class:`SpecError`."""
        for name, low, high in _RANGES:
            within(f"learning.{name}", getattr(self, name), low, high)
        for name, allowed in _CHOICES:
            one_of(f"learning.{name}", getattr(self, name), allowed)
        if self.learn_biases and self.bias_step:
            raise SpecError(
                f"learning.bias_step is {self.bias_step}, which moves biases by a sign; with "
                "learn_biases = true they are stepped like weights, and it has to be 0."
            )
        if not self.learn_biases and self.bias_exponent != BIAS_EXPONENT:
            raise SpecError(
                f"learning.bias_exponent is {self.bias_exponent}, but biases are not learned: "
                "it needs learn_biases = true."
            )
        if self.carry_shift != NO_CARRY and self.feedback != "trained":
            raise SpecError(
                f"learning.carry_shift is {self.carry_shift}, but errors are carried from layer to "
                f"layer only with learning.feedback 'trained', not {self.feedback!r}: it has to be "
                f"{NO_CARRY}."
            )


_RANGES = (
    ("cadence", 1, 10_000),
    ("burn_in", 0, 100_000),
    ("apply_every", 0, 100_000),
    ("target", 0, 2**30),
    ("error_shift", 0, 30),
    ("dead_zone", 0, 2**20),
    ("delta_shift", 0, 30),
    ("trace_shift", 0, 30),
    ("bias_step", 0, 2**20),
    ("slow", 3, 5),
    ("step", 0, 2**20),
    ("last_step", 0, 2**20),
    ("period", 0, 100_000),
    ("bias_exponent", 0, 15),
    ("carry_shift", 0, NO_CARRY),
)
"""Settings with the smallest and the largest value allowed."""

_CHOICES = (
    ("error_scale", ("fixed", "largest")),
    ("delta_scale", ("fixed", "largest")),
    ("gradient_scale", ("channel", "tensor")),
    ("centre_gradients", (False, True)),
    ("feedback", ("readout", "concordant", "trained")),
    ("surrogate", ("window", "sigmoid")),
    ("learn_biases", (False, True)),
)
