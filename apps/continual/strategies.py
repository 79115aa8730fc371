"""Strategies of continual learning on a frozen network's features.

A learner sees each recording once, as the features at a few instants, with its label. Tests compare
the bytes of a learner with the number that it reports, and overwrite its recordings afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from spikewire.qcore import ReadoutSpec

Features = npt.NDArray[np.int16]
"""A recording's features: int16[instants, features]."""

Maps = Sequence[tuple[int, int, int]]
"""(rows, columns, channels) of the maps that features lie on, one after the other."""


@dataclass(frozen=True, slots=True)
class StrategySettings:
    """Settings of the strategies, chosen on a fifth of the training part (docs/continual.md).

    Attributes
    ----------
    memory
        Bytes that a strategy may keep beyond the network and its readout.
    online_shift, replay_shift
        Shift of the delta rule without and with rehearsal; a smaller shift is a larger step.
    replays
        Number of vectors rehearsed after each new one.
    ridge_shift
        Ridge of the prototypes' metric, as a shift.
    joint_passes, joint_shifts
        Passes of the joint readout, and its shift in the first and in the last pass.
    """

    memory: int = 65_536
    online_shift: int = 15
    replay_shift: int = 18
    replays: int = 32
    ridge_shift: int = 3
    joint_passes: int = 10
    joint_shifts: tuple[int, int] = (14, 19)


class Learner(Protocol):
    """Interface of a strategy."""

    @property
    def extra_bytes(self) -> int:
        """Bytes kept beyond the network and its readout."""

    @property
    def readout_bytes(self) -> int:
        """Bytes of the network's own readout, if the strategy uses it."""

    def add_class(self) -> None:
        """Make room for the next class."""

    def learn(self, recording: Features, label: int) -> None:
        """Learn one recording."""

    def scores(self, recording: Features) -> npt.NDArray[np.int64]:
        """Score a recording: int64[classes so far]."""


class Online:
    """Delta rule of the readout, recording after recording."""

    def __init__(self, features: int, spec: ReadoutSpec, shift: int, seed: int) -> None:
        from spikewire.qcore import DeltaReadout

        self._readout = DeltaReadout(0, features, replace(spec, shift=shift), seed)

    @property
    def extra_bytes(self) -> int:
        """Zero: the readout is the network's."""
        return 0

    @property
    def readout_bytes(self) -> int:
        """Bytes of the readout's weights."""
        return self._readout.nbytes

    def add_class(self) -> None:
        """Make room for the next class."""
        self._readout.add_class()

    def learn(self, recording: Features, label: int) -> None:
        """Learn one recording."""
        for features in recording:
            self._readout.learn(features, label)

    def slow_down(self, shift: int) -> None:
        """Change the shift of the delta rule."""
        self._readout.shift = shift

    def scores(self, recording: Features) -> npt.NDArray[np.int64]:
        """Sum the scores over the instants."""
        return sum_scores(self._readout.scores, recording)


class Rehearsal(Online):
    """Delta rule with rehearsal: past feature vectors are learned again after each new one."""

    def __init__(
        self, features: int, spec: ReadoutSpec, shift: int, replays: int, memory: int, seed: int
    ) -> None:
        from spikewire.qcore import RehearsalMemory

        super().__init__(features, spec, shift, seed)
        self._memory = RehearsalMemory(memory, features, seed)
        self._replays = replays

    @property
    def extra_bytes(self) -> int:
        """Bytes of the rehearsal memory."""
        return self._memory.nbytes

    def add_class(self) -> None:
        """Make room for the next class."""
        super().add_class()
        self._memory.add_class()

    def learn(self, recording: Features, label: int) -> None:
        """Learn one recording."""
        for features in recording:
            self._readout.learn(features, label)
            for _ in range(self._replays):
                past, was = self._memory.recall()
                if was >= 0:
                    self._readout.learn(past, was)
            self._memory.remember(features, label)


class NearestPrototype:
    """Class means in a common metric, in place of the network's readout."""

    def __init__(self, memory: int, classes: int, maps: Maps, ridge_shift: int, seed: int) -> None:
        from spikewire.qcore import Prototypes

        # The folding is as wide as the memory allows once all classes are known.
        size = Prototypes.within(memory, classes, maps=maps).size
        self._prototypes = Prototypes(0, size=size, maps=maps, seed=seed, ridge_shift=ridge_shift)

    @property
    def extra_bytes(self) -> int:
        """Bytes of the prototypes and their metric."""
        return self._prototypes.nbytes

    @property
    def readout_bytes(self) -> int:
        """Zero: the readout is not used."""
        return 0

    def add_class(self) -> None:
        """Make room for the next class."""
        self._prototypes.add_class()

    def learn(self, recording: Features, label: int) -> None:
        """Learn one recording."""
        for features in recording:
            self._prototypes.learn(features, label)

    def scores(self, recording: Features) -> npt.NDArray[np.int64]:
        """Sum the scores over the instants."""
        return sum_scores(self._prototypes.scores, recording)


ONE_PASS = ("online", "replay", "prototypes")
JOINT = ("joint", "joint-network")
"""Ceilings: the readout on the same features, and the whole network with its layers."""

LIVE = "network"
"""The network itself, which learns each recording once, layers and all (`live.py`)."""

STRATEGIES = (*ONE_PASS, LIVE, *JOINT)


def make_learner(
    strategy: str,
    settings: StrategySettings,
    spec: ReadoutSpec,
    maps: Maps,
    classes: int,
    seed: int,
) -> Learner:
    """Make a learner of a strategy in ``ONE_PASS`` that knows no class yet.

    Raises
    ------
    ValueError
        If the memory is too small for the strategy.
    """
    s = settings
    features = sum(rows * columns * channels for rows, columns, channels in maps)
    if strategy == "online":
        return Online(features, spec, s.online_shift, seed)
    if strategy == "replay":
        return Rehearsal(features, spec, s.replay_shift, s.replays, s.memory, seed)
    return NearestPrototype(s.memory, classes, maps, s.ridge_shift, seed)


def learn_jointly(
    recordings: Sequence[Features], labels: Sequence[int], settings: StrategySettings,
    spec: ReadoutSpec, classes: int, seed: int,
) -> Online:  # fmt: skip
    """Train a readout on all classes at once, in passes, each in an order of its own."""
    from spikewire.apps.training.split import epoch_order

    learner = Online(recordings[0].shape[1], spec, spec.shift, seed)
    for _ in range(classes):
        learner.add_class()
    first, last = settings.joint_shifts
    for number in range(settings.joint_passes):
        learner.slow_down(first + (last - first) * number // max(settings.joint_passes - 1, 1))
        for n in epoch_order(seed, number, len(recordings)):
            learner.learn(recordings[n], labels[n])
    return learner


def sum_scores(
    score: Callable[[npt.NDArray[np.int16]], npt.NDArray[np.int64] | npt.NDArray[np.int32]],
    recording: Features,
) -> npt.NDArray[np.int64]:
    """Sum a learner's scores over a recording's instants: int64[classes]."""
    total: npt.NDArray[np.int64] = np.sum([score(f) for f in recording], 0, dtype=np.int64)
    return total
