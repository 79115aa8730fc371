"""Bounded: a recording waits, a live source loses its oldest, and every event is accounted for."""

import trio
import trio.testing

from spikewire.runtime.pipeline.input_queue import Inbox


async def test_a_recording_waits_for_room(fakes):
    inbox = Inbox(2, 1000)
    async with trio.open_nursery() as nursery:

        async def deliver():
            for start in range(5):
                await inbox.put_waiting(fakes.packet([start]))

        nursery.start_soon(deliver)
        for start in range(5):
            await trio.testing.wait_all_tasks_blocked()
            assert inbox.packets == min(2, 5 - start)
            assert inbox.take_packet().watermark == start
    assert not inbox.drops


async def test_live_drops_the_oldest_and_counts(fakes):
    inbox = Inbox(100, 10)
    for start in range(5):
        await inbox.put_dropping(fakes.packet(range(start * 10, start * 10 + 4)))
    assert inbox.drops == {"queue_full": 12}
    assert inbox.dropped_packets == 3
    assert inbox.events == 8
    assert [inbox.take_packet().watermark for _ in range(2)] == [33, 43]


async def test_a_packet_larger_than_the_queue_passes_alone(fakes):
    inbox = Inbox(100, 10)
    await inbox.put_waiting(fakes.packet(range(50)))
    with trio.move_on_after(0):
        await inbox.put_waiting(fakes.packet([1]))
    assert inbox.packets == 1


async def test_closing_lets_a_waiting_source_go(fakes):
    inbox = Inbox(1, 10)
    await inbox.put_waiting(fakes.packet([1]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.put_waiting, fakes.packet([2, 3]))
        await trio.testing.wait_all_tasks_blocked()
        inbox.close()
    assert inbox.drops == {"stopping": 2}
    assert inbox.packets == 1


async def test_giving_up_counts_what_is_lost(fakes):
    inbox = Inbox(9, 10)
    await inbox.put_waiting(fakes.packet([1, 2]))
    inbox.discard()
    assert inbox.drops == {"not_computed": 2}
    assert inbox.events == 0
