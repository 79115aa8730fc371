"""Data sets: folders of labelled recordings, opened one way whatever their layout."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from spikewire.sensors.errors import SensorError
from spikewire.sensors.events import Events
from spikewire.sensors.recordings.labels import Label, read_labels
from spikewire.sensors.recordings.recording import open_recording
from spikewire.sensors.simulator.gestures import GESTURES

RECORDINGS = frozenset(
    {".aedat4", ".aedat", ".bin", ".dat", ".es", ".npy", ".npz", ".raw", ".csv", ".txt"}
)
"""File names that end so may be recordings; their format is told by their content."""

TEXTS = frozenset({".csv", ".txt"})
"""Among them, those that more often are labels or notes."""

TRAIN_TRIALS, TEST_TRIALS = "trials_to_train.txt", "trials_to_test.txt"
DVS_GESTURE = "DVS128 Gesture"

DIGITS = tuple(str(digit) for digit in range(10))
NMNIST_SIZE = (34, 34)
NMNIST_US = 300_000
LONGEST_US = 2_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled stretch of a recording.

    Attributes
    ----------
    path
        The recording.
    label
        The name of its class.
    subject
        Who is seen, where the file's name says so (``user01_natural.aedat4``), or None.
    start_us, stop_us
        The stretch in the recording's own microseconds, [start, stop); None for its first event
        and for its end.
    """

    path: Path
    label: str
    subject: str | None = None
    start_us: int | None = None
    stop_us: int | None = None


