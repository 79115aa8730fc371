"""SPIF over UDP: words by hand, hostile datagrams, real sockets, the real sender."""

from __future__ import annotations

import shutil
import socket
import struct
import sys
from pathlib import Path
from unittest.mock import AsyncMock

import numpy as np
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.sensors import (
    Packet,
    SourceError,
    SpifDecoder,
    UdpSource,
    open_recording,
    open_source,
)
from spikewire.sensors.sources.spif_kernels import REASONS
from tests.support.patience import patience

SIZE = (346, 260)


def timed(t: int, x: int, y: int, p: int) -> bytes:
    return struct.pack("<II", x << 16 | p << 15 | y, t & 0xFFFFFFFF)


def untimed(x: int, y: int, p: int) -> bytes:
    return struct.pack("<I", 1 << 31 | x << 16 | p << 15 | y)


def test_words_with_and_without_timestamps() -> None:
    decoder = SpifDecoder(SIZE)
    events, _ = decoder.decode(timed(70, 1, 2, 1) + timed(75, 345, 259, 0), 0)
    assert events.tolist() == [(70, 1, 2, 1), (75, 345, 259, 0)]
    events, _ = SpifDecoder(SIZE).decode(untimed(3, 4, 1) + untimed(5, 6, 0), 1234)
    assert events.tolist() == [(1234, 3, 4, 1), (1234, 5, 6, 0)]


def test_time_wraps_after_71_minutes() -> None:
    decoder = SpifDecoder(SIZE)
    decoder.decode(timed(2**32 - 5, 1, 1, 0), 0)
    events, restarted = decoder.decode(timed(2**32 + 7, 1, 1, 0), 0)
    assert events["t"].tolist() == [2**32 + 7]
    assert not restarted


def test_every_coordinate_is_checked() -> None:
    decoder = SpifDecoder(SIZE)
    data = (
        timed(1, 346, 0, 0) + timed(2, 0, 260, 0) + timed(3, 0x7FFF, 0x7FFF, 1) + timed(4, 0, 0, 1)
    )
    events, _ = decoder.decode(data, 0)
    assert events.tolist() == [(4, 0, 0, 1)]
    assert decoder.counters == {"out_of_bounds": 3, "datagrams_partly": 1}


def test_the_stale_tail_has_a_name_of_its_own() -> None:
    decoder = SpifDecoder(SIZE)
    fresh = b"".join(timed(t, 1, 1, 1) for t in (100, 101, 102))
    stale = b"".join(timed(t, 1, 1, 1) for t in (50, 51, 52))
    events, restarted = decoder.decode(fresh + stale, 0)
    assert events["t"].tolist() == [100, 101, 102]
    assert decoder.counters == {"stale_tail": 3, "datagrams_partly": 1}
    assert not restarted


def test_late_words_odd_bytes_and_missing_times_are_counted() -> None:
    decoder = SpifDecoder(SIZE)
    decoder.decode(timed(1_000, 1, 1, 1), 0)
    events, _ = decoder.decode(timed(900, 1, 1, 1) + timed(1_001, 1, 1, 1) + b"\x01\x02", 0)
    assert events["t"].tolist() == [1_001]
    decoder.decode(struct.pack("<I", 1 << 16 | 1), 0)
    decoder.decode(b"", 0)
    assert decoder.counters == {
        "time_backwards": 1, "odd_bytes": 2, "time_missing": 1, "datagrams_partly": 1,
        "datagrams_refused": 1, "datagrams_empty": 1,
    }  # fmt: skip


def test_a_sender_that_starts_again_is_noticed() -> None:
    decoder = SpifDecoder(SIZE)
    decoder.decode(timed(5_000_000, 1, 1, 1), 0)
    events, restarted = decoder.decode(timed(20, 1, 1, 1), 0)
    assert restarted
    assert events["t"].tolist() == [20]
    assert decoder.counters == {"time_restarts": 1}


@given(st.lists(st.binary(max_size=120), max_size=8))
@settings(max_examples=200, deadline=None)
def test_no_datagram_gets_an_event_out_of_range_or_out_of_order(datagrams: list[bytes]) -> None:
    decoder = SpifDecoder((20, 10))
    last, words = None, 0
    delivered = 0
    for data in datagrams:
        words += len(data) // 4
        events, restarted = decoder.decode(data, 77)
        delivered += len(events)
        if len(events) == 0:
            continue
        assert (events["x"] < 20).all()
        assert (events["y"] < 10).all()
        assert (events["p"] <= 1).all()
        assert (np.diff(events["t"]) >= 0).all()
        if last is not None and not restarted:
            assert events["t"][0] >= last
        last = events["t"][-1]
    dropped = sum(decoder.counters[reason] for reason in REASONS if reason != "odd_bytes")
    # Every word is an event, an event's time, or accounted for.
    assert (
        delivered + dropped <= words <= 2 * (delivered + dropped) + decoder.counters["stale_tail"]
    )


