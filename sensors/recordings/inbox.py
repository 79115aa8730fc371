"""A folder of recordings, to which a client can add some piece by piece."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from spikewire.sensors.errors import SensorError, SourceError
from spikewire.sensors.recordings.recording import open_recording
from spikewire.sensors.recordings.suffixes import RECORDINGS, TEXTS

MOST_NAMES = 100
"""Recordings that are listed: the newest."""
_MOST_LETTERS = 128
_PART = ".part"


class Inbox:
    """A folder of recordings.

    Parameters
    ----------
    folder
        It is made when the first file comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._coming: tuple[str, int, int] | None = None  # name, bytes in all, bytes that came

    def names(self) -> list[str]:
        """List the recordings, the newest first; names that no client could send are left out."""
        try:
            found = [
                (one.stat().st_mtime, one.name)
                for one in self.folder.iterdir()
                if one.suffix.lower() in RECORDINGS - TEXTS
                and one.name.isprintable()
                and one.is_file()
            ]
        except OSError:
            return []
        return [name for _, name in sorted(found, reverse=True)[:MOST_NAMES]]

    def path(self, name: str) -> Path:
        """Return the path of a recording.

        Raises
        ------
        SourceError
            If there is none of that name.
        """
        if name not in self.names():
            raise SourceError(f"There is no recording {name!r} here.")
        return self.folder / name

    def receive(self, name: str, size: int, at: int, data: bytes, most: int) -> int:
        """Take the next piece of a file; returns how many bytes of it are here.

        With its last piece the file is looked at, and listed if it is a recording.

        Parameters
        ----------
        name, size
            The file's name, and its bytes in all.
        at
            Where the piece begins; 0 begins anew.
        most
            Bytes that a file may have.

        Raises
        ------
        SourceError
            The name or the size is not allowed, a piece is missing, or the disk is full.
        SensorError
            It is no recording that can be read; the message says why. It is not kept.
        """
        _check_name(name)
        if not 0 < size <= most:
            raise SourceError(
                f"{name} has {size:,} bytes; allowed are 1 to {most:,} (setting upload_bytes)."
            )
        if at and self._coming != (name, size, at):
            raise SourceError(f"A piece of {name} is missing before byte {at:,}: send it anew.")
        if not data or at + len(data) > size:
            raise SourceError(f"A piece of {name} has to hold 1 to {size - at:,} bytes.")
        part = self.folder / f".{name}{_PART}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("ab" if at else "wb") as file:
                file.write(data)
        except OSError as error:
            raise SourceError(f"{name} cannot be kept: {error.strerror or error}.") from None
        self._coming = (name, size, at + len(data))
        if at + len(data) == size:
            self._coming = None
            self._accept(part, name)
        return at + len(data)

    def _accept(self, part: Path, name: str) -> None:
        # Decoders look at the name's end, too.
        looked_at = self.folder / f".{name}"
        try:
            os.replace(part, looked_at)
            try:
                if next(open_recording(looked_at, policy="drop").chunks(), None) is None:
                    raise SourceError(f"{name} holds no events.")
                os.replace(looked_at, self.folder / name)
            finally:
                with suppress(FileNotFoundError):
                    looked_at.unlink()
        except SensorError as error:
            told = str(error).replace(str(looked_at), name).replace(looked_at.name, name)
            raise SourceError(told) from None
        except OSError as error:
            raise SourceError(f"{name} cannot be kept: {error.strerror or error}.") from None


def _check_name(name: str) -> None:
    suffix = Path(name).suffix.lower()
    plain = name.isprintable() and not name.startswith(".") and not set(name) & set('/\\:*?"<>|')
    if not plain or len(name) > _MOST_LETTERS or len(name.encode()) > 240:
        raise SourceError(
            f"{name[:40]!r} cannot be the name of a recording: it has to be printable, without"
            f" folders, and of at most {_MOST_LETTERS} characters."
        )
    if suffix not in RECORDINGS - TEXTS:
        allowed = ", ".join(sorted(RECORDINGS - TEXTS))
        raise SourceError(f"{name} is no recording by its name; allowed are {allowed}.")