class Dataset:
    """Labelled recordings of one sensor.

    Make one with :func:`open_dataset`.

    Attributes
    ----------
    path
        The folder.
    kind
        ``"N-MNIST"``, ``"DVS128 Gesture"`` or ``"recordings"``.
    classes
        Names of the classes, in a fixed order: numbers by value, then names by letter.
    samples
        Every labelled stretch, ordered by class, then by file name and time.
    size
        (width, height) of the sensor.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        classes: tuple[str, ...],
        samples: tuple[Sample, ...],
        size: tuple[int, int],
    ) -> None:
        self.path = path
        self.kind = kind
        self.classes = classes
        self.samples = samples
        self.size = size
        self._read: tuple[Path, Events] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, sample: Sample) -> Events:
        """Read the events of a sample; their times count from its start (microseconds).

        The recording read last stays decoded, so that several stretches of one file cost one
        decoding.

        Raises
        ------
        SensorError
            If the recording cannot be read, is damaged (:class:`DecodeError`, with the byte), has
            events outside the data set's sensor, or none in this stretch.
        """
        if self._read is None or self._read[0] != sample.path:
            self._read = (sample.path, _decode(sample.path, self.size))
        events = self._read[1]
        begin = int(events["t"][0]) if sample.start_us is None else sample.start_us
        first = int(np.searchsorted(events["t"], begin))
        last = len(events)
        if sample.stop_us is not None:
            last = int(np.searchsorted(events["t"], sample.stop_us))
        if first >= last:
            raise SensorError(
                f"{sample.path} has no events from {sample.start_us} to {sample.stop_us} us, "
                f"which are labelled {sample.label!r}; label times are the recording's own."
            )
        part = events[first:last].copy()
        part["t"] -= begin
        return part

    def shown_us(self) -> int:
        """How long a recording of this set is usefully shown (microseconds).

        300 ms for N-MNIST; else the longest stretch, rounded up to a millisecond, at most 2 s.
        """
        if self.kind == "N-MNIST":
            return NMNIST_US
        longest = 0
        for sample in self.samples:
            if sample.start_us is not None and sample.stop_us is not None:
                longest = max(longest, sample.stop_us - sample.start_us)
            elif longest < LONGEST_US:
                longest = max(longest, int(self.load(sample)["t"][-1]) + 1)
        return min(-(-longest // 1000) * 1000, LONGEST_US)

    def subjects(self) -> tuple[str, ...]:
        """Who is seen, in order; nobody where file names do not say."""
        return tuple(sorted({s.subject for s in self.samples if s.subject is not None}))

    def part(self, subjects: Iterable[str]) -> Dataset:
        """Return the samples of some subjects; classes stay.

        Raises
        ------
        SensorError
            If one of them is not seen in this set.
        """
        wanted = set(subjects)
        unknown = wanted - set(self.subjects())
        if unknown:
            raise SensorError(
                f"{self.path} does not show {', '.join(sorted(unknown))}; it shows "
                f"{', '.join(self.subjects()) or 'nobody by name'}."
            )
        samples = tuple(s for s in self.samples if s.subject in wanted)
        return Dataset(self.path, self.kind, self.classes, samples, self.size)

    def by_subject(self, held: float = 0.2, *, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Split into two sets that share no subject, always the same for the same seed.

        Parameters
        ----------
        held
            Share of the subjects in the second set, rounded up; at least one is in each.
        seed
            Draws who.

        Raises
        ------
        SensorError
            If fewer than two subjects are known.
        """
        subjects = self.subjects()
        if len(subjects) < 2:
            raise SensorError(
                f"{self.path} cannot be split by subject: its file names tell of "
                f"{len(subjects)}. Names such as user01_led.aedat do."
            )
        # Each subject's place in line follows from its own name: others joining changes little.
        line = sorted(subjects, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
        count = min(max(math.ceil(held * len(line)), 1), len(line) - 1)
        return self.part(line[count:]), self.part(line[:count])

    def only(self, classes: Iterable[str]) -> Dataset:
        """Return the part with these classes, in their order.

        Raises
        ------
        SensorError
            If one of them is no class of this set.
        """
        wanted = tuple(classes)
        for name in wanted:
            if name not in self.classes:
                raise SensorError(
                    f"{self.path} has no class {name!r}; it has {', '.join(self.classes)}."
                )
        samples = tuple(s for name in wanted for s in self.samples if s.label == name)
        return Dataset(self.path, self.kind, wanted, samples, self.size)


def open_dataset(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    part: Literal["train", "test"] | None = None,
) -> Dataset:
    """Open a folder of labelled recordings.

    Layouts are told apart by what lies there:

    - DVS128 Gesture as published: ``userNN_LIGHT.aedat`` (AEDAT 3.1) with ``_labels.csv`` beside
      them, and ``trials_to_train.txt`` and ``trials_to_test.txt``, of which ``part`` names one.
      Its class numbers become the names in ``GESTURES``.
    - N-MNIST: folders ``0`` to ``9`` of ``.bin`` files, or a folder whose ``Train`` holds them.
      White space around the folders' names is stripped.
    - One's own recordings, of any format that is read: a sub-folder per class whose recordings
      show that class throughout, and recordings beside label files (``NAME_labels.csv`` or
      ``NAME.csv`` next to ``NAME.aedat4``, lines of class,start,stop). Data sets that other
      libraries have unpacked, a folder of NPY files per class, are such folders.

    Parameters
    ----------
    path
        The folder.
    classes
        The classes that labels may name; None for those that are found.
    part
        Which of a data set's own two parts; of folders named ``train`` and ``test`` (or ``Train``
        and ``Test``), that folder. None for all there is.

    Raises
    ------
    SensorError
        If there is no such folder, it holds no recordings, a recording lies there without a label
        or a label file without its recording, or a label is none of ``classes``.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file, not a folder of recordings" if folder.exists() else "does not exist"
        raise SensorError(f"The data set {folder} {what}.")
    found = _gesture(folder, part)
    kind = DVS_GESTURE
    size: tuple[int, int] = (128, 128)
    if found is None:
        folder = part_folder(folder, part)
        found = _nmnist(folder)
        kind, size = "N-MNIST", NMNIST_SIZE
    if found is None:
        found = [*_by_folder(folder), *_by_labels(folder)]
        kind = "recordings"
    if not found:
        raise SensorError(
            f"The data set {folder} is empty: it needs folders 0 to 9 of .bin files (N-MNIST), a "
            "folder of recordings per class, or recordings with NAME_labels.csv beside them."
        )
    if classes is not None:
        names = tuple(classes)
    elif kind == DVS_GESTURE:
        names = GESTURES
    else:
        names = in_order({s.label for s in found})
    for sample in found:
        if sample.label not in names:
            raise SensorError(
                f"{sample.path} is labelled {sample.label!r}, which is none of the classes "
                f"{', '.join(names)}."
            )
    rank = {name: n for n, name in enumerate(names)}
    found.sort(key=lambda s: (rank[s.label], s.path.name, str(s.path), s.start_us or 0))
    if kind == "recordings":
        size = _common_size(list(dict.fromkeys(sample.path for sample in found)))
    return Dataset(folder, kind, names, tuple(found), size)


def part_folder(folder: Path, part: str | None) -> Path:
    if part is None:
        return folder
    for name in (
        part,
        part.capitalize(),
        "ibmGestureTrain" if part == "train" else "ibmGestureTest",
    ):
        if (folder / name).is_dir():
            return folder / name
    raise SensorError(
        f"{folder} has no part {part!r}: there is neither a folder of that name nor "
        f"{TRAIN_TRIALS} and {TEST_TRIALS}."
    )


def _gesture(folder: Path, part: str | None) -> list[Sample] | None:
    """List the samples if the folder is DVS128 Gesture as published."""
    recordings = trials(folder, part)
    if recordings is None:
        return None
    samples = []
    for recording in recordings:
        if not recording.is_file():
            raise SensorError(f"A list in {folder} names {recording.name}, which is not there.")
        samples += [
            Sample(recording, label.name, _subject(recording), label.start_us, label.stop_us)
            for label in gesture_labels(recording)
        ]
    return samples


def trials(folder: Path, part: str | None) -> list[Path] | None:
    """List the recordings that DVS128 Gesture's own lists name; None if the lists are not there."""
    lists = {"train": folder / TRAIN_TRIALS, "test": folder / TEST_TRIALS}
    if not all(path.is_file() for path in lists.values()):
        return None
    wanted = [lists[part]] if part is not None else list(lists.values())
    lines = (line for path in wanted for line in path.read_text("utf-8", "replace").splitlines())
    return [folder / line.strip() for line in lines if line.strip()]


def gesture_labels(recording: Path) -> list[Label]:
    """Read the labels beside a recording of DVS128 Gesture; numbers become names."""
    table = recording.with_name(f"{recording.stem}_labels.csv")
    labels = []
    for label in read_labels(table):
        number = int(label.name) if label.name.isdecimal() else 0
        if not 1 <= number <= len(GESTURES):
            raise SensorError(
                f"{table}: class {label.name!r}; DVS128 Gesture has 1 to {len(GESTURES)}."
            )
        labels.append(Label(GESTURES[number - 1], label.start_us, label.stop_us))
    return labels


def _nmnist(folder: Path) -> list[Sample] | None:
    """List the samples if the folder has N-MNIST's layout."""
    inside = sub_folders(folder)
    if "Train" in inside:
        folder, inside = inside["Train"], sub_folders(inside["Train"])
    if not all(digit in inside for digit in DIGITS):
        return None
    samples = []
    for digit in DIGITS:
        files = recordings_in(inside[digit])
        if not files:
            raise SensorError(f"{folder} has no recordings of {digit}: its folder is empty.")
        # The data set's own time begins at 0, a few events after which the first ones lie.
        samples += [Sample(path, digit, None, 0, None) for path in files]
    return samples


def _by_folder(folder: Path) -> list[Sample]:
    return [
        Sample(path, name, _subject(path))
        for name, inside in sub_folders(folder).items()
        for path in recordings_in(inside)
    ]


def _by_labels(folder: Path) -> list[Sample]:
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
        subject = _subject(path)
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
    found = [p for p in files if p.suffix.lower() in RECORDINGS - TEXTS]
    if not found:
        # A folder of texts only: those that are no labels, and that hold events.
        found = [p for p in files if p.suffix.lower() in TEXTS and holds_events(p)]
    return sorted(found, key=lambda p: p.name)


def holds_events(path: Path) -> bool:
    try:
        open_recording(path)
    except SensorError:
        return False
    return not path.stem.endswith("_labels")


def _subject(path: Path) -> str | None:
    found = re.match(r"(?:user|subject)_?\d+", path.name)
    return found[0] if found else None


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    def rank(name: str) -> tuple[int, int, str]:
        number = name.isascii() and name.isdigit()
        return (0, int(name), name) if number else (1, 0, name)

    return tuple(sorted(names, key=rank))


def _common_size(paths: Sequence[Path]) -> tuple[int, int]:
    """Return the one sensor size of all recordings; the largest guess where formats do not say."""
    stated: tuple[tuple[int, int], Path] | None = None
    width = height = 1
    for path in paths:
        recording = open_recording(path)
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


def _decode(path: Path, size: tuple[int, int]) -> Events:
    chunks = list(open_recording(path, size=size).chunks())
    if not chunks:
        raise SensorError(f"{path} holds no events.")
    return np.concatenate(chunks) if len(chunks) > 1 else chunks[0]
