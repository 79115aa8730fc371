"""Values in HDF5 files from others, which may be damaged, or point to other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spikewire._hdf5 import HEAD, has_driver
from spikewire.qcore.errors import ModelError

MOST_NUMBERS = 2**26
"""Most numbers in one array; a damaged file could claim any number."""


def refuse_driver(path: Path) -> None:
    """Refuse a file that names a driver, as files in several parts do.

    Raises
    ------
    ModelError
        If it does.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as raw:
        if has_driver(raw.read(HEAD)):
            raise ModelError("it names a driver of HDF5, as files in several parts do.")


def entry_of(group: Any, name: str) -> Any:
    """Return an entry of a group that lies in this file; None if there is none.

    Raises
    ------
    ModelError
        If it is a link to another place, which is not followed.
    """
    for part in name.split("/"):
        if type(group).__name__ not in ("File", "Group") or part not in group:
            return None
        if type(group.get(part, getlink=True)).__name__ != "HardLink":
            raise ModelError(f"its entry {part!r:.80} is a link to another place.")
        group = group[part]
    return group


def value_of(dataset: Any, where: str) -> Any:
    """Read a number, a text or an array that lies in this file.

    Parameters
    ----------
    dataset
        The ``h5py.Dataset``.
    where
        Names it in messages.

    Raises
    ------
    ModelError
        If it is a group, lies in another file, is empty, or too large.
    """
    if type(dataset).__name__ != "Dataset":
        raise ModelError(f"{where} is a group, not a value.")
    if dataset.external or dataset.is_virtual:
        raise ModelError(f"{where} lies in another file.")
    if dataset.size is None or dataset.size > MOST_NUMBERS:
        raise ModelError(f"{where} has no or more than {MOST_NUMBERS:,} numbers.")
    return dataset[()]
