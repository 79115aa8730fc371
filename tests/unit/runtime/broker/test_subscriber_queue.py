"""Slow readers: bounds, policies, counts."""

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from spikewire.runtime.broker.subscriber_queue import SubscriberQueue
from spikewire.runtime.protocol.frames import decode


async def take(box):
    await box.ready()
    return box.pop()


def offer(box, topic, *numbers):
    for seq in numbers:
        box.offer(topic, seq, b"%s%d" % (topic.encode(), seq))


async def drain(box):
    box.finish()
    got = []
    while (frame := await take(box)) is not None:
        got.append(decode(frame[4:]) if frame[:1] == b"\0" else frame.decode())
    return got


async def test_messages_and_answers_leave_in_the_order_they_came():
    box = SubscriberQueue(10, 1000)
    box.subscribe("result", "drop_oldest")
    box.subscribe("stats", "drop_oldest")
    offer(box, "result", 1)
    await box.answer(b"answer")
    offer(box, "stats", 1)
    offer(box, "result", 2)
    offer(box, "status", 1)  # not subscribed to
    assert await drain(box) == ["result1", "answer", "stats1", "result2"]


async def test_drop_oldest_says_exactly_what_is_missing():
    box = SubscriberQueue(3, 1000)
    box.subscribe("result", "drop_oldest")
    box.subscribe("stats", "drop_oldest")
    offer(box, "stats", 1)
    offer(box, "result", *range(1, 8))
    assert box.dropped == 4
    gap = {"type": "gap", "topic": "result", "first": 1, "last": 4, "count": 4}
    assert await drain(box) == ["stats1", gap, "result5", "result6", "result7"]


async def test_bytes_are_bounded_too():
    box = SubscriberQueue(100, 20)
    box.subscribe("result", "drop_oldest")
    offer(box, "result", *range(1, 6))  # 7 bytes each
    assert box.dropped == 3
    assert (await drain(box))[1:] == ["result4", "result5"]


async def test_latest_keeps_one():
    box = SubscriberQueue(3, 1000)
    box.subscribe("result", "latest")
    offer(box, "result", 1, 2, 3)
    await box.answer(b"answer")
    offer(box, "result", 4)
    assert box.dropped == 0
    assert await drain(box) == ["result4", "answer"]


async def test_disconnect_ends_it_once():
    cuts = []
    box = SubscriberQueue(2, 1000, on_disconnect=lambda: cuts.append(1))
    box.subscribe("result", "disconnect")
    offer(box, "result", 1, 2)
    assert not cuts
    offer(box, "result", 3, 4)
    assert cuts == [1]
    assert box.disconnected
    assert box.dropped == 3
    (error,) = await drain(box)
    assert error["code"] == "too_slow"


async def test_who_does_not_read_answers_gets_no_more():
    box = SubscriberQueue(2, 1000)
    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(box.answer, b"a")
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        await take(box)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 0


@given(
    st.lists(st.sampled_from(["result", "stats", "take"]), max_size=60),
    st.integers(1, 5),
)
def test_received_and_lost_add_up(actions, most):
    box = SubscriberQueue(most, 10_000)
    seq = {"result": 0, "stats": 0}
    for topic in seq:
        box.subscribe(topic, "drop_oldest")
    got: dict[str, list[int]] = {"result": [], "stats": []}

    async def play():
        for action in [*actions, *["take"] * 50]:
            if action != "take":
                seq[action] += 1
                offer(box, action, seq[action])
                continue
            frame = box._pop()
            if frame is None:
                continue
            if frame[:1] == b"\0":
                gap = decode(frame[4:])
                assert gap["count"] == gap["last"] - gap["first"] + 1
                got[gap["topic"]] += range(gap["first"], gap["last"] + 1)
            else:
                name = "result" if frame.startswith(b"result") else "stats"
                got[name].append(int(frame[len(name) :]))

    trio.run(play)
    assert got == {topic: list(range(1, last + 1)) for topic, last in seq.items()}


@given(
    st.lists(st.sampled_from(["offer", "answer", "write", "room", "none"]), max_size=60),
    st.integers(0, 9),
)
def test_what_goes_straight_keeps_the_order_whatever_fits(actions, fits):
    out = bytearray()
    room = fits

    def send_now(frame):
        nonlocal room
        sent = min(room, len(frame))
        room -= sent
        out.extend(frame[:sent])
        return sent

    async def play():
        nonlocal room
        box = SubscriberQueue(100, 10_000, send_now=send_now)
        box.subscribe("result", "drop_oldest")
        said = []

        async def write():
            while (frame := await take(box)) is not None:
                out.extend(frame)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            for number, action in enumerate(actions):
                if action == "offer":
                    said.append(b"result%d." % number)
                    box.offer("result", number, said[-1])
                elif action == "answer":
                    said.append(b"answer%d." % number)
                    await box.answer(said[-1])
                elif action == "write":
                    await trio.testing.wait_all_tasks_blocked()
                else:
                    room = 50 if action == "room" else 0
            box.finish()
        assert bytes(out) == b"".join(said)

    trio.run(play)


async def test_half_a_queue_does_not_wait_for_its_turn(autojump_clock):
    box = SubscriberQueue(10, 1000)
    box.subscribe("result", "disconnect")
    box.subscribe("stats", "latest")
    offer(box, "stats", *range(20))
    offer(box, "result", *range(5))
    began = trio.current_time()
    with trio.move_on_after(1) as scope:
        await box.urgent()
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.urgent)
        await trio.testing.wait_all_tasks_blocked()
        offer(box, "result", 5)
    assert trio.current_time() - began == 1
    box = SubscriberQueue(100, 30)
    box.subscribe("result", "drop_oldest")
    offer(box, "result", 1, 2, 3)  # 7 bytes each
    await box.urgent()


async def test_while_it_is_written_nothing_goes_straight():
    past = []

    def send_now(frame):
        past.append(frame)
        return len(frame)

    box = SubscriberQueue(10, 1000, send_now=send_now)
    box.subscribe("result", "drop_oldest")
    offer(box, "result", 1)  # nobody waits for it yet
    assert await take(box) == b"result1"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, box)
        await trio.testing.wait_all_tasks_blocked()
        offer(box, "result", 2)  # send_now
        await box.answer(b"answer")
        offer(box, "result", 3)  # behind the answer
    assert past == [b"result2"]
    assert box.pop() == b"result3"


async def test_an_unsubscribed_topic_is_forgotten():
    box = SubscriberQueue(3, 1000)
    box.subscribe("result", "drop_oldest")
    offer(box, "result", 1)
    box.unsubscribe("result")
    offer(box, "result", 2)
    assert box.topics == ()
    assert await drain(box) == []
