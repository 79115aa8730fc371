"""Settings of local learning, checked."""

from __future__ import annotations

from dataclasses import dataclass

from spikewire.qcore.network.spec_checks import within


@dataclass(frozen=True, slots=True)
class LearningSpec:
    """Local learning of the plastic layers.

    Lengths are in ticks, shifts in bits. A layer learns every ``cadence`` ticks, from ``burn_in``
    ticks after a label begins on, and steps its weights after ``apply_every`` gradients. Thresholds
    are adapted every ``period`` ticks with events.
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

    def check(self) -> None:
        """Refuse impossible values, with a :class:`SpecError`."""
        for name, low, high in _RANGES:
            within(f"learning.{name}", getattr(self, name), low, high)


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
)
"""Settings with the smallest and the largest value allowed."""
