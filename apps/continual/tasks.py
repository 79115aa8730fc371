"""Tasks of continual learning: classes in sequence, and the parts of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.cli.options.shared import DatasetOptions
from spikewire.apps.training.binned_dataset import choose, open_part
from spikewire.apps.training.split import split

if TYPE_CHECKING:
    from spikewire.sensors import Dataset, Sample

_CLIP_US = (0, 750_000, 1_450_000)  # as `bench gestures` cuts them: training, validation
_WINDOW_US = 125_000

Tasks = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Training and validation parts of a data set."""

    dataset: Dataset
    learn: tuple[Sample, ...]
    validate: tuple[Sample, ...]


def open_parts(path: Path, *, tuning: bool, formats: DatasetOptions | None = None) -> Parts:
    """Open a data set and cut it into parts, as other commands do.

    A folder of clips ``class_NN.bin``, one per class, is cut in time: windows of 125 ms of the
    first 750 ms are the training part, those of the next 700 ms the validation part.

    Parameters
    ----------
    path
        The folder.
    tuning
        Whether to validate on a fifth of the training part, and leave the validation part alone.
    formats
        Size of the sensor, columns and unit, where the files do not tell them.

    Raises
    ------
    sensors.SensorError
        If the folder is no data set.
    CommandError
        If a class has no recording in a part.
    """
    clips = sorted(path.glob("class_*.bin")) if path.is_dir() else []
    if clips:
        parts = _cut_clips(path, clips)
    else:
        data = open_part(path, None, formats or DatasetOptions())
        parts = Parts(data, choose(data, "train"), choose(data, "validation"))
    if tuning:
        parts = for_tuning(parts)
    for name in parts.dataset.classes:
        for part, purpose in ((parts.learn, "learn"), (parts.validate, "judge by")):
            if not any(sample.label == name for sample in part):
                raise CommandError(f"{path} has no recording of {name} to {purpose}")
    return parts


def for_tuning(parts: Parts) -> Parts:
    """Cut the training part again; the validation part is left out altogether."""
    learn, held = split([sample.label for sample in parts.learn])
    return replace(
        parts,
        learn=tuple(parts.learn[n] for n in learn),
        validate=tuple(parts.learn[n] for n in held),
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
    learn, validate = windows(begin, middle), windows(middle, end)
    return Parts(Dataset(path, "clips", names, learn + validate, (128, 128)), learn, validate)


def make_tasks(
    classes: Sequence[str], count: int | None, named: Sequence[str], order: int | None
) -> Tasks:
    """Distribute the classes over tasks.

    Parameters
    ----------
    classes
        All classes, in order.
    count
        Number of tasks. If the classes do not divide evenly, the first tasks have one more. None
        for five, or fewer with fewer than ten classes.
    named
        The tasks themselves, each ``a,b``; other classes are left out.
    order
        Seed of a random order of the classes; None for their own.

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
