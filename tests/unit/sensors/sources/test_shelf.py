"""An excerpt that nobody waits for any more ends with the next packet."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from spikewire.sensors import EVENT_DTYPE, Packet, ShelfSource


async def test_a_play_that_is_cancelled_ends_and_the_next_one_is_whole(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = np.zeros(20_000, EVENT_DTYPE)
    events["t"] = np.arange(20_000) * 1_000
    events["x"] = events["y"] = np.arange(20_000) % 30

    async def inline(call: Any, *args: Any, **options: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return call(*args)

    # A mock clock runs on while a thread works.
    monkeypatch.setattr(trio.to_thread, "run_sync", inline)
    np.save(tmp_path / "long.npy", events)
    shelf = ShelfSource(tmp_path)
    delivered: list[Packet] = []

    async def deliver(packet: Packet) -> None:
        await trio.lowlevel.checkpoint()
        delivered.append(packet)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shelf.run, deliver)
        with trio.move_on_after(2):
            await shelf.play("long.npy", speed=1.0)
        await trio.sleep(60)
        cut = sum(len(packet.events) for packet in delivered)
        assert 0 < cut < 3_000  # of the 20 s, those of the first two
        assert delivered[-1].last
        done = await shelf.play("long.npy")
        assert (done.segment, done.events) == (1, 20_000)
        nursery.cancel_scope.cancel()
    assert shelf.counters["events"] == cut + 20_000