async def receive(source: UdpSource, until: int, send: object) -> list[Packet]:
    packets: list[Packet] = []

    async def take(packet: Packet) -> None:
        packets.append(packet)
        if sum(len(p.events) for p in packets) >= until:
            nursery.cancel_scope.cancel()

    with trio.fail_after(patience(30)):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.run, take)
            await send()  # type: ignore[operator]
    return packets


async def test_datagrams_on_a_real_socket() -> None:
    source = UdpSource(port=0, size=SIZE)

    async def send() -> None:
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for n in range(50):
                await out.sendto(timed(n, n, 1, 1) + timed(n, 1, n, 0), ("127.0.0.1", source.port))

    packets = await receive(source, 100, send)
    assert sum(len(p.events) for p in packets) == 100
    assert source.counters == {"datagrams": 50, "bytes": 800, "events": 100}


async def test_datagrams_the_kernel_dropped_are_reported() -> None:
    source = UdpSource(port=0, size=SIZE)
    source._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sent = 2_000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for n in range(sent):
            out.sendto(timed(n, 1, 1, 1), ("127.0.0.1", source.port))

    # No later datagram has to come for the last ones to be counted.
    with trio.CancelScope() as scope:
        await receive(source, 10**9, AsyncMock(side_effect=scope.cancel))
    counters = source.counters
    assert counters["kernel_drops"] > 0
    arrived = counters["unread_datagrams"] + counters.get("datagrams", 0)
    assert arrived + counters["kernel_drops"] == sent
    assert source.counters == counters


async def test_drops_are_known_while_it_runs() -> None:
    source = UdpSource(port=0, size=SIZE)
    source._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)

    async def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for n in range(500):
                out.sendto(timed(n, 1, 1, 1), ("127.0.0.1", source.port))
        await trio.testing.wait_all_tasks_blocked()
        counters = source.counters
        assert counters["kernel_drops"] > 0
        assert counters["datagrams"] + counters["kernel_drops"] == 500
        scope.cancel()

    with trio.CancelScope() as scope:
        await receive(source, 10**9, send)


def test_addresses_that_others_reach_must_be_asked_for() -> None:
    with pytest.raises(SourceError, match="would take events from other machines"):
        open_source("udp://0.0.0.0:0")


def test_a_taken_port_is_said() -> None:
    first = UdpSource(port=0, size=SIZE)
    with pytest.raises(SourceError, match="cannot be bound: Address already in use"):
        UdpSource(port=first.port, size=SIZE)
    first._socket.close()


@pytest.mark.data
@pytest.mark.slow
async def test_the_real_sender_arrives_whole_and_nothing_is_counted_twice(data_dir: Path) -> None:
    sender = shutil.which("aestream", path=str(Path(sys.executable).parent))
    if sender is None:
        pytest.skip("the aestream command is not installed (its wheels end at Python 3.11)")
    path = data_dir / "recordings" / "davis346.aedat4"
    source = UdpSource(port=0, size=SIZE)

    async def send() -> None:
        command = [sender, "input", "file", str(path), "output", "udp", "127.0.0.1"]
        await trio.run_process(
            [*command, str(source.port), "--include-timestamp", "true"], capture_stdout=True
        )

    packets = await receive(source, 117_667, send)
    got = np.concatenate([p.events for p in packets])
    truth = np.concatenate(list(open_recording(path).chunks()))
    assert len(got) == len(truth) == 117_667
    for field in ("x", "y", "p"):
        assert (got[field] == truth[field]).all()
    assert (np.diff(got["t"]) == np.diff(truth["t"])).all()
    # 117,667 events are 3,677 datagrams of 32 and one of 3, sent with twice its length.
    assert source.counters == {
        "datagrams": 3_678, "bytes": 3_677 * 256 + 48, "events": 117_667, "stale_tail": 3,
        "datagrams_partly": 1,
    }  # fmt: skip


async def test_what_had_come_when_it_was_stopped_is_counted() -> None:
    source = UdpSource("127.0.0.1", 0, size=(16, 16))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", int(source.name.rpartition(":")[2])))
        with trio.CancelScope() as scope:

            async def stop(_: object) -> None:
                for _ in range(7):
                    out.send(struct.pack("<I", 1 << 31))
                scope.cancel()
                await trio.lowlevel.checkpoint()

            out.send(struct.pack("<I", 1 << 31))
            await source.run(stop)
    counts = source.counters
    assert counts["datagrams"] + counts["unread_datagrams"] == 8
    assert counts["unread_datagrams"] >= 7
