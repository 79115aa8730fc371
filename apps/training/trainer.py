"""Training in passes over a data set, resumable after any portion.

Everything random is drawn from the seed and the number of the pass, and everything that lasts
between two portions lies in the network. A training can therefore be resumed from the network, the
number of its next portion and the learning curve, with the same bits as without interruption.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.evaluation import activity, evaluate_batch
from spikewire.apps.training.split import epoch_order, epoch_shifts
from spikewire.sensors import NON_GESTURES

if TYPE_CHECKING:
    from spikewire.qcore import Batch, BinnedEvents, Network, NetworkSpec
    from spikewire.sensors import Sample


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Length of a training, its portions, and the seed of its order.

    Attributes
    ----------
    passes
        Number of passes over the recordings.
    batch
        Number of recordings in a portion.
    seed
        Seed of the order and of the shifts.
    shift
        Largest random shift of a recording, in pixels.
    distort
        Kind of distortion of every other recording of a portion; None for none.
    average
        Number of passes at the end over which the readout's stored weights are averaged; 0.5 for
        half of the last one.
    """

    passes: int
    batch: int = 50
    seed: int = 0
    shift: int = 0
    distort: str | None = None
    average: float = 0

    @classmethod
    def best(
        cls, spec: NetworkSpec, passes: int | None, batch: int | None, shift: int | None, seed: int
    ) -> TrainingPlan:
        """Complete a plan: what is None comes from the network's own training settings."""
        own = spec.training
        count = own.passes if passes is None else passes
        return cls(
            count,
            own.batch if batch is None else batch,
            seed,
            own.shift if shift is None else shift,
            average=averaged_passes(spec, count),
        )


def averaged_passes(spec: NetworkSpec, passes: int) -> float:
    """Return how many of a training's passes a network's readout is averaged over.

    These are a quarter at most. Fewer than four passes have no whole one in it: half of the last
    one is averaged, which takes one pass over 800 digits from 0.861 to 0.901 (five seeds).
    """
    most = passes // 4 or 0.5
    return min(spec.training.average, most)


def learned_passes(passes: int) -> float:
    """Return in how many of a training's passes, at its end, class means learn.

    These are a quarter, rounded down. Of fewer than four passes they are three quarters of the last
    one.
    """
    return passes // 4 or 0.75


@dataclass(slots=True)
class Progress:
    """Progress of a training.

    Attributes
    ----------
    number, portion
        The next pass, and the next portion in it, from 0.
    spikes
        Output spikes of each layer in this pass so far.
    seconds
        Duration of this pass so far.
    curve
        One record per finished pass.
    summed, sums
        Number of the readout's stored weights that were summed for their mean, and their sums,
        int64[classes, features] in little-endian bytes.
    """

    number: int = 0
    portion: int = 0
    spikes: list[int] = field(default_factory=list)
    seconds: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)
    summed: int = 0
    sums: bytes = b""


@dataclass(frozen=True, slots=True)
class KeptClasses:
    """Rows of a readout that a training leaves as they were.

    A class's row of weights is corrected by its own errors alone. So what the others learn depends
    on rows that are kept in the draws of rounding only.

    Attributes
    ----------
    places
        The classes' places in the network.
    rows
        int16[places, features]: their stored weights.
    """

    places: list[int]
    rows: NDArray[np.int16]

    @classmethod
    def all_but(cls, network: Network, learning: Sequence[str]) -> KeptClasses:
        """Keep all classes of a network but those named.

        Raises
        ------
        UsageError
            If one of them is no class of the network, or more than the readout would learn.
        """
        for name in learning:
            if name not in network.classes:
                raise UsageError(f"--only {name}: the network has {', '.join(network.classes)}")
        if network.temporal is not None or any(layer.plastic for layer in network.spec.layers):
            raise UsageError("--only needs a network whose layers do not learn")
        if network.prototypes is not None:
            raise UsageError("--only needs a network without class means, which all classes share")
        places = [n for n, name in enumerate(network.classes) if name not in learning]
        return cls(places, network.read_store()[places].copy())

    def put_back(self, network: Network) -> None:
        """Give the network the rows back."""
        network.read_store()[self.places] = self.rows


