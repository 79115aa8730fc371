"""Training: passes over a data set in portions, from any point at which it was left.

Everything random is drawn from the seed and the number of the pass, and everything that lasts
between two portions lies in the network. So a network, the number of its next portion and the curve
so far are all it takes to go on, and going on gives the bits of never having stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spikewire.apps.training.binned_dataset import Shows, activity, judge
from spikewire.apps.training.split import pass_order, pass_shifts

if TYPE_CHECKING:
    from spikewire.qcore import Batch, Network, NetworkSpec
    from spikewire.sensors import Sample


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, in which portions and in which order a network learns."""

    passes: int
    batch: int = 50
    seed: int = 0
    shift: int = 0

    @classmethod
    def best(
        cls, spec: NetworkSpec, passes: int | None, batch: int | None, shift: int | None, seed: int
    ) -> Plan:
        """Take what was asked for, and what the network's preset says for the rest."""
        own = spec.training
        return cls(
            own.passes if passes is None else passes,
            own.batch if batch is None else batch,
            seed,
            own.shift if shift is None else shift,
        )


@dataclass(slots=True)
class Position:
    """How far a training is.

    Attributes
    ----------
    number, portion
        The pass and its portion that come next, from 0.
    spikes
        Output spikes of each layer while learning, in this pass so far.
    seconds
        What this pass has taken so far.
    curve
        One record per finished pass.
    """

    number: int = 0
    portion: int = 0
    spikes: list[int] = field(default_factory=list)
    seconds: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Training:
    """A network, what it learns from, what judges it, and how."""

    network: Network
    shows: Shows
    learn: Sequence[Sample]
    validate: Sequence[Sample]
    plan: Plan

    @property
    def portions(self) -> int:
        """Portions in a pass."""
        return math.ceil(len(self.learn) / self.plan.batch)

    def run(
        self,
        position: Position,
        *,
        after_portion: Callable[[Position], None],
        after_pass: Callable[[dict[str, Any]], None],
    ) -> None:
        """Learn from ``position`` on to the end, moving it.

        Parameters
        ----------
        position
            Where to begin.
        after_portion
            Called whenever the network and the position are a point to go on from.
        after_pass
            Gets the record of each pass: accuracy and recall on the validation part (None without
            one), the layers' activity while learning and while validating, weight updates, seconds.
        """
        from spikewire.qcore import Batch

        plan, net = self.plan, self.network
        batch = Batch(net, min(plan.batch, max(len(self.learn), 1)))
        while position.number < plan.passes:
            began = time.perf_counter()
            spikes = self._portion(batch, position.number, position.portion)
            before = position.spikes or [0] * len(spikes)
            position.spikes = [was + now for was, now in zip(before, spikes, strict=True)]
            position.portion += 1
            position.seconds += time.perf_counter() - began
            if position.portion == self.portions:
                record = self._record(batch, position)
                position.curve.append(record)
                position.number += 1
                position.portion = 0
                position.spikes = []
                position.seconds = 0.0
                after_pass(record)
            after_portion(position)
        net.schedule(1, 1)

    def _portion(self, batch: Batch, number: int, portion: int) -> list[int]:
        plan, count = self.plan, len(self.learn)
        chosen = pass_order(plan.seed, number, count)
        chosen = chosen[portion * plan.batch : (portion + 1) * plan.batch]
        if plan.shift:
            shifts = pass_shifts(plan.seed, number, count, plan.shift)[chosen]
            shown = [
                self.shows.moved(self.learn[n], int(dx), int(dy))
                for n, (dx, dy) in zip(chosen, shifts, strict=True)
            ]
        else:
            shown = [self.shows.binned(self.learn[n]) for n in chosen]
        net = self.network
        labels = [net.classes.index(self.learn[n].label) for n in chosen]
        net.schedule(number * self.portions + portion, plan.passes * self.portions)
        spikes = batch.show(shown, labels, self.shows.ticks, learn=True).spikes.sum(0)
        return [int(n) for n in spikes]

    def _record(self, batch: Batch, position: Position) -> dict[str, Any]:
        began = time.perf_counter()
        judged = judge(batch, self.shows, self.validate) if self.validate else None
        return {
            "pass": position.number + 1,
            "accuracy": None if judged is None else round(judged.accuracy, 4),
            "recall": None if judged is None else judged.recall(),
            "activity": activity(self.network, position.spikes, len(self.learn) * self.shows.ticks),
            "validation_activity": None if judged is None else judged.activity,
            "updates": self.network.updates,
            "learn_s": round(position.seconds, 2),
            "validate_s": round(time.perf_counter() - began, 2),
        }
