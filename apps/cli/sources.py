"""From a source's name, as typed, to the source behind its filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from spikewire.apps.cli.errors import CommandError, UsageError
from spikewire.apps.cli.units import speed_factor

if TYPE_CHECKING:
    from spikewire.sensors import Source


_SUFFIXES = frozenset(
    {
        ".aedat", ".aedat4", ".bin", ".csv", ".dat", ".es", ".h5", ".hdf5", ".mat", ".npy", ".npz",
        ".raw", ".txt", ".zip", ".bag",
    }
)  # fmt: skip


def open_source_at(
    uri: str,
    speed: str | None,
    filters: Sequence[str] | None = None,
    for_files: Mapping[str, Any] | None = None,
) -> Source:
    """Open a source, behind filters; a wrong name of either is wrong usage.

    Parameters
    ----------
    uri
        The source's name, as of `sensors.open_source`.
    speed
        `max` or a factor; None: as the name says.
    filters
        Their names, in order.
    for_files
        Settings of a recorded source (`file:`, `aestream:PATH`), where its name says nothing else.

    Raises
    ------
    UsageError
        A name or a setting is not understood.
    CommandError
        The recording is there, and cannot be read.
    """
    from spikewire.sensors import SensorError, open_source

    options = _defaults_for_file(uri, for_files or {})
    if speed is not None:
        options["speed"] = speed_factor(speed)
    try:
        source = open_source(uri, **options)
    except SensorError as error:
        path = uri.removeprefix("file:").partition("?")[0]
        if str(error).startswith(f"{path} ") and Path(path).is_file():
            # It is there, and holds no recording: the line was meant, and failed.
            raise CommandError(str(error)) from error
        hint = source_hint(uri) if "is no source" in str(error) else ""
        raise UsageError(f"{error}{hint}") from error
    return filtered(source, filters)


def _defaults_for_file(uri: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    scheme, _, rest = uri.partition(":")
    maker = rest.partition("?")[0] in ("inivation", "prophesee")
    if scheme not in ("file", "aestream") or (scheme == "aestream" and maker):
        return {}
    given = {name for name, _ in parse_qsl(rest.partition("?")[2], keep_blank_values=True)}
    return {name: value for name, value in settings.items() if name not in given}


def source_classes(source: Source) -> tuple[str, ...]:
    """Return the classes that a source announces (the simulator does); none otherwise."""
    return tuple(getattr(source, "classes", ()))


def filtered(source: Source, filters: Sequence[str] | None) -> Source:
    """Put a source behind filters; a wrong filter name is wrong usage."""
    if not filters:
        return source
    from spikewire.sensors import Filtered, SensorError

    try:
        return Filtered(source, filters)
    except SensorError as error:
        raise UsageError(str(error)) from error


def looks_like_recording(word: str) -> bool:
    """Tell whether a word is the path of a recording rather than a command or a source."""
    return Path(word).suffix.lower() in _SUFFIXES or Path(word).is_file()


def meant(arguments: Sequence[str]) -> str:
    """Return a suggestion where a recording stands in the place of a command; else nothing."""
    if not arguments or not looks_like_recording(arguments[0]):
        return ""
    path = arguments[0]
    return (
        f". Did you mean file:{path}? Recordings are sources with that name: "
        f"spikewire gesture --source file:{path}"
    )


def source_hint(uri: str) -> str:
    """Return a suggestion where a recording stands in the place of a source; else nothing."""
    path = uri.partition("?")[0]
    return f" Did you mean file:{uri}?" if looks_like_recording(path) else ""
