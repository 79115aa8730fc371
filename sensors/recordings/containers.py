"""Opening recordings in files with a directory of their own, by format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spikewire.sensors.errors import SensorError
from spikewire.sensors.formats.array_folder import ArrayFolder
from spikewire.sensors.formats.container import Container, Wish
from spikewire.sensors.formats.hdf5.reader import Hdf5
from spikewire.sensors.formats.matlab import MatlabFile
from spikewire.sensors.formats.parquet import Parquet
from spikewire.sensors.formats.ros.reader import RosBag
from spikewire.sensors.recordings.zipped_texts import ZippedTexts


def _bag(kind: str) -> Callable[[Path, Wish], Container]:
    return lambda path, wish: RosBag(path, kind, wish)


_OPENERS: dict[str, Callable[[Path, Wish], Container]] = {
    "hdf5": Hdf5,
    "mat": MatlabFile,
    "mcap": _bag("mcap"),
    "npy_folder": ArrayFolder,
    "parquet": Parquet,
    "rosbag1": _bag("rosbag1"),
    "rosbag2": _bag("rosbag2"),
    "zip": ZippedTexts,
}


def open_container(path: Path, format: str, wish: Wish) -> Container | None:
    """Open the events of a container.

    Parameters
    ----------
    path
        The file.
    format
        Short name of its format.
    wish
        The caller's knowledge about its events.

    Returns
    -------
    Container or None
        None for a format that has a decoder.

    Raises
    ------
    SensorError
        If it holds no events, or a name is given for events in a file that is no container.
    """
    known = _OPENERS.get(format)
    if known is not None:
        return known(path, wish)
    if wish.member is not None:
        raise SensorError(
            f"{path} holds one stream of events: name it without {'::' + wish.member!r}."
        )
    return None
