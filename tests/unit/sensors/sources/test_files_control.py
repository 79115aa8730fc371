"""Pausing, seeking, changing the speed and looping a replay, by a mock clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from spikewire.sensors import Excerpt, FileSource, Label, SourceError, open_source
from tests.unit.sensors.sources.test_files import Taker, write

TIMES = list(range(5_000, 1_005_000, 500))


@asynccontextmanager
async def playing(tmp_path: Path, **options: Any) -> AsyncGenerator[tuple[FileSource, Taker]]:
    source = FileSource([Excerpt(write(tmp_path / "a.bin", TIMES))], **options)
    taker = Taker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run, taker)
        yield source, taker
        nursery.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(call: Any, *arguments: Any, **_: Any) -> Any:
        # Instead of a thread, which a mock clock cannot see.
        await trio.lowlevel.checkpoint()
        return call(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)


async def test_a_paused_replay_stands_still_and_goes_on_where_it_was(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with playing(tmp_path, speed=1.0) as (source, taker):
        began = trio.current_time()
        await trio.sleep(0.4)
        await source.control(paused=True)
        position = source.replay["position_us"]
        assert 380_000 < position <= 404_000
        await trio.sleep(100)
        assert source.replay["position_us"] == position
        assert source.replay["paused"]
        await source.control(paused=False)
        await trio.sleep(0.7)
        assert taker.times() == TIMES
        assert taker.at[-1] - began == pytest.approx(101.0, abs=0.1)
        assert {p.segment for p in taker.packets} == {0}


async def test_another_speed_holds_from_now_on(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with playing(tmp_path, speed=1.0) as (source, taker):
        await trio.sleep(0.2)
        await source.control(speed=0.1)
        await trio.sleep(1.0)
        assert source.replay["position_us"] == pytest.approx(300_000, abs=8_000)
        await source.control(speed=None)
        await trio.sleep(0.1)
        assert taker.times() == TIMES


async def test_a_new_position_begins_a_new_segment(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with playing(tmp_path, speed=1.0, wait=True) as (source, taker):
        await trio.sleep(0.3)
        await source.control(position_us=900_000)
        await trio.sleep(0.2)
        first = [p for p in taker.packets if p.segment == 0]
        assert first[-1].last
        second = [int(t) for p in taker.packets if p.segment == 1 for t in p.events["t"]]
        assert second == [t for t in TIMES if t >= 905_000]
        # At its end it waits, and can be sent back.
        assert source.replay["paused"]
        await source.control(position_us=990_000, paused=False)
        await trio.sleep(0.1)
        third = [int(t) for p in taker.packets if p.segment == 2 for t in p.events["t"]]
        assert third == [t for t in TIMES if t >= 995_000]
        await source.control(paused=False)
        await trio.sleep(1.1)
        assert [int(t) for p in taker.packets if p.segment == 3 for t in p.events["t"]] == TIMES


async def test_seeking_works_while_it_is_paused(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with playing(tmp_path, speed=1.0) as (source, _):
        await trio.sleep(0.3)
        await source.control(paused=True)
        await source.control(position_us=100_000)
        await trio.sleep(5)
        assert source.replay["position_us"] == 100_000
        assert source.replay["paused"]
        await source.control(paused=False)
        await trio.sleep(0.05)
        assert source.replay["position_us"] == pytest.approx(150_000, abs=8_000)


async def test_a_paused_replay_plays_a_step_and_pauses_again(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with playing(tmp_path, speed=0.001) as (source, taker):
        await trio.sleep(0.1)
        await source.control(paused=True)
        for steps in (1, 2):
            for _ in range(steps):
                await source.control(step_us=40_000)
            await trio.sleep(1)
            assert source.replay["paused"]
        stood = source.replay["position_us"]
        assert 115_000 < stood <= 120_000
        assert taker.times() == [t for t in TIMES if t < 5_000 + stood]
        await source.control(position_us=500_000)
        await trio.sleep(1)
        assert source.replay["position_us"] == 500_000


async def test_looping_can_be_switched_on_and_off(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with playing(tmp_path, speed=10.0) as (source, taker):
        await source.control(loop=True)
        await trio.sleep(0.35)
        await source.control(loop=False)
        await trio.sleep(10)
        assert max(p.segment for p in taker.packets) == 3
        assert taker.times() == TIMES * 4


async def test_what_cannot_be_is_refused_in_a_sentence(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with playing(tmp_path, speed=1.0) as (source, _):
        await trio.sleep(0.1)
        with pytest.raises(SourceError, match=r"a.bin has no position 3 s; allowed are 0 to 0.99"):
            await source.control(position_us=3_000_000)
        with pytest.raises(SourceError, match="speed is -1"):
            await source.control(speed=-1.0)
        assert source.replay["speed"] == 1.0


async def test_a_damaged_file_says_so_while_it_waits(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    path = write(tmp_path / "a.bin", TIMES)
    path.write_bytes(path.read_bytes()[:-2])
    source = open_source(f"file:{path}?wait=1")
    with pytest.raises(Exception, match="byte"):
        await source.run(Taker())


async def test_a_position_outside_the_excerpt_is_moved_to_its_edge(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    path = write(tmp_path / "a.bin", TIMES)
    source = FileSource([Excerpt(path, 200_000, 800_000)], speed=1.0)
    taker = Taker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run, taker)
        await trio.sleep(0.1)
        # The length of what is shown is known before anybody asks for a place in it.
        assert source.replay["duration_us"] == TIMES[-1] - TIMES[0]
        await source.control(position_us=0)
        await trio.sleep(0.01)
        assert source.replay["position_us"] == pytest.approx(200_000, abs=10_000)
        nursery.cancel_scope.cancel()
    assert taker.times()[0] == 205_000
    again = [p for p in taker.packets if p.segment == 1]
    assert int(again[0].events["t"][0]) == 205_000


@pytest.mark.parametrize("after_us", [86_400_000_000, 10**18 - 2_000])
async def test_no_speed_waits_for_a_jump(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, after_us: int
) -> None:
    path = tmp_path / "far.csv"
    path.write_text(f"t,x,y,p\n0,1,1,1\n400000,2,2,0\n{after_us},3,3,1\n{after_us + 1000},3,3,1\n")
    (label,) = (Label("wave", after_us // 3, after_us // 2),)
    source = FileSource([Excerpt(path, labels=(label,), size=(8, 8))], speed=1.0)
    taker = Taker()
    began = trio.current_time()
    await source.run(taker)
    assert trio.current_time() - began == pytest.approx(0.4, abs=0.05)
    assert taker.times() == [0, 400_000, after_us, after_us + 1000]
    # The limit is a setting: a pause below it is waited for.
    source = FileSource([Excerpt(path, size=(8, 8))], speed=1e6)
    source.limit_jumps(2**62)
    if after_us < 2**40:
        began = trio.current_time()
        await source.run(Taker())
        assert trio.current_time() - began == pytest.approx(after_us / 1e12, rel=0.1)
