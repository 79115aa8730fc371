"""The two ways a command ends badly, and how any error becomes one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from spikewire.errors import SpikewireError

DONE, FAILED, USAGE = 0, 1, 2


class CommandError(Exception):
    """The command could not do its work; the message is a sentence for a user (exit code 1)."""


class UsageError(Exception):
    """The command was asked for wrongly; the message says what is allowed (exit code 2)."""


def reject_options(given: Mapping[str, object], why: str) -> None:
    """Refuse options that mean nothing beside the others: dropped silently they would mislead.

    Parameters
    ----------
    given : what each of them was given, by its name without dashes; None or False: it was not.
    why : what follows the first name that was given, in the message.

    Raises
    ------
    UsageError
        One was given.
    """
    for name, value in given.items():
        if value is not None and value is not False:
            raise UsageError(f"--{name} {why}")


def leaf_errors(error: BaseException) -> list[BaseException]:
    """The errors inside nested exception groups, in order; the error itself when it is no group."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaf_errors(inner)]
    return [error]


def describe(error: BaseException) -> tuple[str, int] | None:
    """Say what a user has to know about an error.

    Returns the sentence and the exit code, or None when the error is nobody's mistake but a
    fault of the program, whose traceback is then worth more than any sentence.
    """
    return _first([_one(leaf) for leaf in leaf_errors(error)])


def _first(found: list[tuple[str, int] | None]) -> tuple[str, int] | None:
    # One leaf that nobody expected makes the whole a fault: hiding it would hide the fault.
    if not found or any(item is None for item in found):
        return None
    return found[0]


def _one(error: BaseException) -> tuple[str, int] | None:
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
