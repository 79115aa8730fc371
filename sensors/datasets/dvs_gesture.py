"""DVS128 Gesture: as published, and as Tonic unpacks it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from spikewire.sensors.datasets.dataset import Sample
from spikewire.sensors.datasets.gesture_names import GESTURES
from spikewire.sensors.datasets.layouts import (
    TEST_TRIALS,
    TRAIN_TRIALS,
    recordings_in,
    sub_folders,
    subject_of,
)
from spikewire.sensors.errors import SensorError
from spikewire.sensors.recordings.labels import Label, read_labels

DVS_GESTURE = "DVS128 Gesture"
TONIC = "DVS128 Gesture by Tonic"
SPIKINGJELLY = "DVS128 Gesture by SpikingJelly"
TONIC_COLUMNS, TONIC_UNIT = ("x", "y", "p", "t"), "ms"
"""Tonic's arrays, as they lie on the disk: its own loader makes microseconds of them."""

LONGEST_GESTURE_US = 120_000_000
"""The published gestures last 3 to 20 s: a longer one is in another unit."""

LAST_TRAINING_USER = 23
"""The published split: users 1 to 23 train, 24 to 29 test."""

_LIGHTS = "natural|led|lab|fluorescent|fluorescent_led"
# Simulated sets may have further recordings of a person, without a gesture.
_NAME = re.compile(rf"user(\d+)_(?:{_LIGHTS})(?:_none\d+)?")
_JELLY_NAME = re.compile(rf"user\d+_(?:{_LIGHTS})_\d+\.npz")
_PART_NAMES = {
    "train": ("ibmgesturetrain", "train"),
    "test": ("ibmgesturetest", "test"),
}


def gesture_samples(folder: Path, part: str | None) -> list[Sample] | None:
    """List the samples if the folder is DVS128 Gesture as published, with or without its lists."""
    recordings = trials(folder, part)
    if recordings is None:
        return None
    samples = []
    for recording in recordings:
        if not recording.is_file():
            raise SensorError(f"A list in {folder} names {recording.name}, which is not there.")
        samples += [
            Sample(recording, label.name, subject_of(recording), label.start_us, label.stop_us)
            for label in gesture_labels(recording)
        ]
    return samples


def trials(folder: Path, part: str | None) -> list[Path] | None:
    """List the published recordings of a part, by the data set's lists or else by its users.

    Returns
    -------
    list or None
        None where the folder is another data set.
    """
    lists = {"train": folder / TRAIN_TRIALS, "test": folder / TEST_TRIALS}
    if not all(path.is_file() for path in lists.values()):
        return _without_lists(folder, part)
    wanted = [lists[part]] if part is not None else list(lists.values())
    lines = (line for path in wanted for line in path.read_text("utf-8", "replace").splitlines())
    return [folder / line.strip() for line in lines if line.strip()]


def _without_lists(folder: Path, part: str | None) -> list[Path] | None:
    """List recordings that are named and labelled as the published ones are."""
    recordings = recordings_in(folder)
    for recording in recordings:
        table = recording.with_name(f"{recording.stem}_labels.csv")
        if recording.suffix != ".aedat" or not _NAME.fullmatch(recording.stem):
            return None
        if not table.is_file() or not all(_number(label.name) for label in read_labels(table)):
            return None
    return _of_part(recordings, part) if recordings else None


def _of_part(recordings: Sequence[Path], part: str | None) -> list[Path]:
    """Select the users of a part, by the numbers in the names of files or folders."""
    return [
        path
        for path in recordings
        if part is None or (part == "train") == (_user(path.stem) <= LAST_TRAINING_USER)
    ]


def _user(name: str) -> int:
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else 0


