"""Learning of a network's layers through time: surrogate gradients in PyTorch, then 8 bits.

The recordings are those of `spikewire train`, in the same order, shifted and distorted in the same
way. Every portion is cut into the same shards, whose gradients are added in the same order. So a
seed gives the same network on the same machine, with any number of threads.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.cli.errors import CommandError
from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.split import epoch_order
from spikewire.apps.training.trainer import TrainingPlan, presented_excerpts

if TYPE_CHECKING:
    from torch import Tensor

    from spikewire.apps.training.through_time.layers import FloatNetwork
    from spikewire.qcore import BinnedEvents, Network, NetworkSpec
    from spikewire.sensors import Sample

Planes = NDArray[np.float32]

EXCERPT_US = 700_000
"""Length of the excerpts that the layers learn from: what a viewer sees before an answer."""

_RATE = 4e-3
_EVERY, _BURN_IN_US = 5, 200_000
_BUSY, _BUSY_COST = 0.10, 4.0
_BATCH, _SHARDS = 33, 4
_EXCERPTS = 20_000


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Length of a training through time.

    Attributes
    ----------
    passes
        Passes over the recordings.
    plan
        Seed, shift and distortion, as for the readout.
    jobs
        Number of threads, which changes no result; None for one per core.
    """

    passes: int
    plan: TrainingPlan
    jobs: int | None = None

    @classmethod
    def best(
        cls,
        passes: int | None,
        learn: Sequence[Sample],
        plan: TrainingPlan,
        jobs: int | None = None,
    ) -> LayerPlan:
        """Complete a plan: without ``passes`` it has as many as show 20,000 excerpts."""
        count = max(1, round(_EXCERPTS / len(learn))) if passes is None else passes
        return cls(count, plan, jobs)


@dataclass(frozen=True, slots=True)
class LayerPass:
    """Result of one pass.

    Attributes
    ----------
    number
        Its number, from 1.
    loss
        Mean cross entropy.
    accuracy
        Share of the excerpts that the float readout named at their end.
    activity
        Share of each layer's units that spike in a tick.
    """

    number: int
    loss: float
    accuracy: float
    activity: list[float]


def require_torch() -> None:
    """Refuse to begin without PyTorch.

    Raises
    ------
    CommandError
        The message names the extra.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise CommandError("--through-time needs PyTorch: pip install 'spikewire[twin]'") from None


def check_layers(spec: NetworkSpec) -> None:
    """Refuse a specification whose layers cannot be learned through time, with a `UsageError`."""
    from spikewire.apps.training.through_time.layers import check_spec

    check_spec(spec)


def learn_layers(
    network: Network,
    binned: BinnedDataset,
    learn: Sequence[Sample],
    layer_plan: LayerPlan,
    after_pass: Callable[[LayerPass], None],
) -> Network:
    """Learn the layers of a network through time.

    Parameters
    ----------
    network
        The network, whose specification and classes count.
    binned, learn
        The data set, and the recordings to learn.
    layer_plan
        Number of passes, seed, shift and distortion.
    after_pass
        Called after each pass.

    Returns
    -------
    Network
        A new network with the learned layers, and an untrained readout.

    Raises
    ------
    UsageError
        If the specification has layers that cannot be learned in this way.
    """
    import torch

    from spikewire.apps.training.through_time.export import export
    from spikewire.apps.training.through_time.layers import FloatNetwork

    torch.manual_seed(layer_plan.plan.seed)
    course = _Course(network.spec, network.classes, binned, learn, layer_plan)
    learned = FloatNetwork(network.spec, len(network.classes))
    optimiser = torch.optim.Adam(learned.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, course.rate)
    with _threads(layer_plan.jobs) as pool:
        portions = _Ahead(course, pool)
        for number in range(layer_plan.passes):
            sums = np.zeros(2 + len(learned.layers))
            for portion in range(course.portions):
                planes, labels = portions.take()
                if number == portion == 0:
                    learned.calibrate(planes)
                told, gradients = _credit(pool, learned, planes, labels, course.asked())
                for parameter, gradient in zip(learned.parameters(), gradients, strict=True):
                    parameter.grad = gradient
                torch.nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                sums += told
            means = [round(float(value), 4) for value in sums / course.portions]
            after_pass(LayerPass(number + 1, means[0], means[1], means[2:]))
    return export(learned, network.spec, network.classes, network.seed)


@contextmanager
def _threads(jobs: int | None) -> Iterator[ThreadPoolExecutor]:
    """Give threads, each of which lets PyTorch compute on one core only, and one that reads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(
        (jobs or os.cpu_count() or 1) + 1, initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


class _Ahead:
    """The excerpts of a training, of which the next portion is cut while one is learned."""

    def __init__(self, course: _Course, pool: ThreadPoolExecutor) -> None:
        self._course, self._pool = course, pool
        self._taken = 0
        self._next = pool.submit(course.excerpts, 0, 0)

    def take(self) -> tuple[Tensor, Tensor]:
        """Return the next portion's planes and labels."""
        import torch

        planes, labels = self._next.result()
        self._taken += 1
        number, portion = divmod(self._taken, self._course.portions)
        if number < self._course.layer_plan.passes:
            self._next = self._pool.submit(self._course.excerpts, number, portion)
        return torch.from_numpy(planes), torch.from_numpy(labels)


def _credit(
    pool: ThreadPoolExecutor, learned: FloatNetwork, planes: Tensor, labels: Tensor, asked: Tensor
) -> tuple[NDArray[np.float64], list[Tensor]]:
    """Compute a portion's loss, share named right, activities, and gradients, shard by shard."""
    shards = min(_SHARDS, len(labels))
    shown = zip(planes.chunk(shards, 1), labels.chunk(shards), strict=True)
    found = list(pool.map(partial(_shard_credit, learned, asked), shown))
    told = np.zeros(2 + len(learned.layers))
    total: list[Tensor] = []
    for share, one, gradients in found:
        told += share / len(labels) * one
        weighed = [gradient * (share / len(labels)) for gradient in gradients]
        total = [a + b for a, b in zip(total, weighed, strict=True)] if total else weighed
    return told, total


def _shard_credit(
    learned: FloatNetwork, asked: Tensor, shown: tuple[Tensor, Tensor]
) -> tuple[int, NDArray[np.float64], tuple[Tensor, ...]]:
    """Compute the number of excerpts of a shard, what is told of them, and their gradients."""
    import torch

    planes, labels = shown
    scores, rates = learned(planes, asked)
    loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), labels.repeat(len(scores)))
    busy = sum((rate - _BUSY).clamp(min=0) for rate in rates)
    gradients = torch.autograd.grad(loss + _BUSY_COST * busy, list(learned.parameters()))
    right = (scores[-1].argmax(1) == labels).double().mean()
    return len(labels), np.array([one.item() for one in (loss, right, *rates)]), gradients


