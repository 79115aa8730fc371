"""Lone events with wrong times, in every source that is live or comes through a pipe."""

from __future__ import annotations

import os
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from spikewire.sensors import Packet, StdinSource, UsbCamera
from spikewire.sensors.events import EVENT_DTYPE, Events
from spikewire.sensors.sources.nats import source as nats
from spikewire.sensors.sources.outliers import LoneOutliers
from spikewire.sensors.sources.spif import HELD_S, encode_spif
from tests.support.patience import patience
from tests.unit.sensors.sources.test_cameras import FakeDevice, FakeDrivers, FakePacket

SIZE = (346, 260)
STEP, COUNT = 50, 400
FAR = [3_000, 60_000, 900_000, 50_000_000, 4_600_000_000]


def events_at(times: list[int]) -> Events:
    made = np.zeros(len(times), EVENT_DTYPE)
    made["t"], made["x"] = times, np.arange(len(times)) % SIZE[0]
    return made


def with_outlier(at: int, off: int, count: int = COUNT) -> list[int]:
    times = [10_000_000 + STEP * n for n in range(count)]
    times[at] += off
    return times


def cut(times: list[int], size: int) -> list[list[int]]:
    return [times[at : at + size] for at in range(0, len(times), size)]


@pytest.mark.parametrize("size", [1, 2, 7, 100, 400])
@pytest.mark.parametrize("off", [60_000, 900_000, 50_000_000, 10**15, -2_000_000, -9_000_000])
@pytest.mark.parametrize("at", [1, 7, 99, 100, 200, 398])
def test_a_lone_outlier_costs_itself(size: int, off: int, at: int) -> None:
    counters: Counter[str] = Counter()
    outliers = LoneOutliers(counters)
    times = with_outlier(at, off)
    told: list[int] = []
    for piece in cut(times, size):
        told += outliers.take(events_at(piece), 0)["t"].tolist()
    told += outliers.release()["t"].tolist()
    del times[at]
    if off > 0 and at == 398:
        # One event behind it cannot tell which of the two is wrong.
        assert set(times) - set(told) <= {times[-1]}
    else:
        assert told == times
        assert counters.total() == 1


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**63))
def test_a_stream_without_outliers_comes_whole(seed: int) -> None:
    """Pauses, jumps and clocks that begin anew are no outliers, however the stream is cut."""
    rng = random.Random(seed)
    t, times = 0, []
    for _ in range(rng.randrange(1, 40)):
        t += rng.choice([0, 0, 0, 20_000, 700_000, 40_000_000, -3_000_000])
        for _ in range(rng.randrange(9, 30)):
            times.append(t)
            t += rng.choice([0, 1, 50, 900])
    counters: Counter[str] = Counter()
    outliers, told, at = LoneOutliers(counters), [], 0
    while at < len(times):
        size = rng.choice([1, 3, 20, 100])
        told += outliers.take(events_at(times[at : at + size]), 0)["t"].tolist()
        at += size
    assert told + outliers.release()["t"].tolist() == times
    assert not counters


async def taken(source: Any, enough: int = 10**9) -> list[Packet]:
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)
        if sum(len(p.events) for p in packets) >= enough:
            scope.cancel()

    with trio.fail_after(patience(30)), trio.CancelScope() as scope:
        await source.run(take)
    return packets


def all_times(packets: list[Packet]) -> list[int]:
    return [int(t) for packet in packets for t in packet.events["t"]]


@pytest.mark.parametrize("line_by_line", [False, True])
@pytest.mark.parametrize("off", FAR)
async def test_stdin_loses_the_outlier_only(off: int, line_by_line: bool) -> None:
    times = with_outlier(200, off)
    reader, writer = os.pipe()
    text = [f"{t},1,2,1\n".encode() for t in times]

    def write() -> None:
        with os.fdopen(writer, "wb", buffering=0) as out:
            out.write(b"t,x,y,p\n" + b"".join(text[:50]))
            for line in text[50:] if line_by_line else [b"".join(text[50:])]:
                out.write(line)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, write)
        source = await trio.to_thread.run_sync(lambda: StdinSource(file=reader, size=SIZE))
        packets = await taken(source)
    os.close(reader)
    wrong = times.pop(200)
    told = all_times(packets)
    if off > 10_000 or not line_by_line:
        assert told == times
        assert source.counters["time_ahead"] == 1
    else:
        # So near it is believed where nothing follows: it costs the events that are earlier.
        assert wrong in told
        assert source.counters["time_backwards"] <= off // STEP
    assert {packet.segment for packet in packets} == {0}


