"""Ways to learn classes that come one task after the other, on a frozen network's features.

A learner sees each recording once, as the features at a few instants, with its label. It keeps
what it says it keeps: tests compare its bytes with what it claims, and spoil what it was shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from spikewire.qcore import ReadoutSpec

Shown = npt.NDArray[np.int16]
"""A recording's features: int16[instants, features]."""

Maps = Sequence[tuple[int, int, int]]
"""(rows, columns, channels) of the maps that features lie on, one after the other."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the strategies learn; chosen on a fifth of the learning part (docs/continual.md).

    Attributes
    ----------
    memory
        Bytes that a strategy may keep beyond the network, its readout included in the network.
    online_shift, replay_shift
        The delta rule's shift without and with rehearsal: the smaller, the bolder.
    replays
        Vectors rehearsed after each new one.
    ridge_shift
        Of the prototypes' metric.
    joint_passes, joint_shifts
        Passes of the joint readout, and its shift in the first and in the last.
    """

    memory: int = 65_536
    online_shift: int = 15
    replay_shift: int = 18
    replays: int = 32
    ridge_shift: int = 3
    joint_passes: int = 10
    joint_shifts: tuple[int, int] = (14, 19)


class Learner(Protocol):
    """What a strategy has to do."""

    @property
    def extra_bytes(self) -> int:
        """Bytes kept beyond the network and its readout."""

    @property
    def readout_bytes(self) -> int:
        """Bytes of the network's own readout, where it is what answers."""

    def add_class(self) -> None:
        """Make room for the next class."""

    def learn(self, shown: Shown, label: int) -> None:
        """Learn one recording."""

    def scores(self, shown: Shown) -> npt.NDArray[np.int64]:
        """Score a recording: int64[classes so far]."""


class Online:
    """The readout's delta rule, recording after recording, and nothing else."""

    def __init__(self, features: int, spec: ReadoutSpec, shift: int, seed: int) -> None:
        from spikewire.qcore import DeltaReadout

        self._readout = DeltaReadout(0, features, replace(spec, shift=shift), seed)

    @property
    def extra_bytes(self) -> int:
        """Nothing: the readout is the network's."""
        return 0

    @property
    def readout_bytes(self) -> int:
        """Weights of the readout."""
        return self._readout.nbytes

    def add_class(self) -> None:
        """Make room for the next class."""
        self._readout.add_class()

    def learn(self, shown: Shown, label: int) -> None:
        """Learn one recording."""
        for features in shown:
            self._readout.learn(features, label)

    def slow_down(self, shift: int) -> None:
        """Learn with another shift from now on."""
        self._readout.shift = shift

    def scores(self, shown: Shown) -> npt.NDArray[np.int64]:
        """Sum the scores over the instants."""
        return sum_scores(self._readout.scores, shown)


class Replay(Online):
    """The delta rule, with a memory of past feature vectors rehearsed after each new one."""

    def __init__(
        self, features: int, spec: ReadoutSpec, shift: int, replays: int, memory: int, seed: int
    ) -> None:
        from spikewire.qcore import RehearsalMemory

        super().__init__(features, spec, shift, seed)
        self._memory = RehearsalMemory(memory, features, seed)
        self._replays = replays

    @property
    def extra_bytes(self) -> int:
        """The memory."""
        return self._memory.nbytes

    def add_class(self) -> None:
        """Make room for the next class."""
        super().add_class()
        self._memory.add_class()

    def learn(self, shown: Shown, label: int) -> None:
        """Learn one recording."""
        for features in shown:
            self._readout.learn(features, label)
            for _ in range(self._replays):
                past, was = self._memory.recall()
                if was >= 0:
                    self._readout.learn(past, was)
            self._memory.remember(features, label)


class Nearest:
    """Means of classes in a metric that all share; the network's readout is not used."""

    def __init__(self, memory: int, classes: int, maps: Maps, ridge_shift: int, seed: int) -> None:
        from spikewire.qcore import Prototypes

        # The folding is as wide as the memory allows when all classes are there.
        size = Prototypes.within(memory, classes, maps=maps).size
        self._prototypes = Prototypes(0, size=size, maps=maps, seed=seed, ridge_shift=ridge_shift)

    @property
    def extra_bytes(self) -> int:
        """All of it."""
        return self._prototypes.nbytes

    @property
    def readout_bytes(self) -> int:
        """None is used."""
        return 0

    def add_class(self) -> None:
        """Make room for the next class."""
        self._prototypes.add_class()

    def learn(self, shown: Shown, label: int) -> None:
        """Learn one recording."""
        for features in shown:
            self._prototypes.learn(features, label)

    def scores(self, shown: Shown) -> npt.NDArray[np.int64]:
        """Sum the scores over the instants."""
        return sum_scores(self._prototypes.scores, shown)


ONE_PASS = ("online", "replay", "prototypes")
JOINT = ("joint", "joint-network")
"""The readout on the same features, and the whole network, layers and all."""

STRATEGIES = (*ONE_PASS, *JOINT)


def make_learner(
    strategy: str, settings: Settings, spec: ReadoutSpec, maps: Maps, classes: int, seed: int
) -> Learner:
    """Make a learner of one of ``ONE_PASS`` that knows no class yet.

    Raises
    ------
    ValueError
        If the memory is too small for it.
    """
    s = settings
    features = sum(rows * columns * channels for rows, columns, channels in maps)
    if strategy == "online":
        return Online(features, spec, s.online_shift, seed)
    if strategy == "replay":
        return Replay(features, spec, s.replay_shift, s.replays, s.memory, seed)
    return Nearest(s.memory, classes, maps, s.ridge_shift, seed)


def learn_jointly(
    shown: Sequence[Shown], labels: Sequence[int], settings: Settings, spec: ReadoutSpec,
    classes: int, seed: int,
) -> Online:  # fmt: skip
    """Learn everything at once, in passes, each in an order of its own: the ceiling."""
    from spikewire.apps.training.split import epoch_order

    learner = Online(shown[0].shape[1], spec, spec.shift, seed)
    for _ in range(classes):
        learner.add_class()
    first, last = settings.joint_shifts
    for number in range(settings.joint_passes):
        learner.slow_down(first + (last - first) * number // max(settings.joint_passes - 1, 1))
        for n in epoch_order(seed, number, len(shown)):
            learner.learn(shown[n], labels[n])
    return learner


def sum_scores(
    score: Callable[[npt.NDArray[np.int16]], npt.NDArray[np.int64] | npt.NDArray[np.int32]],
    shown: Shown,
) -> npt.NDArray[np.int64]:
    """Sum a learner's scores over a recording's instants: int64[classes]."""
    total: npt.NDArray[np.int64] = np.sum([score(f) for f in shown], 0, dtype=np.int64)
    return total
