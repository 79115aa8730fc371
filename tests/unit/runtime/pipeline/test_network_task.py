"""The network task's promises: the same bits at every cut, requests at tick boundaries."""

import itertools

import pytest
import trio
import trio.testing

from spikewire.runtime import WALL_CLOCK_FIELDS, Settings
from spikewire.runtime.broker.broker import Broker
from spikewire.runtime.pipeline.input_queue import InputQueue, PendingRequest
from spikewire.runtime.pipeline.network_task import NetworkTask
from spikewire.runtime.pipeline.results import winner
from spikewire.runtime.protocol.messages import Learn, Teach


class Recorder(Broker):
    """Keeps what is published."""

    def __init__(self):
        super().__init__()
        self.results = []

    def publish(self, topic, body):
        if topic == "result":
            self.results.append({k: v for k, v in body.items() if k not in WALL_CLOCK_FIELDS})


async def compute(fakes, packets, network=None, pace=None, **settings):
    queue, broker = InputQueue(10_000, 10_000_000), Recorder()
    network = network or fakes.Network()
    task = NetworkTask(network, queue, broker, Settings(**settings), in_thread=fakes.at_once)
    if pace is not None:
        task._batch_sizer.ticks = pace
        task._batch_sizer.measured = lambda took_ns, full: None
    for packet in packets:
        await queue.put_waiting(packet)
    queue.close()
    await task.run()
    return network, broker.results, task, queue


STREAM = [*range(700, 40_000, 370), *range(250_000, 270_000, 90)]


@pytest.mark.parametrize(("cut", "pace"), list(itertools.product([1, 7, 50, 1000], [1, 5, 4096])))
async def test_cuts_and_batches_change_nothing(fakes, cut, pace):
    def packets(cut):
        made = []
        for segment in range(2):
            for at in range(0, len(STREAM), cut):
                times = STREAM[at : at + cut]
                last = at + cut >= len(STREAM)
                made.append(fakes.packet(times, segment=segment, label="a", last=last))
        return made

    whole = await compute(fakes, packets(10_000), labels="source")
    parts = await compute(fakes, packets(cut), labels="source", pace=pace)
    assert len(whole[1]) > 10
    assert parts[1] == whole[1]
    assert parts[0].to_bytes() == whole[0].to_bytes()
    assert parts[0].taught[0] == 2 * len(STREAM)


async def test_a_new_segment_begins_after_a_pause_on_the_grid_of_results(fakes):
    packets = [
        fakes.packet([5_000_000, 5_012_000], segment=0),
        fakes.packet([77, 1077], segment=1),
    ]
    network, results, _, _ = await compute(fakes, packets, gap_ms=300)
    # Segment 0: ticks 0 to 20 (its closing result); 21 + 300 ticks later: 330.
    assert [(r["tick"], r["segment"], r["t_us"]) for r in results] == [
        (0, 0, 5_001_000),
        (20, 0, 5_021_000),
        (330, 1, 1077),
        (340, 1, 11_077),
    ]
    # The pause itself teaches nothing, whatever the label.
    assert all(label == -1 for first, until, label, _ in network.calls if 21 <= first < 330)


async def test_labels_come_from_who_the_setting_says(fakes):
    packets = [fakes.packet([0, 500], label="b", last=True)]
    network, results, _, _ = await compute(fakes, packets, labels="source")
    assert network.taught == [0, 2]
    assert (results[0]["truth"], results[0]["label"], results[0]["teaching"]) == ("b", "b", True)

    network, results, _, _ = await compute(fakes, packets, labels="client")
    assert network.taught == [0, 0]
    assert (results[0]["truth"], results[0]["label"], results[0]["teaching"]) == ("b", None, False)


