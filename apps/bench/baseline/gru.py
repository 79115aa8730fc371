"""A float network for gestures: convolutions on event counts, and a gated recurrent unit.

It is the ceiling that the spiking networks are compared with, and no part of any of them. Each bin
of some ticks is an image of log counts. The recurrent unit sees the flattened features of one bin
after the other, and a linear readout scores after each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.split import epoch_order
from spikewire.apps.training.trainer import TrainingPlan, presented_excerpts

if TYPE_CHECKING:
    from spikewire.qcore import BinnedEvents, NetworkSpec
    from spikewire.sensors import Sample

BIN_US = 25_000
EXCERPT_US = 700_000
_BURN_IN_US = 200_000
_CHANNELS = (16, 24, 32)
_HIDDEN, _RATE, _BATCH = 96, 2e-3, 33


class GruNetwork(nn.Module):
    """Three convolutions of stride 2 on log counts, a GRU, and a linear readout.

    Parameters
    ----------
    polarities, height, width
        The input plane.
    classes
        Number of classes.
    """

    def __init__(self, polarities: int, height: int, width: int, classes: int) -> None:
        super().__init__()
        first, second, third = _CHANNELS
        self.front = nn.Sequential(
            nn.Conv2d(polarities, first, 5, 2, 2), nn.ReLU(),
            nn.Conv2d(first, second, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(second, third, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        with torch.no_grad():
            features = self.front(torch.zeros(1, polarities, height, width)).shape[1]
        self.memory = nn.GRU(features, _HIDDEN)
        self.readout = nn.Linear(_HIDDEN, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Score after each bin.

        Parameters
        ----------
        images
            float32[bin, sample, polarity, y, x]: logarithms of one plus the counts.

        Returns
        -------
        Tensor
            float32[bin, sample, class].
        """
        features = self.front(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        hidden, _ = self.memory(features)
        scores: Tensor = self.readout(hidden)
        return scores


def bin_ticks(spec: NetworkSpec) -> int:
    """Return the ticks of a bin."""
    return max(BIN_US // spec.tick_us, 1)


def count_images(
    spec: NetworkSpec, events: BinnedEvents, start: int, ticks: int
) -> NDArray[np.float32]:
    """Count events by bin, polarity and pixel: float32[bin, polarity, y, x] of log1p(count).

    Parameters
    ----------
    spec
        The plane and the ticks.
    events
        The recording.
    start, ticks
        First tick, and number of ticks; those of an unfinished bin are left out.
    """
    each = bin_ticks(spec)
    bins = max(ticks // each, 1)
    i, j = np.searchsorted(events.tick, (start, start + bins * each))
    images = np.zeros((bins, spec.polarities, spec.height, spec.width), np.float32)
    polarity = events.p[i:j] if spec.polarities > 1 else np.zeros(j - i, np.uint8)
    where = ((events.tick[i:j] - start) // each, polarity, events.y[i:j], events.x[i:j])
    np.add.at(images, where, 1)
    return np.log1p(images)


def fit_gru(
    binned: BinnedDataset,
    learn: Sequence[Sample],
    classes: Sequence[str],
    plan: TrainingPlan,
    after_pass: Callable[[int, float], None],
) -> GruNetwork:
    """Train the network on excerpts of 0.7 s, in the order of a training of integers.

    Parameters
    ----------
    binned, learn
        The data set, and the recordings to learn.
    classes
        Names of the classes.
    plan
        Passes, seed, shift and distortion.
    after_pass
        Called with the number of each pass and its mean cross entropy.
    """
    spec = binned.spec
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    network = GruNetwork(spec.polarities, spec.height, spec.width, len(classes))
    optimiser = torch.optim.Adam(network.parameters(), _RATE)
    portions = math.ceil(len(learn) / _BATCH)
    total = plan.passes * portions
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda done: 0.5 + 0.5 * math.cos(math.pi * done / total)
    )
    ticks = min(max(EXCERPT_US // spec.tick_us, 1), binned.ticks)
    first = min(_BURN_IN_US // spec.tick_us, ticks - 1) // bin_ticks(spec)
    for number in range(plan.passes):
        lost = 0.0
        order = epoch_order(plan.seed, number, len(learn))
        for portion in range(portions):
            chosen = order[portion * _BATCH : (portion + 1) * _BATCH]
            events = presented_excerpts(binned, learn, plan, (number, portion), chosen, ticks)
            images = [count_images(spec, one, 0, ticks) for one in events]
            labels = torch.tensor([classes.index(learn[n].label) for n in chosen])
            scores = network(torch.from_numpy(np.stack(images, 1)))[first:]
            loss = nn.functional.cross_entropy(scores.flatten(0, 1), labels.repeat(len(scores)))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            lost += loss.item()
        after_pass(number + 1, lost / portions)
    return network


@torch.no_grad()
def gru_accuracy(
    network: GruNetwork,
    binned: BinnedDataset,
    samples: Sequence[Sample],
    classes: Sequence[str],
    *,
    distort: bool = False,
) -> float:
    """Return the share of recordings with the right class, by log shares summed over time.

    Parameters
    ----------
    network
        The network.
    binned, samples
        The data set, and the recordings.
    classes
        Names of the classes.
    distort
        Whether recordings are distorted as another sensor would, as `evaluate` does it.
    """
    spec, right = binned.spec, 0
    first = _BURN_IN_US // spec.tick_us // bin_ticks(spec)
    for n, sample in enumerate(samples):
        seed = (n, 0xE7A1)
        events = binned.distorted(sample, seed) if distort else binned.events(sample)
        images = torch.from_numpy(count_images(spec, events, 0, binned.ticks))[:, None]
        scores = network(images).log_softmax(2)
        named = scores[min(first, len(scores) - 1) :].sum(0).argmax(1)
        right += int(named) == classes.index(sample.label)
    return right / len(samples)
