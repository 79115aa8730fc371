"""Waiting for a condition, and deadlines that a busy machine keeps.

A deadline of a test ends what would wait for ever; nothing is measured by it. So it may be long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import trio

FACTOR = float(os.environ.get("SPIKEWIRE_PATIENCE", "4"))
"""What deadlines are multiplied by: 4 unless SPIKEWIRE_PATIENCE says otherwise."""

LOOK_EVERY_S = 0.005


def patience(seconds: float) -> float:
    """Return a deadline in seconds for something that takes at most ``seconds`` when idle."""
    return seconds * FACTOR


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until a condition holds, looking again and again."""
    with trio.fail_after(patience(seconds)):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(LOOK_EVERY_S)


def until_now(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until a condition holds, in a program without trio."""
    deadline = time.monotonic() + patience(seconds)
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience(seconds):g} s"
        time.sleep(LOOK_EVERY_S)
