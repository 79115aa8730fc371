"""Sources whose clock wraps, jumps or stops, through the real pipeline."""

import os
import socket
import struct
import sys
from contextlib import asynccontextmanager
from itertools import pairwise
from types import SimpleNamespace

import pytest
import trio

from spikewire.sensors import AestreamCamera, SensorError, StdinSource, UdpSource, open_source

SIZE = (64, 48)
TIMED = struct.Struct("<II")


def timed(*times):
    """A datagram of events at these times, microseconds."""
    return b"".join(TIMED.pack((t // 7 % 64) << 16 | t % 48, t & 0xFFFFFFFF) for t in times)


def untimed(count):
    return struct.pack("<I", 1 << 31 | 5 << 16 | 7) * count


class Sender:
    """Sends datagrams to a source, and waits until the service has taken them in."""

    def __init__(self, source, monkeypatch):
        self.now_us = 0
        monkeypatch.setattr(
            "spikewire.sensors.sources.udp.time",
            SimpleNamespace(monotonic_ns=lambda: 1000 * self.now_us),
        )
        self._source = source
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def send(self, *datagrams):
        for data in datagrams:
            before = self._source.counters.get("datagrams", 0)
            self._out.sendto(data, ("127.0.0.1", self._source.port))
            while self._source.counters.get("datagrams", 0) == before:  # noqa: ASYNC110
                await trio.sleep(0.001)
            await trio.testing.wait_all_tasks_blocked()

    async def stream(self, start_us, stop_us):
        """Send a datagram of five events for each millisecond."""
        for t in range(start_us, stop_us, 1000):
            await self.send(timed(*range(t, t + 1000, 200)))


@pytest.fixture
def spif(running, monkeypatch):
    """A service on a UDP source, its sender, and a client of its results."""
    source = UdpSource(port=0, size=SIZE)
    sender = Sender(source, monkeypatch)
    with sender._out:
        yield source, sender, lambda **settings: running(source, **settings)


@asynccontextmanager
async def listening(run, topic):
    async with run.client() as client:
        await client.subscribe(topic)
        yield client


async def heard(client, count):
    """The next ``count`` results, as segment and time."""
    results = client.results()
    found = [await anext(results) for _ in range(count)]
    return [(one["segment"], one["t_us"]) for one in found]


async def test_a_clock_that_wraps_is_not_noticed(autojump_clock, spif):
    source, sender, serve = spif
    begin = 2**32 - 50_000
    async with serve() as run, listening(run, "result") as client:
        await sender.stream(begin, begin + 101_500)
        assert await heard(client, 11) == [(0, begin + 1000 + 10_000 * n) for n in range(11)]
        assert not run.service.first.input_queue.drops
    assert set(source.counters) == {"datagrams", "bytes", "events"}


@pytest.mark.parametrize("back_us", [1_500_000, 20_000_000, 2**31 - 100_000])
async def test_a_clock_set_back_begins_a_segment(autojump_clock, spif, back_us):
    source, sender, serve = spif
    begin = 2**31
    async with serve() as run, listening(run, "result") as client:
        await sender.stream(begin, begin + 30_500)
        again = begin - back_us
        await sender.stream(again, again + 30_500)
        assert await heard(client, 7) == [
            *((0, begin + 1000 + 10_000 * n) for n in range(4)),
            *((1, again + 1000 + 10_000 * n) for n in range(3)),
        ]  # fmt: skip
        assert not run.service.first.input_queue.drops
    assert source.counters["time_restarts"] == 1
    assert source.counters["events"] == 2 * 31 * 5


async def test_a_small_step_back_is_counted_until_the_clock_has_caught_up(autojump_clock, spif):
    source, sender, serve = spif
    async with serve() as run, listening(run, "result") as client:
        await sender.stream(900_000, 930_000)
        await sender.stream(910_000, 960_500)
        assert await heard(client, 6) == [(0, 901_000 + 10_000 * n) for n in range(6)]
    # From 910,000 to the last event before, 929,800.
    assert source.counters["time_backwards"] == 99
    assert "time_restarts" not in source.counters


async def test_a_clock_half_an_hour_ahead_and_back_goes_on(autojump_clock, spif):
    source, sender, serve = spif
    hour = 1_800_000_000
    async with serve(jump_s=3600) as run, listening(run, "result") as client:
        await sender.stream(0, 20_500)
        await sender.stream(hour, hour + 20_500)
        await sender.stream(21_000, 60_500)
        segments = [segment for segment, _ in await heard(client, 9)]
        assert segments[-3:] == [1, 1, 1]
        assert segments[:3] == [0, 0, 0]
    assert source.counters["time_restarts"] == 1


async def test_a_clock_set_half_an_hour_ahead_begins_a_segment(autojump_clock, spif):
    source, sender, serve = spif
    hour = 1_800_000_000
    async with serve() as run, listening(run, "result") as client:
        await sender.stream(0, 20_500)
        await sender.stream(hour, hour + 20_500)
        assert await heard(client, 5) == [
            *((0, 1000 + 10_000 * n) for n in range(3)),
            *((1, hour + 1000 + 10_000 * n) for n in range(2)),
        ]  # fmt: skip
        assert run.service.first.stats_publisher._stats()["time_jumps"] == 1
        assert not run.service.first.input_queue.drops
    assert "time_restarts" not in source.counters


async def test_a_sender_that_leaves_its_clock_at_home_goes_on(autojump_clock, spif):
    source, sender, serve = spif
    far = 1_000_000_000
    async with serve() as run, listening(run, "result") as client:
        await sender.stream(far, far + 20_500)
        for _ in range(40):
            sender.now_us += 1000
            await sender.send(untimed(3))
        await sender.stream(far, far + 30_500)
        found = await heard(client, 11)
        assert [segment for segment, _ in found[:3]] == [0, 0, 0]
        assert [t for segment, t in found if segment == 1][:3] == [2000, 12_000, 22_000]
        assert not run.service.first.input_queue.drops
    assert source.counters["time_restarts"] == 1  # ahead of arrival is no step back


async def test_arrival_times_pass_the_wrap(autojump_clock, spif):
    source, sender, serve = spif
    async with serve() as run, listening(run, "result") as client:
        await trio.testing.wait_all_tasks_blocked()
        sender.now_us = 2**32 - 20_000  # 71 minutes after the start
        for _ in range(45):
            sender.now_us += 1000
            await sender.send(untimed(2))
        found = await heard(client, 4)
        assert [segment for segment, _ in found] == [0] * 4
        assert [b[1] - a[1] for a, b in pairwise(found)] == [10_000] * 3
    assert "time_restarts" not in source.counters


async def test_silence_is_said_and_its_end_too(autojump_clock, spif):
    _, sender, serve = spif
    async with serve(stall_s=2.0) as run, listening(run, "status") as client:
        await sender.stream(0, 5000)

        async def until(state):
            async for message in client:
                if message["source"]["state"] == state:
                    return

        await until("running")
        before = trio.current_time()
        await until("stalled")
        assert 1.5 < trio.current_time() - before < 4
        # What cannot be used is no sign of life.
        await sender.send(b"noise", timed(0x7FFF))
        assert run.service.first.source_state == "stalled"
        await sender.stream(10_000_000, 10_005_000)
        await until("running")
        assert run.service.first.watchdog.source_stalls == 1


COLUMNS = ("t", "x", "y", "p")


def text(*times):
    return "".join(f"{t} 1 2 1\n" for t in times).encode()


async def test_standard_input_set_back_begins_a_segment(running):
    reader, writer = os.pipe()
    begin = 50_000_000
    # All of the first tick: nothing is published before somebody listens.
    os.write(writer, text(*range(begin, begin + 900, 30)))
    source = StdinSource(file=reader, size=SIZE, columns=COLUMNS)
    with os.fdopen(reader):
        async with (
            running(source, in_thread=trio.to_thread.run_sync, at_end="stay") as run,
            listening(run, "result") as client,
        ):
            rest = text(*range(begin + 1000, begin + 35_000, 500)) + text(*range(0, 35_000, 500))
            os.write(writer, rest)
            os.close(writer)
            assert await heard(client, 10) == [
                *((0, begin + 1000 + 10_000 * n) for n in range(5)),
                *((1, 1000 + 10_000 * n) for n in range(5)),
            ]  # fmt: skip
            assert not run.service.first.input_queue.drops
    assert source.counters["events"] == 30 + 68 + 70
    assert source.counters["time_restarts"] == 1


async def test_a_pipe_that_breaks_fails_and_the_service_goes_on(running):
    reader, writer = os.pipe()
    os.write(writer, text(*range(0, 35_000, 500)) + b"36000 1 2")
    os.close(writer)
    source = StdinSource(file=reader, size=SIZE, columns=COLUMNS)
    with os.fdopen(reader):
        async with (
            running(source, in_thread=trio.to_thread.run_sync, at_end="stay") as run,
            listening(run, "status") as client,
        ):
            async for message in client:
                if message["source"]["state"] == "failed":
                    break
            assert "line" in message["source"]["error"]
            assert (await client.teach("a"))["ok"]
            while run.service.first.network_task.segment is not None:  # noqa: ASYNC110
                await trio.sleep(0.001)
            assert run.service.first.network_task.counters.events == 70


@pytest.mark.parametrize("drop", [0, 1])
async def test_a_file_set_back_fails_or_is_counted(running, tmp_path, drop):
    path = tmp_path / "back.txt"
    path.write_bytes(text(*range(5_000_000, 5_035_000, 500), *range(0, 35_000, 500)))
    path.write_bytes(path.read_bytes() + text(*range(5_035_000, 5_060_000, 500)))
    source = open_source(f"file:{path}?size=64x48&columns=t,x,y,p&drop={drop}")
    async with running(source, in_thread=trio.to_thread.run_sync, at_end="stay") as run:
        while run.service.first.source_state not in ("failed", "ended"):  # noqa: ASYNC110
            await trio.sleep(0.001)
        first = run.service.first
        while first.network_task.segment is not None or first.input_queue.packets:  # noqa: ASYNC110
            await trio.sleep(0.001)
        if drop:
            assert run.service.first.source_state == "ended"
            assert source.counters["time_backwards"] == 70
            assert run.service.first.network_task.counters.events == 120
        else:
            assert "70 time backwards" in run.service.first.source_error
            assert run.service.first.network_task.counters.events == 70


CHILD = """
import socket, struct, sys
port = int(sys.argv[sys.argv.index("127.0.0.1") + 1])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    for n in range(40):
        out.sendto(struct.pack("<II", n << 16 | 7, 5_000 + 500 * n), ("127.0.0.1", port))
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
async def test_a_camera_program_that_is_killed_is_started_again(running, tmp_path, monkeypatch):
    monkeypatch.setattr("spikewire.sensors.sources.aestream_camera.FIRST_WAIT_S", 0.01)
    (tmp_path / "camera.py").write_text(CHILD)
    program = [sys.executable, str(tmp_path / "camera.py")]
    source = AestreamCamera("inivation", size=SIZE, program=program)
    async with (
        running(source, in_thread=trio.to_thread.run_sync) as run,
        listening(run, "result") as client,
    ):
        with trio.fail_after(60):
            segments = [segment for segment, _ in await heard(client, 8)]
        assert segments == sorted(segments)
        assert len(set(segments)) >= 2
        assert run.service.first.source_state == "running"
        assert run.service.first.stats_publisher._stats()["source"]["camera_restarts"] >= 2
        assert not run.service.first.input_queue.drops


async def test_a_source_given_up_is_said_and_the_service_goes_on(autojump_clock, running, fakes):
    source = fakes.Source([fakes.packet(range(0, 20_000, 500))], live=True)
    async with running(source, at_end="stay") as run, listening(run, "*") as client:
        source.finish(SensorError("aestream:inivation gave no events in 6 starts."))
        async for message in client:
            if message["topic"] == "status" and message["source"]["state"] == "failed":
                break
        assert message["source"]["error"] == "aestream:inivation gave no events in 6 starts."
        assert (await client.status())["ok"]
        assert run.service.first.network_task.counters.results == 3
