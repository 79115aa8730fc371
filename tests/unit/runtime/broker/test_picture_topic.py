"""The topic `picture`: every event at the sensor's resolution, within a budget of bytes."""

from __future__ import annotations

import numpy as np
import trio
from trio.testing import wait_all_tasks_blocked

from spikewire.runtime.pipeline.picture import PictureTopic
from spikewire.sensors import unpack_picture


class Broker:
    """Wants pictures, and keeps them with the time at which they came."""

    def __init__(self):
        self.said = []
        self.listens = True

    def wanted(self, topic):
        return topic == "picture" and self.listens

    def publish(self, topic, body):
        self.said.append((trio.current_time(), body))


async def in_thread(work):
    await trio.lowlevel.checkpoint()
    return work()


async def show(topic, count, size, *, every=0.01, for_s=4.0):
    """Compute `count` scattered events every so often; returns their number."""
    rng = np.random.default_rng(1)
    tick = 0
    while tick * every < for_s:
        counts = topic.open(size, 0)
        if counts is not None:
            x, y = (rng.integers(0, most, count).astype(np.uint16) for most in size)
            counts.add(x, y, np.ones(count, np.uint8))
            topic.close(tick=tick, start_us=tick * 10_000, t_us=(tick + 1) * 10_000)
        await trio.sleep(every)
        tick += 1


async def shown(nursery, *, bytes_per_s=1e6, per_s=25.0):
    broker = Broker()
    topic = PictureTopic(broker, in_thread, lambda: per_s, lambda: bytes_per_s)
    nursery.start_soon(topic.run)
    await wait_all_tasks_blocked()
    return topic, broker.said


async def test_a_service_sends_every_event_at_its_pixel(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, run.client() as client:
        source.push(fakes.packet(range(0, 50_000, 100)))
        await trio.sleep(1)
        assert run.service.first.broker.seq["picture"] == 0
        await client.subscribe("picture")
        await trio.sleep(1)
        seen, pictures = 0, []
        for start in range(60_000, 160_000, 20_000):
            source.push(fakes.packet(range(start, start + 20_000, 100)))
            await trio.sleep(0.1)
        while len(pictures) < 5:
            message = await anext(client)
            if message.get("topic") == "picture":
                pictures.append(message)
        for message in pictures:
            assert (message["size"], message["shape"], message["scale"]) == ([64, 48], [64, 48], 1)
            assert not message["limited"]
            off, on = unpack_picture(message["cells"], tuple(message["shape"])).sum(axis=(0, 1))
            assert (on, off) == (message["on_events"], message["off_events"])
            seen += int(on) + int(off)
        first = pictures[0]["t_us"] - pictures[0]["span_us"]
        sent = [*range(0, 50_000, 100), *range(60_000, 160_000, 100)]
        assert seen == sum(first <= t < 159_000 for t in sent)


async def test_a_picture_that_fits_its_budget_has_the_full_resolution(autojump_clock):
    async with trio.open_nursery() as nursery:
        topic, said = await shown(nursery)
        await show(topic, 100, (640, 480))
        nursery.cancel_scope.cancel()
    assert {(body["scale"], body["limited"]) for _, body in said} == {(1, False)}
    assert 90 <= len(said) <= 101


async def test_beyond_the_budget_the_resolution_falls_and_comes_back(autojump_clock):
    async with trio.open_nursery() as nursery:
        topic, said = await shown(nursery, bytes_per_s=300_000)
        await show(topic, 6_000, (640, 480))
        busy = len(said)
        await show(topic, 20, (640, 480))
        nursery.cancel_scope.cancel()
    sent = sum(len(body["cells"]) for _, body in said[:busy])
    assert sent <= 300_000 * 4.0 + 4 * 300_000 / 25
    scales = [body["scale"] for _, body in said]
    assert scales[busy - 1] > 2
    assert scales[-1] == 1
    assert all(body["limited"] == (body["scale"] > 1) for _, body in said)
    for _, body in said:
        counts = unpack_picture(body["cells"], tuple(body["shape"]))
        assert counts.shape == (-(-480 // body["scale"]), -(-640 // body["scale"]), 2)


async def test_where_resolution_does_not_help_the_rate_falls(autojump_clock):
    async with trio.open_nursery() as nursery:
        topic, said = await shown(nursery, bytes_per_s=10_000, per_s=100.0)
        await show(topic, 400, (1280, 720), for_s=8.0)
        nursery.cancel_scope.cancel()
    assert sum(len(body["cells"]) for _, body in said) <= 10_000 * 8 + 4096
    assert sum(body["on_events"] for _, body in said) > 0.9 * 400 * 800


async def test_a_large_sensor_is_shown_by_1280_cells_a_side(autojump_clock):
    async with trio.open_nursery() as nursery:
        topic, said = await shown(nursery)
        await show(topic, 50, (2560, 1440), for_s=0.5)
        nursery.cancel_scope.cancel()
    assert {(*body["shape"], body["scale"], body["limited"]) for _, body in said} == {
        (1280, 720, 2, False)
    }


async def test_a_picture_is_taken_when_its_batch_is_computed(autojump_clock):
    async with trio.open_nursery() as nursery:
        topic, said = await shown(nursery)
        counts = topic.open((64, 48), 0)
        assert counts is not None
        await trio.sleep(1)
        assert said == []  # it belongs to the thread that computes
        counts.add(np.zeros(1, np.uint16), np.zeros(1, np.uint16), np.ones(1, np.uint8))
        topic.close(tick=5, start_us=0, t_us=6000)
        await trio.sleep(0.1)
        assert [(body["tick"], body["cells"]) for _, body in said] == [(5, b"\x01")]
        nursery.cancel_scope.cancel()


async def test_a_subscriber_may_leave_while_events_are_computed(autojump_clock):
    broker, packed = Broker(), trio.Event()

    async def slowly(work):
        await packed.wait()
        return work()

    topic = PictureTopic(broker, slowly, lambda: 25.0, lambda: 1e6)
    one = (np.zeros(1, np.uint16), np.zeros(1, np.uint16), np.ones(1, np.uint8))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(topic.run)
        await wait_all_tasks_blocked()
        topic.open((640, 480), 0).add(*one)
        topic.close(tick=5, start_us=0, t_us=6000)
        await trio.sleep(0.1)
        topic.open((640, 480), 0).add(*one)
        broker.listens = False
        packed.set()
        await trio.sleep(0.1)
        topic.close(tick=9, start_us=6000, t_us=10_000)
        await trio.sleep(0.1)
        assert topic.open((640, 480), 0) is None
        nursery.cancel_scope.cancel()


async def test_times_between_events_are_told_once_a_second(fakes, running, autojump_clock):
    source = fakes.Source()
    async with running(source) as run, run.client() as client:
        await client.subscribe("intervals")
        for start in range(0, 3_000_000, 100_000):
            source.push(fakes.packet(range(start, start + 100_000, 100)))
            await trio.sleep(0.1)
        await client.unsubscribe("intervals")
        told = run.service.first.broker.seq["intervals"]
        assert told in (2, 3)
        message = await anext(client)
        assert len(message["counts"]) == 32
        assert 9_000 < sum(message["counts"]) < 14_000
        source.push(fakes.packet(range(3_000_000, 6_000_000, 100)))
        await trio.sleep(2)
        assert run.service.first.broker.seq["intervals"] == told
