"""Background tasks of a block whose own errors stay as they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def background_tasks() -> AsyncGenerator[trio.Nursery]:
    """Open a nursery for tasks that are cancelled when the block ends.

    An error of the block is raised as it is, as without a nursery: a plain nursery would wrap it in
    a group. Errors of the tasks come as a group.
    """
    failed: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except BaseException as error:
            if all(isinstance(leaf, trio.Cancelled) for leaf in _leaves(error)):
                # It may be of this nursery's own scope, which has to see it.
                raise
            failed = error
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
