"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for a block; it appears under its name when the block ends without an error.

    Where the file system can, it has no name until then: nothing is left behind, however the
    program ends.

    Parameters
    ----------
    path
        The file; replaced if it exists.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        file = _nameless(path.parent)
        named = file is None
        with open(part, "wb+") if file is None else file as out:
            yield out
            # A writer may have closed a file of its own, but never this one.
            out.flush()
            os.fsync(out.fileno())
            if not named:
                _give_name(out, part)
        os.replace(part, path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that appears whole or not at all; a text as UTF-8.

    What is no file, such as ``/dev/stdout``, is written to, and never replaced.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    with whole_file(path) as file:
        file.write(data)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes to a descriptor, however few of them it takes in one call.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(folder: Path) -> None:
    """Let the file's new name outlast a power failure, where the system can."""
    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(opened)
    finally:
        os.close(opened)


def _nameless(folder: Path) -> BinaryIO | None:
    """Open a file without a name in a folder; None where that is not possible."""
    try:
        return open(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "wb+")
    except (OSError, AttributeError):
        return None


def _give_name(file: BinaryIO, part: Path) -> None:
    part.unlink(missing_ok=True)
    try:
        # With a folder's descriptor, which is not used here, Python follows the link.
        link = f"/proc/self/fd/{file.fileno()}"
        os.link(link, part, src_dir_fd=file.fileno(), follow_symlinks=True)
    except OSError:
        file.seek(0)
        with open(part, "wb") as named:
            shutil.copyfileobj(file, named)
            named.flush()
            os.fsync(named.fileno())
