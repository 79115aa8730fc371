"""Features of recordings, computed by a frozen network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.split import epoch_order

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Sample

INSTANTS = 6
"""Number of evenly spaced instants of a recording; features are taken at all but the first."""

_CALIBRATE = 50  # recordings computed together while thresholds are calibrated


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Features of recordings, and their labels.

    Attributes
    ----------
    features
        int16[recordings, instants, features].
    labels
        int64[recordings]: indices into the classes, in the order of the tasks.
    """

    features: npt.NDArray[np.int16]
    labels: npt.NDArray[np.int64]


def freeze(
    model: str, learn: Sequence[Sample], first: Sequence[str], seed: int, binned: BinnedDataset
) -> Network:
    """Make the frozen network: a random preset with calibrated thresholds, or a model file.

    A preset's thresholds are calibrated once on the first task's recordings, without labels. Its
    layers learn nothing.

    Parameters
    ----------
    model
        Name of a preset, or a model file.
    learn
        Recordings of the training parts of all tasks.
    first
        Classes of the first task.
    seed
        Seed of the weights.
    binned
        The data set.
    """
    from spikewire.qcore import Batch, Network, load_preset, preset_names

    if model not in preset_names():
        return Network.load(model)
    spec = load_preset(model)
    layers = tuple(replace(layer, plastic=False) for layer in spec.layers)
    readout = replace(
        spec.readout, slots=0, replays=0, local_gain=0, local_from=0, answer="trained"
    )
    network = Network.build(replace(spec, layers=layers, readout=readout), ("none",), seed)
    samples = [sample for sample in learn if sample.label in first]
    samples = [samples[n] for n in epoch_order(seed, 0, len(samples))]
    batch = Batch(network, min(_CALIBRATE, len(samples)))
    for at in range(0, len(samples), batch.size):
        portion = [binned.events(sample) for sample in samples[at : at + batch.size]]
        batch.show(portion, None, binned.ticks, regulate=True)
    return Network.from_bytes(network.to_bytes())


def extract(
    network: Network, binned: BinnedDataset, samples: Sequence[Sample], classes: Sequence[str],
    after_each: Callable[[], None],
) -> FeatureSet:  # fmt: skip
    """Compute the features of recordings at each instant, each recording from rest.

    Parameters
    ----------
    network
        The frozen network.
    binned, samples
        The data set, and recordings of it.
    classes
        All classes, in the order of the tasks.
    after_each
        Called after each recording.
    """
    from spikewire.qcore import BinnedEvents

    stops = [binned.ticks * n // INSTANTS for n in range(2, INSTANTS + 1)]
    out = np.zeros((len(samples), len(stops), len(network.features)), np.int16)
    for n, sample in enumerate(samples):
        network.reset_state()
        begin, events = network.tick, binned.events(sample)
        left = BinnedEvents(events.tick + begin, events.x, events.y, events.p)
        for at, stop in enumerate(stops):
            now, left = left.before(begin + stop)
            network.advance(now, begin + stop)
            out[n, at] = network.features
        after_each()
    labels = np.array([classes.index(sample.label) for sample in samples], np.int64)
    return FeatureSet(out, labels)
