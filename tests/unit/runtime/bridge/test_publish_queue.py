"""The bridge's queue: whatever happens, each number is held, confirmed or told as lost, once."""

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.runtime.bridge.publish_queue import Gap, PublishQueue, QueuedMessage

STEP = st.sampled_from(["offer", "other", "gap", "take", "confirm", "put back"])


def play(steps, most_messages, most_bytes):
    """Run steps; returns what was confirmed, in order, and what was offered."""
    told, offered = [], {"a": [], "b": []}

    async def main():
        box = PublishQueue(most_messages, most_bytes)
        taken = None
        number = {"a": 0, "b": 0}
        for step in [*steps, "end"]:
            if step in ("offer", "other"):
                topic = "a" if step == "offer" else "b"
                number[topic] += 1
                box.offer(QueuedMessage(topic, "r", number[topic], b"x" * 10))
                offered[topic].append(number[topic])
            elif step == "gap":
                number["a"] += 2
                box.announce(Gap("a", "r", number["a"] - 1, number["a"], 2, "service"))
            elif step == "take" and taken is None and len(box):
                taken = await box.take(3, 25, 0)
                assert sum(isinstance(e, QueuedMessage) for e in taken) <= 2
            elif step == "confirm" and taken is not None:
                told.extend(taken)
                box.confirmed()
                taken = None
            elif step == "put back" and taken is not None:
                box.put_back()
                taken = None
            in_flight = sum(isinstance(e, QueuedMessage) for e in taken or ())
            assert box.messages <= max(most_messages, in_flight)
            assert box.bytes == 10 * box.messages
        if taken is not None:
            box.put_back()
        box.end()
        while (batch := await box.take(3, 25, 0)) is not None:
            told.extend(batch)
            box.confirmed()
        assert (box.messages, box.bytes, len(box)) == (0, 0, 0)

    trio.run(main)
    return told, offered


@settings(deadline=None, max_examples=200)
@given(st.lists(STEP, max_size=60), st.integers(2, 8))
def test_each_number_is_accounted_for_once(steps, most):
    told, offered = play(steps, most, 10_000)
    for topic, numbers in offered.items():
        kept = [e.seq for e in told if isinstance(e, QueuedMessage) and e.topic == topic]
        gaps = [e for e in told if isinstance(e, Gap) and e.topic == topic and e.by == "bridge"]
        assert kept == sorted(set(kept))
        assert len(kept) + sum(gap.count for gap in gaps) == len(numbers)
        lost = set(numbers) - set(kept)
        assert all(any(g.first <= n <= g.last for g in gaps) for n in lost)
        assert not any(g.first <= n <= g.last for n in kept for g in gaps)


def test_bytes_bound_too():
    told, _ = play(["offer"] * 20, 1000, 55)
    assert [e.seq for e in told if isinstance(e, QueuedMessage)] == [16, 17, 18, 19, 20]
    assert told[0] == Gap("a", "r", 1, 15, 15, "bridge")


def test_the_service_s_gaps_survive_an_overflow():
    told, _ = play(["offer", "offer", "gap", "offer", "offer", "offer"], 2, 10_000)
    assert told[:2] == [
        Gap("a", "r", 1, 5, 3, "bridge"),
        Gap("a", "r", 3, 4, 2, "service"),
    ]
    assert [e.seq for e in told[2:]] == [6, 7]