async def test_stdin_delivers_an_event_after_a_pause_though_nothing_follows() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"t,x,y,p\n" + b"".join(b"%d,1,2,1\n" % t for t in [*range(300), 900_000]))
    source = StdinSource(file=reader, size=SIZE)
    packets = await taken(source, enough=301)
    assert all_times(packets)[-1] == 900_000
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize("off", FAR[1:])
async def test_a_usb_camera_loses_the_outlier_only(off: int) -> None:
    times = with_outlier(200, off)
    device = FakeDevice([FakePacket([(t, 1, 2, True) for t in one], []) for one in cut(times, 67)])
    source = UsbCamera(drivers=FakeDrivers(device))
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)

    with pytest.raises(Exception, match="No device"):
        await source.run(take)
    del times[200]
    assert all_times(packets) == times
    assert source.counters["time_ahead"] == 1


class FakeLink:
    """Hands out what a test puts in."""

    async def connect(self) -> None:
        pass

    async def subscribe(self, subject: str, take: Any) -> None:
        self.take = take

    async def wait_lost(self) -> None:
        await trio.sleep_forever()

    async def aclose(self) -> None:
        pass


def nats_source(link: FakeLink) -> Any:
    with mock.patch.object(nats, "need_nats"), mock.patch.object(nats, "NatsLink"):
        source = nats.NatsSource(SimpleNamespace(name="fake"), "events", size=SIZE)  # type: ignore[arg-type]
    source._link = link  # type: ignore[assignment]
    return source


def message(times: list[int], **headers: str) -> Any:
    named = {f"Spikewire-{name.title()}": value for name, value in headers.items()}
    return SimpleNamespace(data=encode_spif(events_at(times)), headers=named)


@pytest.mark.parametrize("size", [1, 5, 100])
@pytest.mark.parametrize("off", FAR[1:4])
async def test_nats_loses_the_outlier_only(off: int, size: int, autojump_clock: MockClock) -> None:
    link, packets = FakeLink(), []
    source = nats_source(link)
    times = with_outlier(200, off)

    async def take(packet: Packet) -> None:
        packets.append(packet)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run, take)
        await wait_all_tasks_blocked()
        for piece in cut(times, size):
            link.take(message(piece))
            await wait_all_tasks_blocked()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    del times[200]
    assert all_times(packets) == times
    assert source.counters["time_ahead"] == 1


async def test_nats_delivers_held_events_when_nothing_follows_and_before_a_new_segment(
    autojump_clock: MockClock,
) -> None:
    link, packets = FakeLink(), []
    source = nats_source(link)

    async def take(packet: Packet) -> None:
        packets.append(packet)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.run, take)
        await wait_all_tasks_blocked()
        link.take(message([*range(20), 900_000], run="r", seq="1", segment="0"))
        await wait_all_tasks_blocked()
        assert all_times(packets) == [*range(20)]
        await trio.sleep(HELD_S + 0.01)
        assert all_times(packets)[20:] == [900_000]
        link.take(message([5_000_000], run="r", seq="2", segment="0"))
        link.take(message([*range(20)], run="r", seq="3", segment="1"))
        await wait_all_tasks_blocked()
        assert all_times(packets)[21:] == [5_000_000, *range(20)]
        assert [packet.segment for packet in packets] == [0, 0, 0, 1]
        link.take(message([7_000_000], run="r", seq="4", segment="1"))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert source.counters["time_ahead"] == 1  # it was held at the end