async def test_a_label_unknown_to_the_network_becomes_a_class_or_is_counted(fakes):
    packets = [fakes.packet([0, 500], label="new", last=True)]
    network, results, _, _ = await compute(fakes, packets, labels="source")
    assert network.classes == ("a", "b", "new")
    assert set(results[0]["scores"]) == {"a", "b", "new"}
    network, _, task, _ = await compute(fakes, packets, labels="source", add_classes=False)
    assert network.classes == ("a", "b")
    assert task.counters.unlearned_events == 2


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "\x1b[2J", "a\nb", "\ud800"])
async def test_a_source_s_label_that_can_be_no_name_is_counted_and_told_nobody(fakes, name):
    packets = [fakes.packet([0, 500], label=name, last=True)]
    for labels, unlearned in (("source", 2), ("client", 0)):
        network, results, task, _ = await compute(fakes, packets, labels=labels)
        assert network.classes == ("a", "b")
        assert task.counters.unlearned_events == unlearned
        assert (results[0]["truth"], results[0]["label"]) == (None, None)


async def test_learning_off_changes_no_weights(fakes):
    packets = [fakes.packet([0, 500], label="b", last=True)]
    network, results, _, _ = await compute(fakes, packets, labels="source", learn=False)
    assert network.taught == [0, 0]
    assert not results[0]["teaching"]


async def test_requests_take_effect_at_the_tick_they_are_answered_with(fakes):
    queue, network = InputQueue(100, 10_000), fakes.Network()
    task = NetworkTask(network, queue, Recorder(), Settings(), in_thread=fakes.at_once)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task.run)
        await queue.put_waiting(fakes.packet(range(0, 30_000, 100), watermark=30_000))
        await trio.testing.wait_all_tasks_blocked()
        taught, off = PendingRequest(Teach(label="b")), PendingRequest(Learn(on=False))
        queue.put_request(taught)
        answer = await taught.answer()
        assert answer == {"ok": True, "tick": 30, "label": "b"}
        await queue.put_waiting(fakes.packet(range(30_000, 35_000, 100), watermark=35_000))
        await trio.testing.wait_all_tasks_blocked()
        queue.put_request(off)
        assert (await off.answer())["tick"] == 35
        await queue.put_waiting(fakes.packet(range(35_000, 39_000, 100), watermark=39_000))
        queue.close()
    for first, until, label, learn in network.calls:
        assert until <= 30 or first >= 30
        assert label == (1 if first >= 30 else -1)
        assert learn == (first < 35)
    assert network.taught == [0, 50]


async def test_refusals(fakes):
    queue, network = InputQueue(100, 10_000), fakes.Network()
    task = NetworkTask(
        network, queue, Recorder(), Settings(add_classes=False), in_thread=fakes.at_once
    )
    asked = PendingRequest(Teach(label="c"))
    queue.put_request(asked)
    queue.close()
    await task.run()
    answer = await asked.answer()
    assert answer["code"] == "unknown_class"
    assert "a, b" in answer["message"]
    assert task.teaching.taught is None


async def test_resuming_begins_a_new_segment_after_a_pause(fakes):
    network = fakes.Network()
    network.tick = 1003
    _, results, _, _ = await compute(fakes, [fakes.packet([0])], network)
    assert results[0]["tick"] == 1310


async def test_a_source_that_steps_back_in_time_loses_only_those_events(fakes):
    packets = [fakes.packet([0, 9000], watermark=9000), fakes.packet([3000, 9500, 12_000])]
    _, results, task, queue = await compute(fakes, packets)
    assert queue.drops["late"] == 1
    assert task.counters.events == 4
    assert results[-1]["tick"] == 20


def test_winner():
    assert winner(("a", "b"), [1, 2]) == "b"
    assert winner(("a", "b"), [2, 2]) is None
    assert winner(("a", "b", "c"), [1, 3, 3]) == "b"
    assert winner(("a",), [3]) == "a"
    assert winner(("a",), [0]) is None
    assert winner(("a", "b"), [-5, -2]) == "b"


async def test_lessons_change_layers_unless_the_readout_alone_is_to_learn(fakes):
    for wanted in (False, True):
        network = fakes.Network()
        network.layers_learn = not wanted
        await compute(fakes, [fakes.packet(STREAM, last=True)], network, learn_layers=wanted)
        assert network.layers_learn is wanted
