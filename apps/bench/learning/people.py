"""Simulated people that no network was trained on, with binned gestures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, NetworkSpec

CLIP_MS = 1500
"""Length of a clip, as `spikewire evaluate` judges them."""

BEFORE_MS = 1000
"""Length of the other gesture before a lesson."""

_TRAINED_BELOW = 20_000
_ROOMS = ("natural", "fluorescent", "led")


def in_ticks(ms: int, spec: NetworkSpec) -> int:
    """Return how many of a network's ticks begin within some milliseconds."""
    return -(-1000 * ms // spec.tick_us)


@dataclass(frozen=True, slots=True)
class Person:
    """Simulated person, by number; each clip has a room of its own.

    Parameters
    ----------
    seed
        Whose people: from 1, because the shipped network has seen those of 0.
    number
        Which of them, from 1.
    """

    seed: int
    number: int

    @property
    def subject(self) -> int:
        """Number of the simulator, beyond those of `spikewire simulate --seed 0`."""
        return 10_000 * (self.seed + 1) + self.number

    def clip(self, gesture: str, repetition: int, spec: NetworkSpec) -> BinnedEvents:
        """Simulate a gesture that is already under way."""
        return self._see(((gesture, CLIP_MS),), repetition, spec)

    def lesson(self, before: str, gesture: str, seconds: float, spec: NetworkSpec) -> BinnedEvents:
        """Simulate another gesture for ``BEFORE_MS``, then the gesture with its onset."""
        return self._see(((before, BEFORE_MS), (gesture, round(1000 * seconds))), 0, spec)

    def _see(
        self, gestures: tuple[tuple[str, int], ...], repetition: int, spec: NetworkSpec
    ) -> BinnedEvents:
        from spikewire.qcore import bin_events
        from spikewire.sensors import Camera, SimulatedRecording, draw_conditions

        assert self.subject > _TRAINED_BELOW
        light = _ROOMS[(self.number + repetition) % len(_ROOMS)]
        seed = 1000 * self.subject + repetition
        conditions = draw_conditions(
            SimulatedRecording(self.number, self.subject, light, 1.5, seed)
        )
        camera = Camera(seed=seed, subject=self.subject, conditions=conditions)
        events = np.concatenate([camera.see(gesture, 1000 * ms) for gesture, ms in gestures])
        t, x, y, p = (np.ascontiguousarray(events[name]) for name in "txyp")
        return bin_events(
            t, x, y, p, sensor_size=(128, 128), input_size=(spec.width, spec.height),
            origin_us=0, origin_tick=0, tick_us=spec.tick_us,
        )  # fmt: skip
