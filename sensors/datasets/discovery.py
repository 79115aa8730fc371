"""Folders of recordings as something to play, labelled where a folder says how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from spikewire.sensors.datasets.dvs_gesture import (
    TONIC_COLUMNS,
    TONIC_UNIT,
    gesture_labels,
    is_spikingjelly,
    tonic_samples,
    trials,
)
from spikewire.sensors.datasets.gesture_names import GESTURES
from spikewire.sensors.datasets.layouts import (
    DIGITS,
    NMNIST_SIZE,
    holds_events,
    in_order,
    part_folder,
    part_of,
    recordings_in,
    sub_folders,
)
from spikewire.sensors.datasets.scan import scanned
from spikewire.sensors.errors import SensorError
from spikewire.sensors.formats.detect import folder_format
from spikewire.sensors.recordings.excerpt import Excerpt
from spikewire.sensors.recordings.labels import Label, read_labels
from spikewire.sensors.recordings.recording import open_recording


def find_recordings(
    folder: str | Path, *, part: Literal["train", "test"] | None = None
) -> list[Excerpt]:
    """List every recording in a folder and its sub-folders, with the labels found for it.

    Labels are found as :func:`sensors.open_dataset` finds them: in the two layouts of DVS128
    Gesture; in ``NAME_labels.csv`` or ``NAME.csv`` beside the recording; else a recording in a
    sub-folder shows that folder's class throughout. Unlike a data set, recordings may lack labels,
    differ in size, and be damaged: nothing is read of them here but, where formats do not say it,
    their extent.

    Parameters
    ----------
    folder
        The folder.
    part
        Which of a data set's own two parts; None for all there is.

    Returns
    -------
    list of Excerpt
        Ordered by class (numbers by value), then by file name. Recordings whose format does not
        state the sensor's size share the largest extent among those of that format.

    Raises
    ------
    SensorError
        If there is no such folder, it holds no recordings, or a label file is damaged.
    """
    top = Path(folder)
    if not top.is_dir():
        raise SensorError(f"The folder {top} does not exist.")
    listed = trials(top, part)
    if listed is not None:
        return [
            Excerpt(path, labels=tuple(gesture_labels(path)), size=(128, 128)) for path in listed
        ]
    arrays = tonic_samples(top, part)
    if arrays is not None:
        arrays.sort(key=lambda each: (GESTURES.index(each.label), str(each.path)))
        return [
            Excerpt(
                each.path, label=each.label, size=(128, 128),
                columns=TONIC_COLUMNS, unit=TONIC_UNIT,
            )
            for each in arrays
        ]  # fmt: skip
    excerpts = list(_walk(part_folder(top, part), None, set()))
    if is_spikingjelly((excerpt.path, excerpt.label) for excerpt in excerpts):
        return [
            replace(each, label=GESTURES[int(each.label or 0)], size=(128, 128))
            for each in excerpts
        ]
    if not excerpts:
        raise SensorError(f"The folder {top} holds no recordings.")
    return _sized(excerpts)


def _walk(folder: Path, label: str | None, seen: set[Path]) -> Iterator[Excerpt]:
    real = folder.resolve()
    if real in seen:  # a link that leads back
        return
    seen.add(real)
    if folder_format(folder) is not None:
        yield Excerpt(folder, label=label)
        return
    for path in recordings_in(folder):
        labels = _labels_of(path)
        if labels is not None:
            yield Excerpt(path, labels=tuple(labels))
        else:
            yield Excerpt(path, label=label)
    inside = sub_folders(folder)
    digits = all(digit in inside for digit in DIGITS)
    for name in in_order(inside):
        for excerpt in _walk(inside[name], None if part_of(name) else name, seen):
            yield replace(excerpt, size=NMNIST_SIZE) if digits and _is_digit(excerpt) else excerpt


def _is_digit(excerpt: Excerpt) -> bool:
    return excerpt.label in DIGITS and excerpt.path.suffix.lower() == ".bin"


def _labels_of(path: Path) -> list[Label] | None:
    """Read the labels beside a recording, if there are any."""
    table = path.with_name(f"{path.stem}_labels.csv")
    if table.is_file():
        return read_labels(table)
    table = path.with_name(f"{path.stem}.csv")
    if table == path or not table.is_file():
        return None
    try:
        return read_labels(table)
    except SensorError:
        if holds_events(table):  # the same events as text, and no labels
            return None
        raise


def _sized(excerpts: Sequence[Excerpt]) -> list[Excerpt]:
    """Give recordings of unstated size the largest extent among those of their format."""
    guessed: dict[Path, str] = {}
    largest: dict[str, tuple[int, int]] = {}
    for excerpt in scanned(excerpts):
        if excerpt.size is not None:
            continue
        with suppress(SensorError):  # told when it is played
            recording = open_recording(excerpt.path)
            if recording.size_from == "events":
                guessed[excerpt.path] = kind = recording.format
                width, height = largest.get(kind, (1, 1))
                largest[kind] = max(width, recording.size[0]), max(height, recording.size[1])
    return [
        replace(each, size=largest[guessed[each.path]]) if each.path in guessed else each
        for each in excerpts
    ]