@dataclass(frozen=True, slots=True)
class Trainer:
    """A network, its training and validation parts, and a plan.

    Attributes
    ----------
    network
        The network, which is changed.
    binned
        The data set.
    learn, validate
        The recordings of either part.
    plan
        The plan.
    each_pass
        Whether each pass is evaluated, and not only the last one.
    kept
        Classes that do not learn; None for none.
    """

    network: Network
    binned: BinnedDataset
    learn: Sequence[Sample]
    validate: Sequence[Sample]
    plan: TrainingPlan
    each_pass: bool = True
    kept: KeptClasses | None = None

    @property
    def portions(self) -> int:
        """Number of portions in a pass."""
        return math.ceil(len(self.learn) / self.plan.batch)

    def run(
        self,
        progress: Progress,
        *,
        after_portion: Callable[[Progress], None],
        after_pass: Callable[[dict[str, Any]], None],
    ) -> None:
        """Train from ``progress`` to the end, updating it.

        Parameters
        ----------
        progress
            The point to begin at.
        after_portion
            Called after each portion, when the training can be resumed from the network and the
            progress.
        after_pass
            Called with the record of each pass: accuracy, recall and accuracies of the layers' own
            readouts on the validation part (None without one), activity in training and in
            validation, weight updates, seconds.
        """
        from spikewire.qcore import Batch

        plan, net = self.plan, self.network
        batch = Batch(net, min(plan.batch, max(len(self.learn), 1)))
        while progress.number < plan.passes:
            began = time.perf_counter()
            self._begin_means(progress)
            spikes = self._portion(batch, progress.number, progress.portion)
            before = progress.spikes or [0] * len(spikes)
            progress.spikes = [was + now for was, now in zip(before, spikes, strict=True)]
            if self.kept is not None:
                self.kept.put_back(net)
            progress.portion += 1
            progress.seconds += time.perf_counter() - began
            left = plan.passes * self.portions - progress.number * self.portions - progress.portion
            if left < round(plan.average * self.portions):
                self._average(progress)
            record = None
            if progress.portion == self.portions:
                record = self._record(batch, progress)
                progress.curve.append(record)
                progress.number += 1
                progress.portion = 0
                progress.spikes = []
                progress.seconds = 0.0
            after_portion(progress)
            # Last: a pass that is told can be resumed from.
            if record is not None:
                after_pass(record)
        net.schedule(1, 1)
        if net.prototypes is not None:
            net.prototypes.learns = True

    def _begin_means(self, progress: Progress) -> None:
        """Let class means learn in the end of a training only, when features hardly move.

        Means of features that layers leave behind are forgotten at once: they would answer wrongly
        in between, and hold thresholds where they are.
        """
        means = self.network.prototypes
        if means is None:
            return
        left = (self.plan.passes - progress.number) * self.portions - progress.portion
        phase = round(learned_passes(self.plan.passes) * self.portions)
        learns = any(layer.plastic for layer in self.network.spec.layers)
        if learns and left in (phase, self.plan.passes * self.portions):
            means.forget()
        means.learns = left <= phase

    def _average(self, progress: Progress) -> None:
        """Sum the readout's stored weights, and end the training with their mean."""
        store = self.network.read_store()
        sums = store.astype("<i8")
        if progress.summed:
            sums += np.frombuffer(progress.sums, "<i8").reshape(store.shape)
        progress.summed += 1
        progress.sums = sums.tobytes()
        if progress.number + 1 == self.plan.passes and progress.portion == self.portions:
            # Rounded to the nearest, halves up.
            store[...] = (2 * sums + progress.summed) // (2 * progress.summed)

    def _portion(self, batch: Batch, number: int, portion: int) -> list[int]:
        plan = self.plan
        chosen = epoch_order(plan.seed, number, len(self.learn))
        chosen = chosen[portion * plan.batch : (portion + 1) * plan.batch]
        events = presented(self.binned, self.learn, plan, number, chosen)
        net = self.network
        labels = [net.classes.index(self.learn[n].label) for n in chosen]
        net.schedule(number * self.portions + portion, plan.passes * self.portions)
        spikes = batch.show(events, labels, self.binned.ticks, learn=True).spikes.sum(0)
        return [int(n) for n in spikes]

    def _record(self, batch: Batch, progress: Progress) -> dict[str, Any]:
        began = time.perf_counter()
        evaluation = None
        if self.validate and (self.each_pass or progress.number + 1 == self.plan.passes):
            evaluation = evaluate_batch(batch, self.binned, self.validate)
        return {
            "pass": progress.number + 1,
            "accuracy": None if evaluation is None else round(evaluation.accuracy, 4),
            "recall": None if evaluation is None else evaluation.recall(),
            "activity": activity(
                self.network, progress.spikes, len(self.learn) * self.binned.ticks
            ),
            "local": None if evaluation is None else evaluation.local,
            "validation_activity": None if evaluation is None else evaluation.activity,
            "updates": self.network.updates,
            "learn_s": round(progress.seconds, 2),
            "validate_s": round(time.perf_counter() - began, 2),
        }


def presented_excerpts(
    binned: BinnedDataset,
    learn: Sequence[Sample],
    plan: TrainingPlan,
    place: tuple[int, int],
    chosen: Sequence[int] | NDArray[np.int64],
    ticks: int,
) -> list[BinnedEvents]:
    """Do as :func:`presented` with an excerpt of each recording, whose start is drawn.

    Parameters
    ----------
    binned, learn, plan, chosen
        As for :func:`presented`.
    place
        Numbers of the pass and of the portion.
    ticks
        Length of an excerpt.
    """
    rng = np.random.default_rng([plan.seed, *place, 0xC07])
    starts = rng.integers(0, binned.ticks - ticks + 1, len(chosen))
    cuts = [(int(start), ticks) for start in starts]
    return presented(binned, learn, plan, place[0], chosen, cuts)


def presented(
    binned: BinnedDataset,
    learn: Sequence[Sample],
    plan: TrainingPlan,
    number: int,
    chosen: Sequence[int] | NDArray[np.int64],
    cuts: Sequence[tuple[int, int]] | None = None,
) -> list[BinnedEvents]:
    """Bin the recordings of a portion, each shifted and distorted as its pass draws it.

    Parameters
    ----------
    binned, learn
        The data set, and the recordings to learn.
    plan
        The plan.
    number
        Number of the pass.
    chosen
        The portion's recordings, by their place in ``learn``. Those at odd places of the portion
        are distorted, the others stay plain.
    cuts
        First tick and number of ticks of an excerpt of each; None for whole recordings.
    """
    shifts = np.zeros((len(learn), 2), np.int64)
    if plan.shift:
        shifts = epoch_shifts(plan.seed, number, len(learn), plan.shift)
    events = []
    for place, n in enumerate(chosen):
        dx, dy = (int(step) for step in shifts[n])
        cut = None if cuts is None else cuts[place]
        if plan.distort is not None and place % 2:
            seed = (plan.seed, number, int(n))
            # Noise alone is no gesture: without such examples a network takes it for one.
            empty = learn[n].label in NON_GESTURES
            events.append(binned.distorted(learn[n], seed, dx, dy, cut, empty=empty))
        else:
            events.append(binned.shifted(learn[n], dx, dy, cut))
    return events
