"""Background tasks end with their block, and its errors stay as they are."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from spikewire._tasks import background_tasks


async def test_tasks_end_with_the_block() -> None:
    ended = []

    async def task() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(1)

    async with background_tasks() as nursery:
        nursery.start_soon(task)
        await trio.testing.wait_all_tasks_blocked()
    assert ended == [1]


async def test_an_error_of_the_block_is_not_wrapped() -> None:
    async def block() -> None:
        async with background_tasks() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await block()


async def test_an_error_of_a_task_ends_the_block() -> None:
    async def fail() -> None:
        raise ValueError("the task's")

    async def block() -> None:
        async with background_tasks() as nursery:
            nursery.start_soon(fail)
            await trio.sleep_forever()

    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="the task's")):
        await block()


@pytest.mark.parametrize("inner", [False, True])
async def test_cancelling_from_outside_and_from_inside(inner: bool) -> None:
    with trio.CancelScope() as scope:
        async with background_tasks() as nursery:
            nursery.start_soon(trio.sleep_forever)
            (nursery.cancel_scope if inner else scope).cancel()
            async with trio.open_nursery() as group:
                group.start_soon(trio.sleep_forever)
                group.start_soon(trio.sleep_forever)
    assert scope.cancelled_caught is not inner
