"""Layouts of data sets: N-MNIST, and one's own folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from spikewire.sensors.datasets.dataset import Sample
from spikewire.sensors.datasets.scan import scanned
from spikewire.sensors.errors import SensorError
from spikewire.sensors.recordings.labels import check_name, read_labels
from spikewire.sensors.recordings.recording import open_recording
from spikewire.sensors.recordings.suffixes import RECORDINGS, TEXTS

TRAIN_TRIALS, TEST_TRIALS = "trials_to_train.txt", "trials_to_test.txt"
DIGITS = tuple(str(digit) for digit in range(10))
NMNIST_SIZE = (34, 34)


def part_folder(folder: Path, part: str | None) -> Path:
    folder = inner_folder(folder)
    if part is None:
        return folder
    for name, path in sub_folders(folder).items():
        if part_of(name) == part:
            return path
    raise SensorError(
        f"{folder} has no part {part!r}: there is neither a folder of that name nor "
        f"{TRAIN_TRIALS} and {TEST_TRIALS}."
    )


def inner_folder(folder: Path) -> Path:
    """Return the folder of the events, where SpikingJelly keeps them beside its frames."""
    return folder / "events_np" if (folder / "events_np").is_dir() else folder


def part_of(name: str) -> str | None:
    """Return the part that a folder's name stands for, such as ``n-cars_train``; else None."""
    low = name.lower()
    for part in ("train", "test"):
        if low in (part, f"ibmgesture{part}") or low.endswith((f"_{part}", f"-{part}")):
            return part
    return None


def nmnist_samples(folder: Path) -> list[Sample] | None:
    """List the samples if the folder has N-MNIST's layout."""
    inside = sub_folders(folder)
    if "Train" in inside:
        folder, inside = inside["Train"], sub_folders(inside["Train"])
    if not all(digit in inside for digit in DIGITS):
        return None
    if not any(path.suffix == ".bin" for digit in DIGITS for path in inside[digit].iterdir()):
        return None  # digits of another data set, whose files tell its sensor
    samples = []
    for digit in DIGITS:
        files = recordings_in(inside[digit])
        if not files:
            raise SensorError(f"{folder} has no recordings of {digit}: its folder is empty.")
        # The data set's own time begins at 0, a few events after which the first ones lie.
        samples += [Sample(path, digit, None, 0, None) for path in files]
    return samples


def class_folder_samples(folder: Path) -> list[Sample]:
    """List the recordings of a folder per class; of both parts if these are folders in it."""
    parts = [path for name, path in sub_folders(folder).items() if part_of(name)]
    if parts and not any(recordings_in(path) for path in parts):
        return [sample for path in parts for sample in class_folder_samples(path)]
    samples = []
    for name, inside in sub_folders(folder).items():
        recordings = recordings_in(inside)
        if recordings:
            check_name(name, f"In {folder} the name of a class's folder")
        samples += [Sample(path, name, subject_of(path)) for path in recordings]
    return samples


def label_file_samples(folder: Path) -> list[Sample]:
    samples = []
    used = set()
    for path in recordings_in(folder):
        tables = [folder / f"{path.stem}_labels.csv", folder / f"{path.stem}.csv"]
        table = next((table for table in tables if table.is_file()), None)
        if table is None:
            raise SensorError(
                f"{path} has no labels: there is neither {tables[0].name} nor a folder of its "
                "class around it."
            )
        used.add(table)
        subject = subject_of(path)
        for label in read_labels(table):
            samples.append(Sample(path, label.name, subject, label.start_us, label.stop_us))
    for table in sorted(folder.glob("*_labels.csv")):
        if table not in used:
            raise SensorError(f"{table} labels no recording: none of its name lies beside it.")
    return samples


def sub_folders(folder: Path) -> dict[str, Path]:
    # Archives that passed through other systems leave white space around a folder's name.
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return {path.name.strip(): path for path in inside}


def recordings_in(folder: Path) -> list[Path]:
    files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")]
    recordings = [p for p in files if p.suffix.lower() in RECORDINGS - TEXTS]
    if not recordings:
        # A folder of texts only: those that are no labels, and that hold events.
        recordings = [p for p in files if p.suffix.lower() in TEXTS and holds_events(p)]
    return sorted(recordings, key=lambda p: p.name)


def holds_events(path: Path) -> bool:
    try:
        open_recording(path)
    except SensorError:
        return False
    return not path.stem.endswith("_labels")


def subject_of(path: Path) -> str | None:
    """Return the subject that a file's name gives: ``user01`` of ``user01_natural.aedat``."""
    match = re.match(r"(?:user|subject)_?\d+", path.name)
    return match[0] if match else None


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    def rank(name: str) -> tuple[int, int, str]:
        number = name.isascii() and name.isdigit()
        return (0, int(name), name) if number else (1, 0, name)

    return tuple(sorted(names, key=rank))


def known_size(paths: Sequence[Path], labels: Iterable[str]) -> tuple[int, int] | None:
    """Return the sensor's size of published data sets whose files do not state it."""
    names, suffixes = set(labels), {path.suffix.lower() for path in paths}
    if names == {"cars", "background"} and suffixes == {".dat"}:
        return (120, 100)  # N-CARS
    if names == set("abcdefghiklmnopqrstuvwxy") and suffixes <= {".mat", ".npz"}:
        return (240, 180)  # ASL-DVS: the signs of j and z are movements
    return None


def common_size(
    paths: Sequence[Path], columns: Sequence[str] | None = None, unit: str | None = None
) -> tuple[int, int]:
    """Return the one sensor size of all recordings; the largest guess where formats do not say."""
    stated: tuple[tuple[int, int], Path] | None = None
    width = height = 1
    for path in scanned(paths):
        recording = open_recording(path, columns=columns, unit=unit)
        if recording.size_from == "events":
            width, height = max(width, recording.size[0]), max(height, recording.size[1])
        elif stated is None:
            stated = (recording.size, path)
        elif recording.size != stated[0]:
            raise SensorError(
                f"{path} is of a {recording.size[0]}x{recording.size[1]} sensor, but "
                f"{stated[1]} of a {stated[0][0]}x{stated[0][1]} one: a data set has one size."
            )
    return (width, height) if stated is None else stated[0]
