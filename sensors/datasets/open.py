"""Open a data set in any layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from spikewire.sensors.datasets.dataset import Dataset, Sample
from spikewire.sensors.datasets.dvs_gesture import (
    DVS_GESTURE,
    LONGEST_GESTURE_US,
    SPIKINGJELLY,
    TONIC,
    TONIC_COLUMNS,
    TONIC_UNIT,
    gesture_samples,
    is_spikingjelly,
    name_in,
    tonic_samples,
)
from spikewire.sensors.datasets.gesture_names import GESTURES
from spikewire.sensors.datasets.layouts import (
    NMNIST_SIZE,
    class_folder_samples,
    common_size,
    in_order,
    known_size,
    label_file_samples,
    nmnist_samples,
    part_folder,
)
from spikewire.sensors.errors import SensorError

_NMNIST, _OWN = "N-MNIST", "recordings"
_GESTURE_SETS = (DVS_GESTURE, TONIC, SPIKINGJELLY)
_SIZES = {**dict.fromkeys(_GESTURE_SETS, (128, 128)), _NMNIST: NMNIST_SIZE}


def open_dataset(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    part: Literal["train", "test"] | None = None,
    size: tuple[int, int] | None = None,
    columns: Sequence[str] | None = None,
    unit: str | None = None,
) -> Dataset:
    """Open a folder of labelled recordings.

    The layout is detected from the files:

    - DVS128 Gesture as published: ``userNN_LIGHT.aedat`` (AEDAT 3.1) with ``_labels.csv`` beside
      them, and ``trials_to_train.txt`` and ``trials_to_test.txt``, of which ``part`` names one.
      Without these lists, users 1 to 23 train, and the others test. Its class numbers become the
      names in ``GESTURES``.
    - DVS128 Gesture as Tonic unpacks it: ``ibmGestureTrain/userNN_LIGHT/K.npy`` and
      ``ibmGestureTest/...``, a table of x, y, p, t per gesture with times in milliseconds.
    - N-MNIST: folders ``0`` to ``9`` of ``.bin`` files, or a folder whose ``Train`` holds them.
      White space around the folders' names is stripped.
    - DVS128 Gesture as SpikingJelly unpacks it: ``train`` and ``test`` (also in ``events_np``)
      with folders ``0`` to ``10`` of ``userNN_LIGHT_K.npz``.
    - One's own recordings, of any format that is read: a sub-folder per class whose recordings
      show that class throughout, and recordings beside label files (``NAME_labels.csv`` or
      ``NAME.csv`` next to ``NAME.aedat4``, lines of class,start,stop). Data sets that other
      libraries have unpacked, a folder of NPY or NPZ files per class, are such folders; so are
      ASL-DVS and N-CARS as published. Classes may lie in folders ``train`` and ``test``, or whose
      names end so (``n-cars_train``).

    Parameters
    ----------
    path
        The folder.
    classes
        The classes that labels may name, or number as DVS128 Gesture does; None for those that
        are found.
    part
        Which of a data set's own two parts; of folders named ``train`` and ``test`` (or ``Train``
        and ``Test``), that folder. None for all there is.
    size
        (width, height) of the sensor; None for the recordings' own.
    columns, unit
        Columns of texts and tables, and unit of their times, as for :func:`open_recording`.

    Returns
    -------
    Dataset
        Its ``classes``, its ``samples``, and the events of one by :meth:`Dataset.load`.

    Raises
    ------
    SensorError
        If there is no such folder, it holds no recordings, a recording lies there without a label
        or a label file without its recording, or a label is none of ``classes``.

    Examples
    --------
    A folder for each class, here with one simulated recording each:

    >>> from pathlib import Path
    >>> from spikewire.sensors import open_dataset, simulate, write_events
    >>> for gesture in ("arm_roll", "hand_clapping"):
    ...     Path("own", gesture).mkdir(parents=True)
    ...     events = simulate(gesture, seconds=0.1)
    ...     _ = write_events(events, Path("own", gesture, "user01.aedat4"), (128, 128))
    >>> dataset = open_dataset("own")
    >>> dataset.classes, len(dataset), dataset.size
    (('arm_roll', 'hand_clapping'), 2, (128, 128))
    >>> dataset.samples[0].label, dataset.samples[0].subject
    ('arm_roll', 'user01')
    >>> dataset.load(dataset.samples[0]).dtype.names
    ('t', 'x', 'y', 'p')
    """
    folder = Path(path)
    if not folder.is_dir():
        problem = "is a file, not a folder of recordings" if folder.exists() else "does not exist"
        raise SensorError(f"The data set {folder} {problem}.")
    kind, samples = _detect(folder, part)
    if kind not in (DVS_GESTURE, TONIC):
        folder = part_folder(folder, part)
    if not samples:
        raise SensorError(
            f"The data set {folder} is empty: it needs folders 0 to 9 of .bin files (N-MNIST), a "
            "folder of recordings per class, or recordings with NAME_labels.csv beside them."
        )
    samples, names = _named(samples, kind, classes)
    rank = {name: n for n, name in enumerate(names)}
    samples.sort(key=lambda s: (rank[s.label], s.path.name, str(s.path), s.start_us or 0))
    if kind == TONIC:
        columns, unit = columns or TONIC_COLUMNS, unit or TONIC_UNIT
    if size is None and kind == _OWN:
        paths = list(dict.fromkeys(sample.path for sample in samples))
        size = known_size(paths, names) or common_size(paths, columns, unit)
    return Dataset(
        folder, kind, names, tuple(samples), size or _SIZES[kind], columns=columns, unit=unit,
        longest_us=LONGEST_GESTURE_US if kind == TONIC else None,
    )  # fmt: skip


def _detect(folder: Path, part: str | None) -> tuple[str, list[Sample]]:
    """Tell the layout of a folder, and list its samples."""
    samples = gesture_samples(folder, part)
    if samples is not None:
        return DVS_GESTURE, samples
    samples = tonic_samples(folder, part)
    if samples is not None:
        return TONIC, samples
    folder = part_folder(folder, part)
    samples = nmnist_samples(folder)
    if samples is not None:
        return _NMNIST, samples
    samples = [*class_folder_samples(folder), *label_file_samples(folder)]
    if is_spikingjelly((sample.path, sample.label) for sample in samples):
        named = [replace(sample, label=GESTURES[int(sample.label)]) for sample in samples]
        return SPIKINGJELLY, named
    return _OWN, samples


def _named(
    samples: Sequence[Sample], kind: str, classes: Sequence[str] | None
) -> tuple[list[Sample], tuple[str, ...]]:
    """Give samples the names of the classes; returns the classes, too."""
    if classes is None:
        names = GESTURES if kind in _GESTURE_SETS else in_order({s.label for s in samples})
        return list(samples), names
    names = tuple(classes)
    named = [replace(sample, label=name_in(sample.label, names)) for sample in samples]
    for sample in named:
        if sample.label not in names:
            raise SensorError(
                f"{sample.path} is labelled {sample.label!r}, which is none of the classes "
                f"{', '.join(names)}."
            )
    return named, names
