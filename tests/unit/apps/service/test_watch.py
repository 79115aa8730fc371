"""`spikewire watch` ends after the time that it is given."""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from spikewire.apps.service.watch import _limited


async def test_it_ends_after_its_time(autojump_clock: Any) -> None:
    begun = trio.current_time()
    await _limited(trio.sleep_forever, 10_000_000)
    assert trio.current_time() == begun + 10


async def test_it_ends_with_its_work(autojump_clock: Any) -> None:
    await _limited(partial(trio.sleep, 3), None)
