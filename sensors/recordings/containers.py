"""Opening recordings in files with a directory of their own, by format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spikewire.sensors.errors import SensorError
from spikewire.sensors.formats.container import Container, Wish

# Each reader is imported when it is needed: together they take a tenth of the time of `info`.


def _hdf5(path: Path, wish: Wish) -> Container:
    from spikewire.sensors.formats.hdf5.reader import Hdf5

    return Hdf5(path, wish)


def _matlab(path: Path, wish: Wish) -> Container:
    from spikewire.sensors.formats.matlab import MatlabFile

    return MatlabFile(path, wish)


def _folder(path: Path, wish: Wish) -> Container:
    from spikewire.sensors.formats.array_folder import ArrayFolder

    return ArrayFolder(path, wish)


def _parquet(path: Path, wish: Wish) -> Container:
    from spikewire.sensors.formats.parquet import Parquet

    return Parquet(path, wish)


def _zip(path: Path, wish: Wish) -> Container:
    from spikewire.sensors.recordings.zipped_texts import ZippedTexts

    return ZippedTexts(path, wish)


def _bag(kind: str) -> Callable[[Path, Wish], Container]:
    def opened(path: Path, wish: Wish) -> Container:
        from spikewire.sensors.formats.ros.reader import RosBag

        return RosBag(path, kind, wish)

    return opened


_OPENERS: dict[str, Callable[[Path, Wish], Container]] = {
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
    from spikewire.sensors.formats import array_folder, matlab, parquet  # noqa: F401
    from spikewire.sensors.formats.hdf5 import reader as hdf5_reader  # noqa: F401
    from spikewire.sensors.formats.ros import reader as ros_reader  # noqa: F401
    from spikewire.sensors.recordings import zipped_texts  # noqa: F401


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
