"""Bounded: a recording waits, a live source loses its oldest, and every event is accounted for."""

import trio
import trio.testing

from spikewire.runtime.pipeline.input_queue import InputQueue


async def test_a_recording_waits_for_room(fakes):
    input_queue = InputQueue(2, 1000)
    async with trio.open_nursery() as nursery:

        async def deliver():
            for start in range(5):
                await input_queue.put_waiting(fakes.packet([start]))

        nursery.start_soon(deliver)
        for start in range(5):
            await trio.testing.wait_all_tasks_blocked()
            assert input_queue.packets == min(2, 5 - start)
            assert input_queue.take_packet().watermark == start
    assert not input_queue.drops


async def test_live_drops_the_oldest_and_counts(fakes):
    input_queue = InputQueue(100, 10)
    for start in range(5):
        await input_queue.put_dropping(fakes.packet(range(start * 10, start * 10 + 4)))
    assert input_queue.drops == {"queue_full": 12}
    assert input_queue.dropped_packets == 3
    assert input_queue.events == 8
    assert [input_queue.take_packet().watermark for _ in range(2)] == [33, 43]


async def test_a_packet_larger_than_the_queue_passes_alone(fakes):
    input_queue = InputQueue(100, 10)
    await input_queue.put_waiting(fakes.packet(range(50)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(input_queue.put_waiting, fakes.packet([1]))
        await trio.testing.wait_all_tasks_blocked()
        assert input_queue.packets == 1
        nursery.cancel_scope.cancel()
    # A source that is stopped while it waits has received its packet: nothing is lost.
    assert (input_queue.packets, input_queue.events) == (2, 51)


async def test_a_live_packet_is_queued_though_its_source_is_stopped(fakes):
    input_queue = InputQueue(1, 10)
    with trio.CancelScope() as scope:
        scope.cancel()
        await input_queue.put_dropping(fakes.packet([1]))
    with trio.CancelScope() as scope:
        scope.cancel()
        await input_queue.put_dropping(fakes.packet([2, 3]))
    assert (input_queue.packets, input_queue.events) == (1, 2)
    assert input_queue.drops == {"queue_full": 1}


async def test_closing_lets_a_waiting_source_go(fakes):
    input_queue = InputQueue(1, 10)
    await input_queue.put_waiting(fakes.packet([1]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(input_queue.put_waiting, fakes.packet([2, 3]))
        await trio.testing.wait_all_tasks_blocked()
        input_queue.close()
    assert input_queue.drops == {"stopping": 2}
    assert input_queue.packets == 1


async def test_giving_up_counts_what_is_lost(fakes):
    input_queue = InputQueue(9, 10)
    await input_queue.put_waiting(fakes.packet([1, 2]))
    input_queue.discard()
    assert input_queue.drops == {"not_computed": 2}
    assert input_queue.events == 0
