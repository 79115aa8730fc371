"""Replay: pacing by a mock clock, excerpts, labels, loops, the shelf."""

from __future__ import annotations

import itertools
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import trio
import trio.testing

from spikewire.sensors import (
    DecodeError,
    Excerpt,
    FileSource,
    Label,
    Packet,
    SensorError,
    ShelfSource,
    SourceError,
)


def write(path: Path, times: list[int]) -> Path:
    """Write N-MNIST bytes with one event at each time, places counting up."""
    path.write_bytes(
        b"".join(
            bytes([n % 34, n // 34 % 34]) + struct.pack(">I", (n % 2) << 23 | t)[1:]
            for n, t in enumerate(times)
        )
    )
    return path


class Taker:
    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.at: list[float] = []

    async def __call__(self, packet: Packet) -> None:
        self.packets.append(packet)
        self.at.append(trio.current_time())

    def times(self) -> list[int]:
        return [int(t) for p in self.packets for t in p.events["t"]]


@pytest.fixture
def taker() -> Taker:
    return Taker()


async def test_everything_arrives_once_and_the_last_packet_says_so(
    tmp_path: Path, taker: Taker
) -> None:
    times = list(range(100, 90_000, 37))
    await FileSource([Excerpt(write(tmp_path / "a.bin", times))]).run(taker)
    assert taker.times() == times
    assert [p.last for p in taker.packets] == [False] * (len(taker.packets) - 1) + [True]


@pytest.mark.parametrize("speed", [0.5, 1.0, 20.0])
async def test_pacing_follows_the_clock(
    speed: float, tmp_path: Path, taker: Taker, autojump_clock: trio.testing.MockClock
) -> None:
    times = list(range(1_000, 201_000, 500))
    source = FileSource([Excerpt(write(tmp_path / "a.bin", times))], speed=speed)
    began = trio.current_time()
    await source.run(taker)
    assert taker.times() == times
    assert trio.current_time() - began == pytest.approx(0.2 / speed, rel=0.01)
    for packet, at in zip(taker.packets, taker.at, strict=True):
        for t in packet.events["t"]:
            # Never before its time, and at most one packet late.
            assert (t - 1_000) / 1e6 <= (at - began) * speed + 1e-6 <= (t - 1_000) / 1e6 + 0.05


async def test_packets_and_speeds_change_no_event(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    times = sorted(np.random.default_rng(0).integers(0, 300_000, 5_000).tolist())
    path = write(tmp_path / "a.bin", times)
    seen = []
    for speed in (None, 1.0, 10.0):
        taker = Taker()
        await FileSource([Excerpt(path)], speed=speed).run(taker)
        seen.append(np.concatenate([p.events for p in taker.packets]).tolist())
        assert all(
            int(p.events["t"][0]) >= before.watermark
            for before, p in itertools.pairwise(taker.packets)
            if len(p.events)
        )
    assert seen[0] == seen[1] == seen[2]


async def test_an_excerpt_counts_from_the_first_event(tmp_path: Path, taker: Taker) -> None:
    path = write(tmp_path / "a.bin", [500, 1_500, 2_500, 3_500])
    await FileSource([Excerpt(path, 1_000, 3_000)]).run(taker)
    assert taker.times() == [1_500, 2_500]


async def test_an_empty_excerpt_still_ends_its_segment(tmp_path: Path, taker: Taker) -> None:
    path = write(tmp_path / "a.bin", [500])
    await FileSource([Excerpt(path, 1_000, 3_000), Excerpt(path)]).run(taker)
    assert [(p.segment, p.last, len(p.events)) for p in taker.packets] == [
        (0, True, 0),
        (1, True, 1),
    ]


async def test_packets_never_straddle_a_label(tmp_path: Path, taker: Taker) -> None:
    path = write(tmp_path / "a.bin", [0, 10, 20, 30, 40, 50])
    labels = [Label("a", 10, 30), Label("b", 30, 45)]
    await FileSource([Excerpt(path, labels=labels)]).run(taker)
    assert [(p.label, p.events["t"].tolist()) for p in taker.packets] == [
        (None, [0]),
        ("a", [10, 20]),
        ("b", [30, 40]),
        (None, [50]),
    ]


async def test_looping_counts_segments(tmp_path: Path) -> None:
    path = write(tmp_path / "a.bin", [0, 10])
    packets: list[Packet] = []

    async def three(packet: Packet) -> None:
        packets.append(packet)
        if len(packets) == 3:
            scope.cancel()
        await trio.lowlevel.checkpoint()

    with trio.CancelScope() as scope:
        await FileSource([Excerpt(path)], loop=True).run(three)
    assert [p.segment for p in packets] == [0, 1, 2]


async def test_a_damaged_file_delivers_what_is_before_the_damage(
    tmp_path: Path, taker: Taker
) -> None:
    path = write(tmp_path / "a.bin", [0, 10, 20])
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DecodeError, match="at byte 10"):
        await FileSource([Excerpt(path)]).run(taker)
    assert taker.times() == [0, 10]
    assert taker.packets[-1].last


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_speeds_are_refused(speed: float, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"allowed are positive numbers, 0\.001 to"):
        FileSource([Excerpt(write(tmp_path / "a.bin", [0]))], speed=speed)


async def test_the_shelf_plays_what_is_asked_for(tmp_path: Path, taker: Taker) -> None:
    write(tmp_path / "a.bin", [0, 1_000, 2_000])
    write(tmp_path / "b.bin", [5])
    (tmp_path / "notes.txt").write_text("no recording")
    shelf = ShelfSource(tmp_path)
    assert shelf.names() == ["a.bin", "b.bin"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shelf.run, taker)
        first = await shelf.play("a.bin", stop_us=1_500)
        second = await shelf.play("b.bin")
        assert (first.events, first.segment, second.events, second.segment) == (2, 0, 1, 1)
        for name in ("../a.bin", "notes.txt", str(tmp_path / "a.bin"), "c.bin"):
            with pytest.raises(SourceError, match="is not on the shelf"):
                await shelf.play(name)
        with pytest.raises(SourceError, match="holds nothing"):
            await shelf.play("a.bin", start_us=5, stop_us=5)
        (tmp_path / "a.bin").write_bytes(b"1234567")
        with pytest.raises(SensorError, match="damaged at byte 5"):
            await shelf.play("a.bin")
        assert (await shelf.play("b.bin")).events == 1
        nursery.cancel_scope.cancel()
    assert [p.last for p in taker.packets] == [True] * len(taker.packets)


async def test_a_bad_file_on_the_shelf_costs_itself_only(tmp_path: Path, taker: Taker) -> None:
    (tmp_path / "a.aedat4").write_bytes(b"#!AER-DAT4.0\r\n" + bytes(3))
    (tmp_path / "b.raw").write_bytes(b"% evt 9.0\n% end\n")
    (tmp_path / "c.npy").write_bytes(b"")
    (tmp_path / "c.dat").symlink_to(tmp_path / "nowhere.dat")
    write(tmp_path / "line\nbreak.bin", [5])
    write(tmp_path / os.fsdecode(b"\xff.bin"), [5])
    with pytest.raises(SourceError, match=r"no recording that can be read: a\.aedat4 gives no"):
        ShelfSource(tmp_path)
    write(tmp_path / "d.bin", [5, 6])
    shelf = ShelfSource(tmp_path)

    assert shelf.size == (34, 34)
    assert shelf.names() == ["a.aedat4", "b.raw", "c.npy", "d.bin"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shelf.run, taker)
        for name in ("a.aedat4", "b.raw", "c.npy"):
            with pytest.raises(SensorError, match=name):
                await shelf.play(name)
            assert (await shelf.play("d.bin")).events == 2
        nursery.cancel_scope.cancel()


async def test_left_out_records_are_counted(tmp_path: Path, taker: Taker) -> None:
    path = tmp_path / "a.aedat"
    rows = [(0, 10), (1 << 10, 11), (1 << 31, 12), (0, 13)]
    head = b"#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.DAVIS346\r\n"
    path.write_bytes(head + b"".join(struct.pack(">II", word, t) for word, t in rows))
    source = FileSource([Excerpt(path)])
    await source.run(taker)
    counters = dict(source.counters)
    assert (counters["events"], counters["trigger"], counters["frame_or_motion"]) == (2, 1, 1)