def gesture_labels(recording: Path) -> list[Label]:
    """Read the labels beside a recording of DVS128 Gesture; numbers become names."""
    table = recording.with_name(f"{recording.stem}_labels.csv")
    labels = []
    for label in read_labels(table):
        number = _number(label.name)
        if not number:
            raise SensorError(
                f"{table}: class {label.name!r}; DVS128 Gesture has 1 to {len(GESTURES)}."
            )
        labels.append(Label(GESTURES[number - 1], label.start_us, label.stop_us))
    return labels


def _number(name: str) -> int:
    """Return the number of a published class, 1 to 11; 0 for other names."""
    number = int(name) if name.isascii() and name.isdigit() and len(name) < 4 else 0
    return number if number <= len(GESTURES) else 0


def name_in(label: str, classes: Iterable[str]) -> str:
    """Return the class that a label stands for.

    A label that is no class, but the number of a published gesture that is one, stands for that
    gesture.

    Parameters
    ----------
    label
        The label.
    classes
        Names of the known classes.
    """
    known = tuple(classes)
    number = _number(label)
    if label in known or not number or GESTURES[number - 1] not in known:
        return label
    return GESTURES[number - 1]


def name_labels(labels: Iterable[Label], classes: Iterable[str]) -> list[Label]:
    """Give labels the names of known classes, by :func:`name_in`."""
    known = tuple(classes)
    return [replace(label, name=name_in(label.name, known)) for label in labels]


def is_spikingjelly(recordings: Iterable[tuple[Path, str | None]]) -> bool:
    """Tell whether recordings are DVS128 Gesture as SpikingJelly unpacks it.

    Parameters
    ----------
    recordings
        Each one's path and the name of its folder, which is the number of its class from 0 on.
    """
    numbers = {str(number) for number in range(len(GESTURES))}
    listed = list(recordings)
    return bool(listed) and all(
        label in numbers and _JELLY_NAME.fullmatch(path.name) for path, label in listed
    )


def tonic_samples(folder: Path, part: str | None) -> list[Sample] | None:
    """List the samples if the folder is DVS128 Gesture as Tonic unpacks it.

    Its folders ``ibmGestureTrain`` and ``ibmGestureTest`` hold a folder for each recording, with an
    array for each class, ``0.npy`` to ``10.npy``. Either of the two folders may be given alone.
    """
    found = _tonic_folders(folder, part)
    if found is None:
        return None
    samples = []
    for recording in found:
        for path in recordings_in(recording):
            number = _number(str(int(path.stem) + 1)) if path.stem.isdecimal() else 0
            if not number or path.suffix != ".npy":
                raise SensorError(
                    f"{path} is none of the classes of DVS128 Gesture: in Tonic's copy these are "
                    f"0.npy to {len(GESTURES) - 1}.npy."
                )
            samples.append(Sample(path, GESTURES[number - 1], subject_of(recording)))
    return samples


def _tonic_folders(folder: Path, part: str | None) -> list[Path] | None:
    """List the folders of recordings, of one part or of both; None where there are none."""
    inside = sub_folders(folder)
    if "DVSGesture" in inside:  # the folder that Tonic was told to save to
        folder, inside = inside["DVSGesture"], sub_folders(inside["DVSGesture"])
    by_part: dict[str, list[Path]] = {}
    for name, path in inside.items():
        for which, names in _PART_NAMES.items():
            if name.lower() in names and _holds_users(path):
                by_part.setdefault(which, []).extend(sub_folders(path).values())
    if by_part:
        if part is not None and part not in by_part:
            raise SensorError(f"{folder} has no part {part!r}, but {', '.join(by_part)} only.")
        return [path for which in by_part if part in (None, which) for path in by_part[which]]
    if not _holds_users(folder):
        return None
    chosen = _of_part(list(inside.values()), part)
    if not chosen:
        raise SensorError(f"{folder} shows none of the users of the part {part!r}.")
    return chosen


def _holds_users(folder: Path) -> bool:
    inside = sub_folders(folder)
    return bool(inside) and all(
        _NAME.fullmatch(name) and any(path.glob("*.npy")) for name, path in inside.items()
    )
