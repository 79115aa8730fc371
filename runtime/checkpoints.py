"""Checkpoints on disk: written whole or not at all, the newest few kept."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from spikewire.qcore import Network
from spikewire.runtime.errors import CheckpointError

_NAME = re.compile(r"checkpoint-(\d{8,})\.safetensors")
_TEMPORARY = ".checkpoint-"
_T = TypeVar("_T")


class CheckpointStore:
    """A folder of numbered checkpoints.

    Parameters
    ----------
    folder
        Made if it is not there.
    keep
        How many of the newest stay.
    """

    def __init__(self, folder: str | Path, keep: int = 3) -> None:
        self.folder = Path(folder)
        self.keep = keep

    def paths(self) -> list[Path]:
        """Complete checkpoints, the oldest first; none if there is no folder."""
        try:
            found = [p for p in self.folder.iterdir() if _NAME.fullmatch(p.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _trouble("The checkpoint folder", self.folder, "read", error) from error
        return sorted(found, key=_number)

    def write(self, data: bytes, beside: bytes | None = None) -> Path:
        """Store ``data`` as the newest checkpoint, and what the source remembers ``beside`` it.

        The bytes go to a temporary file in the same folder and reach the disk before the file
        gets its name, and the name reaches the disk before this returns: after a crash at any
        instant the folder holds whole checkpoints only.

        Raises
        ------
        CheckpointError
            The folder cannot be made or written, or the disk is full. Older checkpoints stay.
        """
        temporary: Path | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            present = self.paths()
            number = _number(present[-1]) + 1 if present else 1
            path = self.folder / f"checkpoint-{number:08d}.safetensors"
            # The checkpoint gets its name last: with it, all that belongs to it is there.
            for content, name in ((beside, _beside(path)), (data, path)):
                if content is None:
                    continue
                temporary = self.folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
                with open(temporary, "xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, name)
                temporary = None
            self._sync_folder()
        except OSError as error:
            raise _trouble("A checkpoint", self.folder, "written", error) from error
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
        for old in [*present, path][: -self.keep]:
            with contextlib.suppress(OSError):
                old.unlink()
                _beside(old).unlink(missing_ok=True)
        return path

    def beside(self, path: Path) -> bytes | None:
        """Return what was stored beside a checkpoint; None if nothing was.

        Raises
        ------
        CheckpointError
            It cannot be read.
        """
        try:
            return _beside(path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _trouble("The source's state", self.folder, "read", error) from error

    def load_newest(self, load: Callable[[bytes], _T]) -> tuple[_T, Path] | None:
        """Load the newest checkpoint that ``load`` accepts; None if there are none at all.

        Raises
        ------
        CheckpointError
            There are checkpoints, and none of them can be loaded.
        """
        faults: list[str] = []
        for path in reversed(self.paths()):
            try:
                return load(path.read_bytes()), path
            except Exception as error:
                # Whatever is wrong with one file, the one before it is the better answer.
                faults.append(f"{path.name}: {error}")
        if faults:
            raise CheckpointError(
                f"None of the {len(faults)} checkpoints in {self.folder} can be loaded; the newest "
                f"says: {faults[0]}"
            )
        return None

    def _sweep(self) -> None:
        # One service owns the folder, and writes one checkpoint at a time: what is left of
        # others was cut short by a crash.
        for left in self.folder.glob(f"{_TEMPORARY}*"):
            left.unlink(missing_ok=True)

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _beside(path: Path) -> Path:
    return path.with_suffix(".source.npz")


def _number(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def _trouble(what: str, folder: Path, verb: str, error: OSError) -> CheckpointError:
    reason = error.strerror or str(error)
    return CheckpointError(f"{what} cannot be {verb} in {folder}: {reason}.")


def resume(folder: str | Path) -> tuple[Network, Path] | None:
    """The network of the newest checkpoint in ``folder`` that is whole; None if there are none.

    It continues bit for bit where it was saved.

    Raises
    ------
    CheckpointError
        There are checkpoints, and none of them can be loaded.
    """
    return CheckpointStore(folder).load_newest(Network.from_bytes)
