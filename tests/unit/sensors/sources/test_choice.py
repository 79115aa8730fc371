"""A source, and recordings that are shown in its place."""

from __future__ import annotations

from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio

from spikewire.sensors import EVENT_DTYPE, ChoiceSource, Filtered, Packet, SensorError, write_events


class Camera:
    """Sends ten events every 10 ms."""

    name, live, size = "camera", True, (8, 6)

    def __init__(self):
        self.counters = {"events": 0}

    async def run(self, deliver):
        for n in range(10_000):
            events = np.zeros(10, EVENT_DTYPE)
            events["t"] = n * 10_000 + np.arange(10)
            self.counters["events"] += 10
            await deliver(Packet(events, self.size, n * 10_000, 0, 0))
            await trio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    async def at_once(call, *arguments, **_):
        await trio.lowlevel.checkpoint()
        return call(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)


@asynccontextmanager
async def showing(folder, filters=()):
    events = np.zeros(1000, EVENT_DTYPE)
    events["t"], events["x"] = np.arange(1000) * 1000, 60
    write_events([events], folder / "wave.aedat4", (64, 48))
    source, got = ChoiceSource(Camera(), folder), []

    async def deliver(packet):
        got.append(packet)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Filtered(source, filters).run, deliver)
        await trio.sleep(1)
        yield source, got
        nursery.cancel_scope.cancel()


async def test_a_recording_is_shown_in_place_of_the_camera_and_steered(tmp_path, autojump_clock):
    async with showing(tmp_path) as (source, got):
        told = []
        source.tell_changes(lambda: told.append(source.shown))
        assert (source.recordings, source.shown, source.replay) == (["wave.aedat4"], None, None)
        with pytest.raises(SensorError, match="no recording: it cannot be paused"):
            await source.control(paused=True)
        del got[:]
        await source.show("wave.aedat4")
        await trio.sleep(0.5)
        await source.control(paused=True)
        await trio.sleep(1)
        assert source.replay["position_us"] == pytest.approx(500_000, abs=8000)
        assert {(one.size, one.segment) for one in got} == {((64, 48), 1)}
        with pytest.raises(SensorError, match="as fast as possible"):
            await source.control(speed=None)
        await source.show(None)
        await trio.sleep(0.5)
        assert (got[-1].size, got[-1].segment, source.replay) == ((8, 6), 2, None)
        assert told == ["wave.aedat4", None]
        counters = source.counters
        assert counters["not_shown"] == pytest.approx(1500, abs=30)
        assert counters["events"] == sum(len(one.events) for one in got) + 1000
        with pytest.raises(SensorError, match=r"There is no recording 'nod.aedat4' here"):
            await source.show("nod.aedat4")


async def test_filters_fit_the_size_of_what_is_shown(tmp_path, autojump_clock):
    async with showing(tmp_path, ["refractory:1ms", "crop:0,0,8x6"]) as (source, got):
        await source.show("wave.aedat4")
        await trio.sleep(0.5)
        assert got[-1].size == (8, 6)  # of 64x48, where nothing is
        del got[:]
        await source.show(None)
        await trio.sleep(0.1)
        assert sum(len(one.events) for one in got) > 0


async def test_a_filter_that_cannot_be_is_switched_off(tmp_path, autojump_clock):
    filtered = Filtered(ChoiceSource(Camera(), tmp_path), ["crop:5,0,3x6"])
    got = []

    async def deliver(packet):
        got.append(packet)

    await filtered.on_packet(Packet(np.zeros(1, EVENT_DTYPE), (4, 4), 0, 0, 0), deliver)
    assert got[0].size == (4, 4)
    assert [one["on"] for one in filtered.filters] == [False]


async def test_a_damaged_recording_is_told_and_the_camera_goes_on(tmp_path, autojump_clock):
    async with showing(tmp_path) as (source, got):
        path = tmp_path / "wave.aedat4"
        whole = path.read_bytes()
        await source.show("wave.aedat4")
        await trio.sleep(0.2)
        assert source.fault is None
        path.write_bytes(whole[:-60])
        await source.show("wave.aedat4")
        await trio.sleep(3)
        assert got
        if source.fault is not None:
            assert source.shown is None
