"""Checkpoints on disk: written whole or not at all, the newest few kept."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from spikewire.qcore import Network
from spikewire.runtime.errors import CheckpointError
from spikewire.runtime.folder_lock import FolderLock

_NAME = re.compile(r"checkpoint-(\d{8,})\.safetensors")
_TEMPORARY = ".checkpoint-"
_T = TypeVar("_T")


class CheckpointStore:
    """A folder of numbered checkpoints of one learner.

    A service claims the folder from before it listens until its last checkpoint is written. Writes
    without a claim hold the folder's lock for their own time.

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
        self._lock = FolderLock(self.folder)
        self._claimed = False
        self._continued = False

    def claim(self) -> None:
        """Lock the folder until :meth:`release`, and try that it can be written.

        Raises
        ------
        CheckpointError
            Another process uses the folder, or it cannot be made or written.
        """
        if self._claimed:
            return
        try:
            self._make_folder()
            self._lock.acquire()
            self._try_out()
        except OSError as error:
            self._lock.release()
            raise _trouble("Checkpoints", self.folder, "written", error) from error
        self._claimed = True

    def release(self) -> None:
        """Free a claimed folder for others."""
        self._claimed = False
        self._lock.release()

    def check_learner(self, data: Callable[[], bytes]) -> None:
        """Refuse a folder that holds another learner, whose checkpoints would be removed.

        Parameters
        ----------
        data
            Gives the bytes of the network that is to be saved here. It continues the folder's
            learner if this store has loaded it, or if the bytes are those of a checkpoint.

        Raises
        ------
        CheckpointError
            The folder holds another learner.
        """
        if self._continued:
            return
        present = self.paths()
        if present:
            ours = data()
            if not any(path.read_bytes() == ours for path in reversed(present)):
                raise CheckpointError(other_learner(present[-1]))
        self._continued = True

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
            The folder cannot be made or written, the disk is full, or another process uses the
            folder. Older checkpoints stay.
        """
        try:
            self._make_folder()
            with self._locked():
                self._sweep()
                present = self.paths()
                number = _number(present[-1]) + 1 if present else 1
                path = self.folder / f"checkpoint-{number:08d}.safetensors"
                # The checkpoint gets its name last: with it, all that belongs to it is there.
                if beside is not None:
                    self._write_whole(beside, _beside(path))
                self._write_whole(data, path)
                _sync(self.folder)
                for old in [*present, path][: -self.keep]:
                    with contextlib.suppress(OSError):
                        old.unlink()
                        _beside(old).unlink(missing_ok=True)
        except OSError as error:
            raise _trouble("A checkpoint", self.folder, "written", error) from error
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
                found = load(path.read_bytes()), path
                self._continued = True
                return found
            except Exception as error:
                # Whatever is wrong with one file, the one before it is the better answer.
                faults.append(f"{path.name}: {error}")
        if faults:
            raise CheckpointError(
                f"None of the {len(faults)} checkpoints in {self.folder} can be loaded; the newest "
                f"says: {faults[0]}"
            )
        return None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # A claimed folder may have been moved away meanwhile: then this locks the new one.
        self._lock.acquire()
        try:
            yield
        finally:
            if not self._claimed:
                self._lock.release()

    def _make_folder(self) -> None:
        missing = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            _sync(path.parent)

    def _try_out(self) -> None:
        """Write what a checkpoint needs at least: a file that reaches the disk."""
        trial = self._temporary()
        try:
            _write_synced(trial, bytes(4096))
            _sync(self.folder)
        finally:
            trial.unlink(missing_ok=True)

    def _write_whole(self, content: bytes, path: Path) -> None:
        temporary = self._temporary()
        try:
            _write_synced(temporary, content)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    def _temporary(self) -> Path:
        return self.folder / f"{_TEMPORARY}{secrets.token_hex(8)}"

    def _sweep(self) -> None:
        # Writes are one at a time under the lock: what is left was cut short by a crash.
        for left in self.folder.glob(f"{_TEMPORARY}*"):
            left.unlink(missing_ok=True)


def other_learner(newest: Path) -> str:
    """Refusal of a folder whose checkpoints are of another learner, ``newest`` being the last."""
    return (
        f"The checkpoint folder {newest.parent} holds a learner already ({newest.name}): continue "
        "with it (--resume), or give this one another folder (--checkpoint)."
    )


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


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
