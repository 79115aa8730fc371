"""Pauses, attempts, numbers and queues of clients that come back: no sockets and no clock."""

import random

import pytest

from spikewire.runtime import ConnectionLost, ProtocolError, Retry
from spikewire.runtime.client.message_buffer import MessageBuffer
from spikewire.runtime.client.resume import TopicPositions
from spikewire.runtime.client.retry import Outages

LOST = ConnectionLost("It broke.")


def longest(outages, *times):
    """The longest pause that each attempt may have waited: chance takes off up to a half."""
    return [outages.pause(LOST, now) for now in times]


def steady(**settings):
    """Chance that takes nothing off."""
    chance = random.Random(0)
    chance.uniform = lambda low, high: high
    return Outages(Retry(**settings, chance=chance))


def test_a_service_that_dies_after_each_start_is_not_rushed_at():
    outages = steady(first_s=1, factor=2, most_s=8)
    pauses = []
    for start in range(5):
        outages.connected(100 * start)
        pauses += longest(outages, 100 * start + 7)
    assert pauses == [1, 2, 4, 8, 8]
    outages.connected(1000)
    assert longest(outages, 1008, 1009) == [1, 2]


def test_attempts_are_counted_from_each_connection_on():
    outages = steady(first_s=1, attempts=2)
    outages.connected(0)
    longest(outages, 1, 2)
    outages.connected(3)
    longest(outages, 4, 5)
    with pytest.raises(
        ConnectionLost, match=r"Given up after 2 attempts; the last one: It broke\."
    ):
        longest(outages, 6)


def test_half_of_a_pause_may_be_taken_off():
    outages = Outages(Retry(first_s=1, factor=1, chance=random.Random(5)))
    outages.connected(0)
    pauses = longest(outages, *range(1000))
    assert 0.5 <= min(pauses) < 0.51
    assert 0.99 < max(pauses) <= 1


@pytest.mark.parametrize(
    "settings",
    [{"first_s": 0}, {"first_s": 20}, {"most_s": float("inf")}, {"factor": 0.5}, {"attempts": 0}],
)
def test_settings_that_cannot_be(settings):
    with pytest.raises(ValueError, match="allowed is"):
        Retry(**settings)


@pytest.mark.parametrize("code", ["wrong_token", "wrong_protocol", "invalid", "hello_first"])
def test_what_trying_again_cannot_help(code):
    outages = steady(first_s=1)
    outages.connected(0)
    with pytest.raises(ProtocolError):
        outages.pause(ProtocolError(code, "No."), 1)
    assert outages.pause(ProtocolError("too_slow", "Slow."), 1) == 1


def message(topic, seq):
    return {"type": "message", "topic": topic, "seq": seq}


def gap(topic, first, last):
    return {"type": "gap", "topic": topic, "first": first, "last": last, "count": last - first + 1}


def subscribed(policy="drop_oldest"):
    resume = TopicPositions()
    resume.want(["*"], policy)
    assert not resume.met({"run": "r", "topics": ["result", "status"]})
    assert resume.answered({"seq": {"result": 4, "status": 2}}) == []
    return resume


def test_numbers_that_jump_are_told_and_numbers_that_came_are_dropped():
    resume = subscribed()
    assert resume.take(message("result", 5)) == [message("result", 5)]
    assert resume.take(message("result", 5)) == []
    assert resume.take(message("result", 8)) == [gap("result", 6, 7), message("result", 8)]
    assert resume.take(gap("result", 9, 11)) == [gap("result", 9, 11)]
    assert resume.take(message("result", 12)) == [message("result", 12)]
    assert resume.last_seq == {"result": 12, "status": 2}


def test_the_newest_only_is_no_loss():
    resume = subscribed("latest")
    told = [resume.take(message("result", seq)) for seq in (5, 9)]
    assert told == [[message("result", 5)], [message("result", 9)]]


def test_a_retained_topic_comes_once_and_may_have_moved_on():
    resume = subscribed()
    assert resume.take(message("status", 2)) == [message("status", 2)]
    resume.met({"run": "r", "topics": ["result", "status"]})
    resume.answered({"seq": {"result": 4, "status": 2}, "resume": {"result": {"resumed": 0}}})
    assert resume.take(message("status", 2)) == []
    resume.met({"run": "r", "topics": ["result", "status"]})
    assert resume.take(message("status", 6)) == [message("status", 6)]


def test_topics_that_another_version_lacks_are_not_asked_for():
    resume = subscribed()
    (asked,) = resume.subscriptions({"topics": ["result"]})
    assert asked["last_seq"] == {"result": 4}
    assert resume.met({"run": "other"})
    (asked,) = resume.subscriptions({"topics": ["result"]})
    assert (asked["last_seq"], asked["run"]) == ({"result": 0}, "other")


def test_policies_are_asked_for_apart_and_topics_can_be_left():
    resume = subscribed()
    resume.want(["stats"], "latest")
    asked = resume.subscriptions({})
    assert [(one["topics"], one["policy"]) for one in asked] == [
        (["*"], "drop_oldest"), (["stats"], "latest"),
    ]  # fmt: skip
    resume.want_only(["result", "stats"])
    asked = resume.subscriptions({"topics": ["result", "status"]})
    assert [one["topics"] for one in asked] == [["result"], ["stats"]]
    assert resume.last_seq == {"result": 4}


def test_an_older_service_is_not_asked_for_decisions():
    resume = TopicPositions()
    resume.want(["result", "decision"], "drop_oldest")
    old, new = {"topics": ["result"]}, {"topics": ["result", "decision"]}
    assert [one["topics"] for one in resume.subscriptions(old)] == [["result"]]
    assert [one["topics"] for one in resume.subscriptions(new)] == [["result", "decision"]]


def test_known_numbers_need_their_run():
    with pytest.raises(ValueError, match="needs run"):
        TopicPositions({"result": 3})


def test_what_is_not_taken_is_told_by_topic():
    kept = MessageBuffer(2)
    for one in (
        message("a", 1),
        message("b", 1),
        {"type": "lost"},
        gap("a", 2, 4),
        message("a", 5),
    ):
        kept.put(one)
    taken = []
    while (one := kept.pop()) is not None:
        taken.append(one)
    assert taken == [{"type": "lost"}, gap("a", 1, 4), message("a", 5)]
    # The topic's next message tells of what it lost.
    kept.put(message("b", 2))
    assert [kept.pop(), kept.pop(), kept.pop()] == [gap("b", 1, 1), message("b", 2), None]
    assert kept.missed == 2


def test_notices_alone_are_bounded_too():
    kept = MessageBuffer(2)
    for number in range(9):
        kept.put({"type": "lost", "number": number})
    assert [kept.pop()["number"] for _ in range(4)] == [5, 6, 7, 8]
    assert kept.pop() is None
