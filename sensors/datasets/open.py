"""Open a data set in any layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from spikewire.sensors.datasets.dataset import Dataset
from spikewire.sensors.datasets.gesture_names import GESTURES
from spikewire.sensors.datasets.layouts import (
    DVS_GESTURE,
    NMNIST_SIZE,
    class_folder_samples,
    common_size,
    gesture_samples,
    in_order,
    label_file_samples,
    nmnist_samples,
    part_folder,
)
from spikewire.sensors.errors import SensorError


def open_dataset(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    part: Literal["train", "test"] | None = None,
) -> Dataset:
    """Open a folder of labelled recordings.

    The layout is detected from the files:

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
    samples = gesture_samples(folder, part)
    kind = DVS_GESTURE
    size: tuple[int, int] = (128, 128)
    if samples is None:
        folder = part_folder(folder, part)
        samples = nmnist_samples(folder)
        kind, size = "N-MNIST", NMNIST_SIZE
    if samples is None:
        samples = [*class_folder_samples(folder), *label_file_samples(folder)]
        kind = "recordings"
    if not samples:
        raise SensorError(
            f"The data set {folder} is empty: it needs folders 0 to 9 of .bin files (N-MNIST), a "
            "folder of recordings per class, or recordings with NAME_labels.csv beside them."
        )
    if classes is not None:
        names = tuple(classes)
    elif kind == DVS_GESTURE:
        names = GESTURES
    else:
        names = in_order({s.label for s in samples})
    for sample in samples:
        if sample.label not in names:
            raise SensorError(
                f"{sample.path} is labelled {sample.label!r}, which is none of the classes "
                f"{', '.join(names)}."
            )
    rank = {name: n for n, name in enumerate(names)}
    samples.sort(key=lambda s: (rank[s.label], s.path.name, str(s.path), s.start_us or 0))
    if kind == "recordings":
        size = common_size(list(dict.fromkeys(sample.path for sample in samples)))
    return Dataset(folder, kind, names, tuple(samples), size)
