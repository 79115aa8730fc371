"""Errors of commands, their exit codes, and the sentence for any error."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from spikewire.errors import SpikewireError

DONE, FAILED, USAGE = 0, 1, 2


class CommandError(Exception):
    """Failure of a command (exit code 1); the message is a sentence for the user."""


class UsageError(Exception):
    """Wrong usage of a command (exit code 2); the message says what is allowed."""


_MISSING = re.compile(
    r"no such file or directory|does not exist|is a folder, not|is a directory"
    r"|holds no recordings|there is no folder",
    re.IGNORECASE,
)
_EXTRA = re.compile(r"pip install '?(-U )?spikewire\[")


def settle_code(message: str, code: int, arguments: Sequence[str]) -> int:
    """Return the exit code of a failure: 2 where the command line cannot have been meant.

    A missing extra is wrong usage, and so is a file or folder that is named on the command line
    and is not there, or a file in the place of a folder. Everything else that fails keeps its code.

    Parameters
    ----------
    message, code
        The sentence, and the code of the error by itself.
    arguments
        The words after ``spikewire``.
    """
    if code != FAILED:
        return code
    missing = _MISSING.search(message) and any(
        path in message for path in _unusable(_paths(arguments))
    )
    taken = "is a file, not a folder" in message and any(
        path in message for path in _paths(arguments)
    )
    return USAGE if missing or taken or _EXTRA.search(message) else FAILED


def _paths(arguments: Sequence[str]) -> Iterator[str]:
    """Yield everything among the words that can be the name of a file."""
    for word in arguments:
        if word.startswith("unix:"):
            continue  # a service, which is away
        value = word.partition("=")[2] if word.startswith("-") else word
        place = value.partition("?")[0]
        yield from filter(None, (value, place, place.partition(":")[2]))


def _unusable(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if not Path(path).is_file():
            yield path


def check_target(option: str, path: Path) -> None:
    """Refuse a file to write that cannot be written, before any work is done.

    Parameters
    ----------
    option
        The option that names it, as ``--out``.
    path
        The file.

    Raises
    ------
    UsageError
        If it is a folder, or would lie in none.
    CommandError
        If this user may not write it, or nobody.
    """
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder")
    # A pipe or a device (/dev/stdout) is itself written; other files appear beside it first.
    place = path if path.exists() and not path.is_file() else path.absolute().parent
    if not os.access(place, os.W_OK):
        fixed = os.statvfs(place).f_flag & os.ST_RDONLY
        reason = os.strerror(errno.EROFS if fixed else errno.EACCES)
        raise CommandError(f"{path} cannot be written: {reason}.")


def reject_options(given: Mapping[str, object], why: str) -> None:
    """Reject options that have no meaning beside the others.

    Ignored silently, they would mislead.

    Parameters
    ----------
    given
        Values of the options by their names without dashes; None or False stands for not given.
    why
        Rest of the message after the name of the first given option.

    Raises
    ------
    UsageError
        One was given.
    """
    for name, value in given.items():
        if value is not None and value is not False:
            raise UsageError(f"--{name} {why}")


def leaf_errors(error: BaseException) -> list[BaseException]:
    """Return the errors inside nested exception groups in order, or a single error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaf_errors(inner)]
    return [error]


def describe(error: BaseException) -> tuple[str, int] | None:
    """Describe an error to the user.

    Returns the sentence and the exit code. None stands for a fault of the program, whose traceback
    is worth more than a sentence.
    """
    return _first([_describe_leaf(leaf) for leaf in leaf_errors(error)])


def _first(described: list[tuple[str, int] | None]) -> tuple[str, int] | None:
    # One leaf that nobody expected makes the whole a fault: hiding it would hide the fault.
    if not described or any(item is None for item in described):
        return None
    return described[0]


def _describe_leaf(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, UsageError):
        return str(error), USAGE
    if isinstance(error, CommandError):
        return str(error), FAILED
    if isinstance(error, SpikewireError):
        return str(error), FAILED
    if isinstance(error, OSError):
        return _os_sentence(error), FAILED
    return None


def _os_sentence(error: OSError) -> str:
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{error.filename}: {reason}" if error.filename else reason