@dataclass(frozen=True, slots=True)
class _Course:
    """Excerpts of a training in order, and the rate at each step."""

    spec: NetworkSpec
    classes: Sequence[str]
    binned: BinnedDataset
    learn: Sequence[Sample]
    layer_plan: LayerPlan

    @property
    def portions(self) -> int:
        return math.ceil(len(self.learn) / _BATCH)

    @property
    def ticks(self) -> int:
        return min(max(EXCERPT_US // self.spec.tick_us, 1), self.binned.ticks)

    def rate(self, done: int) -> float:
        """Rise for 20 steps, then fall by a cosine."""
        total = self.layer_plan.passes * self.portions
        return min((done + 1) / 20, 0.5 + 0.5 * math.cos(math.pi * done / total))

    def asked(self) -> Tensor:
        """Return the ticks of an excerpt after which the readout scores."""
        import torch

        first = min(_BURN_IN_US // self.spec.tick_us, self.ticks - 1)
        return torch.arange(self.ticks - 1, first - 1, -_EVERY).flip(0)

    def excerpts(self, number: int, portion: int) -> tuple[Planes, NDArray[np.int64]]:
        """Cut an excerpt from each recording of a portion: planes and labels."""
        plan, learn = self.layer_plan.plan, self.learn
        chosen = epoch_order(plan.seed, number, len(learn))
        chosen = chosen[portion * _BATCH : (portion + 1) * _BATCH]
        events = presented_excerpts(self.binned, learn, plan, (number, portion), chosen, self.ticks)
        planes = [excerpt_planes(self.spec, one, 0, self.ticks) for one in events]
        labels = np.array([self.classes.index(learn[n].label) for n in chosen], np.int64)
        return np.stack(planes, 1), labels


def excerpt_planes(spec: NetworkSpec, events: BinnedEvents, start: int, ticks: int) -> Planes:
    """Draw an excerpt as the engine's input: float32[tick, polarity, y, x] in {0, 1}."""
    i, j = np.searchsorted(events.tick, (start, start + ticks))
    planes = np.zeros((ticks, spec.polarities, spec.height, spec.width), np.float32)
    polarity = events.p[i:j] if spec.polarities > 1 else np.zeros(j - i, np.uint8)
    planes[events.tick[i:j] - start, polarity, events.y[i:j], events.x[i:j]] = 1
    return planes
