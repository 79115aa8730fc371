"""The error behind a pipeline's failure."""

from __future__ import annotations


def only_error(group: BaseExceptionGroup[Exception]) -> Exception:
    """Return the error of a group that holds one; the group itself otherwise."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else Exception(str(error))
