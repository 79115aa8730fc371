"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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
    finally:
        part.unlink(missing_ok=True)


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
