"""Recordings in tasks: which classes come when, and what a frozen network makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.training.binned_dataset import BinnedDataset, choose
from spikewire.apps.training.split import epoch_order, split

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Dataset, Sample

INSTANTS = 6
"""A recording's features are taken at so many instants, evenly spaced; the first is left out."""

_CALIBRATE = 50  # recordings side by side while thresholds are looked for
_CLIP_US = (0, 750_000, 1_450_000)  # as `bench gestures` cuts them: learned, then judged
_WINDOW_US = 125_000

Tasks = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A data set, cut into what is learned and what judges."""

    dataset: Dataset
    learn: tuple[Sample, ...]
    judge: tuple[Sample, ...]


def open_parts(path: Path, *, tuning: bool) -> Parts:
    """Open a data set and cut it as every other command does.

    A folder of clips ``class_NN.bin``, one per class, is cut in time: windows of 125 ms of the
    first 750 ms are learned, those of the next 700 ms judge.

    Parameters
    ----------
    path
        The folder.
    tuning
        Whether to leave the judging part alone and judge on a fifth of each class of the other.

    Raises
    ------
    sensors.SensorError
        If it is no data set.
    CommandError
        If there is too little of it.
    """
    from spikewire.sensors import open_dataset

    clips = sorted(path.glob("class_*.bin")) if path.is_dir() else []
    if clips:
        parts = _cut_clips(path, clips)
    else:
        data = open_dataset(path)
        parts = Parts(data, choose(data, "train"), choose(data, "validation"))
    if tuning:
        parts = for_tuning(parts)
    for name in parts.dataset.classes:
        for part, what in ((parts.learn, "learn"), (parts.judge, "judge by")):
            if not any(sample.label == name for sample in part):
                raise CommandError(f"{path} has no recording of {name} to {what}")
    return parts


def for_tuning(parts: Parts) -> Parts:
    """Judge by a fifth of each class of what was learned; what judged is left out altogether."""
    learn, held = split([sample.label for sample in parts.learn])
    return replace(
        parts,
        learn=tuple(parts.learn[n] for n in learn),
        judge=tuple(parts.learn[n] for n in held),
    )


def _cut_clips(path: Path, clips: Sequence[Path]) -> Parts:
    from spikewire.sensors import Dataset, Sample

    begin, middle, end = _CLIP_US

    def windows(start: int, stop: int) -> tuple[Sample, ...]:
        return tuple(
            Sample(clip, clip.stem.removeprefix("class_"), None, at, at + _WINDOW_US)
            for clip in clips
            for at in range(start, stop - _WINDOW_US + 1, _WINDOW_US)
        )

    names = tuple(clip.stem.removeprefix("class_") for clip in clips)
    learn, judge = windows(begin, middle), windows(middle, end)
    return Parts(Dataset(path, "clips", names, learn + judge, (128, 128)), learn, judge)


def make_tasks(
    classes: Sequence[str], count: int | None, named: Sequence[str], order: int | None
) -> Tasks:
    """Deal the classes out to tasks.

    Parameters
    ----------
    classes
        All there are, in their order.
    count
        How many tasks; the first ones have one class more where it does not go up. None for five,
        or fewer where there are fewer than ten classes.
    named
        The tasks themselves, each ``a,b``; classes that none names are left out.
    order
        Seed of another order of the classes; None for their own.

    Raises
    ------
    UsageError
        If the tasks do not fit the classes.
    """
    if named:
        return _named_tasks(classes, count, named, order)
    number = max(1, min(5, len(classes) // 2)) if count is None else count
    if number > len(classes):
        raise UsageError(f"--tasks {number}: there are only {len(classes)} classes")
    line = list(classes)
    if order is not None:
        line = [line[n] for n in np.random.default_rng(order).permutation(len(line))]
    sizes = [len(line) // number + (n < len(line) % number) for n in range(number)]
    ends = np.cumsum(sizes)
    return tuple(tuple(line[end - size : end]) for size, end in zip(sizes, ends, strict=True))


def _named_tasks(
    classes: Sequence[str], count: int | None, named: Sequence[str], order: int | None
) -> Tasks:
    if count is not None or order is not None:
        raise UsageError("--task says which classes come when: leave --tasks and --order out")
    tasks = tuple(tuple(name.strip() for name in one.split(",")) for one in named)
    flat = [name for task in tasks for name in task]
    for name in flat:
        if name not in classes:
            raise UsageError(f"--task: {name!r} is none of the classes {', '.join(classes)}")
        if flat.count(name) > 1:
            raise UsageError(f"--task: {name!r} is in two tasks")
    return tasks


@dataclass(frozen=True, slots=True)
class Features:
    """What a frozen network makes of recordings.

    ``shown`` int16[recordings, instants, features]; ``labels`` int64[recordings], indices into the
    classes in the order in which they come.
    """

    shown: npt.NDArray[np.int16]
    labels: npt.NDArray[np.int64]


def freeze(
    model: str, learn: Sequence[Sample], first: Sequence[str], seed: int, binned: BinnedDataset
) -> Network:
    """Make the frozen network: a preset as drawn, or a model file as it is.

    A preset's thresholds are looked for on the first task's recordings, once, without labels; from
    then on nothing in it changes. Its layers have learned nothing.
    """
    from spikewire.qcore import Batch, Network, load_preset, preset_names

    if model not in preset_names():
        return Network.load(model)
    spec = load_preset(model)
    layers = tuple(replace(layer, plastic=False) for layer in spec.layers)
    readout = replace(spec.readout, slots=0, replays=0, local_gain=0)
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
) -> Features:  # fmt: skip
    """Show every recording once, from rest, and keep the features at each instant."""
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
    return Features(out, labels)
