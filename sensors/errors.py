"""Errors of recordings and sources, as sentences for a person."""

from __future__ import annotations

from pathlib import Path

from spikewire.errors import SpikewireError


class SensorError(SpikewireError):
    """A recording or a source that cannot be used; the message is meant for a person."""


class SourceError(SensorError):
    """A source that cannot start, or that died."""


class DecodeError(SensorError):
    """A damaged or unreadable recording.

    Attributes
    ----------
    path
        The file.
    offset
        The byte at which the damage begins, or None if the whole file cannot be read.
    reason
        What is wrong there.
    """

    def __init__(self, path: Path | str, reason: str, offset: int | None = None) -> None:
        self.path = Path(path)
        self.offset = offset
        self.reason = reason
        where = "" if offset is None else f" at byte {offset:,}"
        super().__init__(
            f"{path} is damaged{where}: {reason}" if offset is not None else f"{path}: {reason}"
        )


def quoted(text: str, most: int = 40) -> str:
    """Quote a file's text in a message; unprintable characters are escaped, long text is cut."""
    shown = ascii(text[:most])
    return shown if len(text) <= most else shown + "..."
