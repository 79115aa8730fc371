"""Opening HDF5 files: the optional libraries, and their errors as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spikewire._hdf5 import HEAD, has_driver
from spikewire.sensors.errors import DecodeError, SensorError

ECF = 0x8ECF
"""Number of Prophesee's filter, which compresses the events of Metavision's files."""


def load_h5py(path: Path | str) -> Any:
    """Import h5py with the filters of hdf5plugin.

    Parameters
    ----------
    path
        The file in the message.

    Raises
    ------
    SensorError
        If they are not installed.
    """
    try:
        import h5py
        import hdf5plugin  # noqa: F401 - registers its filters
    except ImportError:
        raise SensorError(
            f"{path} is HDF5, which needs the packages of an extra: pip install 'spikewire[hdf5]'."
        ) from None
    return h5py


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open a file as ``h5py.File`` for reading.

    The file is not locked, so that it can be read from a disk without write access.

    Raises
    ------
    SensorError
        If h5py is not installed, or the file cannot be opened. Errors of HDF5 within the block
        become one, too.
    """
    h5py = load_h5py(path)
    try:
        with open(path, "rb") as raw:
            head = raw.read(HEAD)
    except OSError as error:
        raise SensorError(f"{path} cannot be read: {error.strerror}.") from None
    if has_driver(head):
        raise DecodeError(path, "it names a driver of HDF5, as files in several parts do.")
    with hdf5_errors(path), h5py.File(path, "r", locking=False) as file:
        yield file


@contextmanager
def hdf5_errors(path: Path) -> Iterator[None]:
    """Turn any error of h5py within a block into a :class:`DecodeError`."""
    try:
        yield
    except (SensorError, GeneratorExit):
        raise
    except Exception as error:
        raise DecodeError(path, f"{_reason(path, error)}.") from None


def _reason(path: Path, error: Exception) -> str:
    """Tell a reason from an error of h5py, which quotes the C library's."""
    text = ascii(" ".join(str(error).split()))[1:-1]
    cut = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", text)
    if cut:
        return f"it is cut short: {int(cut[1]):,} of {int(cut[2]):,} bytes are there"
    # The C library's own reason stands in the last brackets.
    reasons = re.findall(r"\(([^()]{4,200})\)", text)
    said = reasons[-1] if reasons else text[:200]
    return f"HDF5 cannot read it ({said or type(error).__name__})"


def missing_filter(path: Path, dataset: Any) -> SensorError | None:
    """Tell which filter of a dataset is not installed, or None if all are."""
    h5py = load_h5py(path)
    plist = dataset.id.get_create_plist()
    for n in range(plist.get_nfilters()):
        number, _, _, name = plist.get_filter(n)
        if h5py.h5z.filter_avail(number):
            continue
        if number == ECF:
            return SensorError(
                f"{path} is compressed by Prophesee's ECF, which no Python package decodes: "
                "install Metavision's HDF5 plugin and name its folder in HDF5_PLUGIN_PATH, or "
                "convert the file with metavision_file_to_csv."
            )
        said = ascii(name.decode("ascii", "replace"))[1:41]
        return SensorError(
            f"{path} is compressed by the HDF5 filter {number} ({said}), which is not installed: "
            "name the folder of its plugin in HDF5_PLUGIN_PATH."
        )
    return None
