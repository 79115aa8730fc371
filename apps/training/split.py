"""Split, order and shifts of a data set, the same for every learner.

The integer network and the float baseline are compared on the same recordings in the same order.
These functions depend on nothing but their arguments.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikewire.apps.cli.errors import CommandError

_DIGITS = 10
_PARTS = 5  # one recording in five validates

Labelled = tuple[Path, int]


def nmnist_split(root: Path | str) -> tuple[list[Labelled], list[Labelled]]:
    """Cut N-MNIST recordings into a training and a validation part.

    Each digit's files are sorted by name; the last fifth validates. Fifths are rounded by
    largest remainder (ties go to the lower digit), so that 1,000 recordings give exactly 800 and
    200, every digit in proportion, no recording in both.

    Parameters
    ----------
    root
        Folder that holds the folders ``0`` to ``9`` of ``*.bin`` files, or whose ``Train`` does.

    Returns
    -------
    tuple
        Training and validation lists of (path, digit), ordered by digit, then by file name.

    Raises
    ------
    CommandError
        If a digit's folder is missing or holds fewer than five recordings.
    """
    folder = Path(root)
    if (folder / "Train").is_dir():
        folder = folder / "Train"
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder of N-MNIST recordings")
    # Archives that passed through other systems leave white space around a folder's name.
    named = {entry.name.strip(): entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    files: list[list[Path]] = []
    for digit in range(_DIGITS):
        if str(digit) not in named:
            raise CommandError(f"{folder} has no folder {digit}; N-MNIST has folders 0 to 9")
        paths = sorted(named[str(digit)].glob("*.bin"), key=lambda path: path.name)
        if len(paths) < _PARTS:
            raise CommandError(
                f"{folder} has {len(paths)} recordings of {digit}; at least {_PARTS} are needed"
            )
        files.append(paths)
    labelled = [(path, digit) for digit, paths in enumerate(files) for path in paths]
    learn, validate = split([digit for _, digit in labelled])
    return [labelled[n] for n in learn], [labelled[n] for n in validate]


def split(labels: Sequence[Hashable]) -> tuple[list[int], list[int]]:
    """Cut a list into a training and a validation part, each class in proportion.

    The last fifth of each class, in the order given, validates; fifths are rounded as for
    :func:`nmnist_split`, ties going to the class that comes first.

    Returns
    -------
    tuple
        Indices of either part, class after class, each in the order given.
    """
    of_class: dict[Hashable, list[int]] = {}
    for n, label in enumerate(labels):
        of_class.setdefault(label, []).append(n)
    held = _shares([len(numbers) for numbers in of_class.values()])
    learn: list[int] = []
    validate: list[int] = []
    for numbers, count in zip(of_class.values(), held, strict=True):
        learn += numbers[: len(numbers) - count]
        validate += numbers[len(numbers) - count :]
    return learn, validate


def _shares(counts: list[int]) -> list[int]:
    """Compute the validation part's size by class: a fifth of each class and of the whole."""
    shares = [count // _PARTS for count in counts]
    missing = sum(counts) // _PARTS - sum(shares)
    by_remainder = sorted(range(len(counts)), key=lambda n: (-(counts[n] % _PARTS), n))
    for n in by_remainder[:missing]:
        shares[n] += 1
    return shares


def epoch_order(seed: int, number: int, count: int) -> NDArray[np.int64]:
    """Draw the order in which pass ``number`` (from 0) shows ``count`` recordings: int64[count]."""
    return np.random.default_rng([seed, number, 0]).permutation(count).astype(np.int64)


def epoch_shifts(seed: int, number: int, count: int, reach: int) -> NDArray[np.int64]:
    """Draw the pixels by which pass ``number`` moves each recording, for augmentation.

    Returns int64[count, 2], (dx, dy) of each recording by its place in the list (not in the
    pass), uniform in -reach..reach. Events that leave the plane are dropped by the caller.
    """
    drawn = np.random.default_rng([seed, number, 1]).integers(-reach, reach + 1, (count, 2))
    return drawn.astype(np.int64)
