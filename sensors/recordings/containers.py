"""Opening recordings in files with a directory of their own, by format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spikewire.sensors.errors import SensorError
from spikewire.sensors.formats.container import Container, Wish

Opener = Callable[[Path, Wish], Container]

# Each reader is imported when it is needed: together they take a tenth of the time of `info`.


def _hdf5() -> Opener:
    from spikewire.sensors.formats.hdf5.reader import Hdf5

    return Hdf5


def _matlab() -> Opener:
    from spikewire.sensors.formats.matlab import MatlabFile

    return MatlabFile


def _folder() -> Opener:
    from spikewire.sensors.formats.array_folder import ArrayFolder

    return ArrayFolder


def _parquet() -> Opener:
    from spikewire.sensors.formats.parquet import Parquet

    return Parquet


def _zip() -> Opener:
    from spikewire.sensors.recordings.zipped_texts import ZippedTexts

    return ZippedTexts


def _bag(kind: str) -> Callable[[], Opener]:
    def opener() -> Opener:
        from spikewire.sensors.formats.ros.reader import RosBag

        return lambda path, wish: RosBag(path, kind, wish)

    return opener


_OPENERS: dict[str, Callable[[], Opener]] = {
    "hdf5": _hdf5,
    "mat": _matlab,
    "mcap": _bag("mcap"),
    "npy_folder": _folder,
    "parquet": _parquet,
    "rosbag1": _bag("rosbag1"),
    "rosbag2": _bag("rosbag2"),
    "zip": _zip,
}


def load_readers() -> None:
    """Import the readers of all formats, and with them their kernels."""
    for opener in _OPENERS.values():
        opener()


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
        return known()(path, wish)
    if wish.member is not None:
        raise SensorError(
            f"{path} holds one stream of events: name it without {'::' + wish.member!r}."
        )
    return None
