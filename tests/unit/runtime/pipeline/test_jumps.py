"""Jumps of event time, idle stretches, and ends that wait for neither."""

import itertools
import json

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import Network, load_spec
from spikewire.runtime import Settings
from spikewire.runtime.checkpoints import CheckpointStore
from spikewire.runtime.pipeline.input_queue import InputQueue
from spikewire.runtime.pipeline.network_task import NetworkTask
from spikewire.sensors import MOST_TIME_US
from tests.reference.jumps import segments_of
from tests.support.fakes import FakeNetwork, at_once, make_packet
from tests.unit.runtime.pipeline.test_network_task import Recorder

JUMP_US = 2_000_000
STEPS = st.one_of(
    st.integers(0, 5_000),
    st.integers(0, 100_000),
    st.sampled_from([JUMP_US - 1, JUMP_US, JUMP_US + 1, 86_400_000_000, 2**61]),
)


async def compute(packets, network=None, **options):
    queue, broker = InputQueue(10_000, 10_000_000), Recorder()
    task = NetworkTask(
        network or FakeNetwork(), queue, broker, Settings(**options), in_thread=at_once
    )
    finished = []
    task.on_finished = lambda number, facts: finished.append((number, facts))
    for packet in packets:
        await queue.put_waiting(packet)
    queue.close()
    await task.run()
    return broker.results, task, finished, queue


@st.composite
def streams(draw):
    """Event times and labels of two segments of a source, and where packets end."""
    stretches = []
    for start in (draw(st.integers(-(2**61), 2**20)), draw(st.integers(0, 2**20))):
        steps = draw(st.lists(STEPS, max_size=25))
        times = list(itertools.accumulate(steps, initial=start))
        times = [t for t in times if t <= MOST_TIME_US]
        labels = draw(st.lists(st.sampled_from("ab"), min_size=len(times), max_size=len(times)))
        cuts = draw(st.sets(st.integers(1, 25)))
        stretches.append((times, labels, cuts))
    return stretches


def packets_of(stretches, numbers):
    """Packets of one label and one number each, cut where the stream says."""
    made = []
    for (times, labels, cuts), segments in zip(stretches, numbers, strict=True):
        group: list[int] = []
        for n in range(len(times)):
            new = n in cuts or (n and (labels[n], segments[n]) != (labels[n - 1], segments[n - 1]))
            if group and new:
                made.append(make_packet(group, segment=segments[n - 1], label=labels[n - 1]))
                group = []
            group.append(times[n])
        made.append(make_packet(group, segment=segments[-1], label=labels[-1], last=True))
    return made


@settings(max_examples=1000, deadline=None)
@given(streams())
def test_a_jump_is_a_new_segment_of_the_source(stretches):
    options = {"labels": "source", "gap_ms": 20}
    whole = packets_of(stretches, [[n] * len(one[0]) for n, one in enumerate(stretches)])
    numbers = segments_of([one[0] for one in stretches], JUMP_US)
    split = packets_of(stretches, numbers)
    results, task, finished, queue = trio.run(
        lambda: compute(whole, jump_s=JUMP_US / 1e6, **options)
    )
    wanted, same, each, _ = trio.run(lambda: compute(split, jump_s=1e9, **options))
    # The bits are those of a source that says itself where its time begins anew.
    assert same.counters.time_jumps == 0
    assert results == wanted
    assert task.network.to_bytes() == same.network.to_bytes()
    assert finished[0][1].end_tick == each[numbers[0][-1]][1].end_tick
    assert task.counters.time_jumps == numbers[-1][-1] - 1
    assert [number for number, _ in finished] == [0, 1]
    assert [(one.first, one.last) for _, one in finished] == [(one[0], one[-1]) for one in numbers]
    assert [one.events for _, one in finished] == [len(one[0]) for one in stretches]
    assert task.counters.events == sum(len(one[0]) for one in stretches)
    assert not queue.drops
    told = [result["segment"] for result in results]
    assert told == sorted(told)
    assert set(told) == {n for one in numbers for n in one}


@pytest.mark.parametrize("pause_us", [3_000_000, 290_000_000])
async def test_a_pause_costs_the_same_however_long_it_is(fakes, pause_us):
    packets = [make_packet([0, 500]), make_packet([pause_us, pause_us + 900])]
    results, task, _, _ = await compute(packets)
    assert len(task.network.calls) < 12
    assert [result["segment"] for result in results] == [0, 0]
    assert task.counters.time_jumps == 0


def small():
    spec = load_spec("nmnist")
    return Network.build(spec, ("a", "b"), seed=3)


@pytest.mark.parametrize("learn", [False, True])
async def test_a_pause_at_once_has_the_bits_of_a_pause_in_pieces(monkeypatch, learn):
    times = [*range(0, 60_000, 40), *range(70_000_000, 70_060_000, 40)]
    packets = [make_packet(times[:1500], label="a"), make_packet(times[1500:], label="b")]
    options = {"labels": "source", "learn": learn}
    at, first, _, _ = await compute(packets, small(), **options)
    monkeypatch.setattr(Network, "at_rest", False)
    pieces, second, _, _ = await compute(packets, small(), **options)
    assert at == pieces
    assert first.network.to_bytes() == second.network.to_bytes()


async def test_a_checkpoint_of_a_huge_tick_goes_on(fakes):
    network = FakeNetwork()
    network.tick = 2**61
    packets = [make_packet([0, 900]), make_packet([MOST_TIME_US - 5, MOST_TIME_US])]
    results, _, _, _ = await compute(packets, network)
    assert [result["segment"] for result in results] == [0, 1]
    assert all(result["tick"] > 2**61 for result in results)
    assert results[-1]["t_us"] > MOST_TIME_US - 1000


class Restless(FakeNetwork):
    """Never comes to rest: idle ticks have to be computed."""

    at_rest = False

    def advance(self, events, until, /, **how):
        self.dirty = 0
        return super().advance(events, until, **how)


async def slow(call):
    await trio.sleep(1)
    return call()


FAR = [*range(0, 5000, 500), 10**15, 10**15 + 1]


@pytest.mark.parametrize("kind", ["drain", "second"])
async def test_an_end_does_not_wait_for_an_endless_stretch(
    autojump_clock, fakes, running, tmp_path, kind
):
    source = fakes.Source([make_packet(FAR)], live=True)
    async with running(
        source, Restless(), in_thread=slow, jump_s=1e9, drain_s=5.0, at_end="stay",
        checkpoint_folder=str(tmp_path),
    ) as run:  # fmt: skip
        await trio.sleep(20)
        service, asked = run.service, trio.current_time()
        service.stop()
        await trio.sleep(2.5)
        assert service.first.state == "draining"
        if kind == "second":
            service.hurry()
    took = trio.current_time() - asked
    assert took <= (9 if kind == "drain" else 5)
    first = service.first
    assert first.summary().drops["not_computed"] == 2
    assert first.network_task.counters.events == len(FAR) - 2
    # The last whole state is saved.
    found = CheckpointStore(tmp_path).load_newest(json.loads)
    assert found is not None
    assert found[0][0] == first.network_task.tick == first.network.tick
