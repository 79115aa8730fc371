"""Silent sources and services, slow batches and overload are noticed and told."""

import pytest
import trio
import trio.testing

from spikewire.runtime import ConnectionLost, converse
from spikewire.runtime.protocol.frames import encode
from tests.support.wire import SERVICE_HELLO


async def test_live_overload_drops_the_oldest_and_says_so(fakes, running, autojump_clock):
    gate = trio.Event()

    async def held_up(call):
        await gate.wait()
        return call()

    source = fakes.Source(live=True)
    times = [range(n * 10_000, n * 10_000 + 5000, 500) for n in range(50)]
    async with (
        running(source, in_thread=held_up, queue_packets=5) as run,
        run.client() as client,
    ):
        await client.subscribe("stats", "result")
        source.push(*(fakes.packet(t, watermark=t[-1] + 500) for t in times))
        await trio.testing.wait_all_tasks_blocked()
        while (stats := await anext(client))["topic"] != "stats":
            pass
        # One packet is being computed, five wait, the 44 between them are lost.
        assert stats["drops"] == {"queue_full": 440}
        assert stats["dropped_packets"] == 44
        assert (stats["queue"]["packets"], stats["queue"]["events"]) == (5, 50)
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        ticks = [(await anext(client.results()))["tick"] for _ in range(3)]
        assert ticks == [0, 10, 450]
    assert run.summary.events == 60


async def test_a_silent_service_beats_and_a_dead_one_is_noticed(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source, heartbeat_s=2.0) as run, run.client() as client:
        await client.subscribe("result")
        with trio.move_on_after(100):
            await anext(client.results())
        # A hundred seconds without a result, and the connection is held to be good.
        assert (await client.status())["ok"]
        run.service.stop()

    ours, theirs = trio.testing.memory_stream_pair()

    async def dead_service():
        await theirs.receive_some()
        hello = {**SERVICE_HELLO, "limits": {"heartbeat_s": 2.0}}
        await theirs.send_all(encode(hello))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dead_service)
        async with converse(ours) as client:
            began = trio.current_time()
            with pytest.raises(ConnectionLost, match="was silent for 7 s"):
                await anext(client)
            assert trio.current_time() - began == pytest.approx(7)


async def test_a_silent_source_is_called_stalled_until_it_sends(
    fakes, running, autojump_clock, caplog
):
    source = fakes.Source(live=True)
    async with running(source, stall_s=4.0) as run, run.client() as client:
        await client.subscribe("status")
        await trio.sleep(3)
        source.push(fakes.packet(range(0, 5_000, 500)))
        await trio.sleep(3.5)
        assert run.service.first.source_state == "running"
        await trio.sleep(2)
        assert run.service.first.source_state == "stalled"
        source.push(fakes.packet(range(10_000, 15_000, 500)))
        await trio.sleep(1.5)
        assert run.service.first.source_state == "running"
        run.service.stop()
        states = [m["source"]["state"] async for m in client]
    assert "stalled" in states
    assert states.index("stalled") < len(states) - 1
    assert [r.getMessage()[:40] for r in caplog.records] == [
        f"the source {source.name} has sent nothing for 5.0 s"[:40],
        f"the source {source.name} sends again"[:40],
    ]
    assert run.service.first.watchdog.source_stalls == 1


async def test_a_recording_that_waits_is_not_stalled(fakes, running, autojump_clock):
    async with running(fakes.Source(), stall_s=1.0) as run:
        await trio.sleep(100)
        assert run.service.first.source_state == "running"
        run.service.stop()


async def test_a_batch_that_does_not_come_back_is_noticed(fakes, running, autojump_clock, caplog):
    gate = trio.Event()

    async def held_up(call):
        await gate.wait()
        return call()

    source = fakes.Source()
    async with running(source, in_thread=held_up, stall_s=2.0) as run:
        source.push(fakes.packet(range(0, 50_000, 500)))
        await trio.sleep(10)
        assert run.service.first.watchdog.network_stalled
        assert run.service.first.watchdog.network_stalls == 1
        gate.set()
        await trio.sleep(3)
        assert not run.service.first.watchdog.network_stalled
        run.service.stop()
    assert [r.getMessage() for r in caplog.records if "one batch" in r.getMessage()]
