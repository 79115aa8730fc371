"""The stream of decisions: when it tells, and shares that never contradict the answer."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from spikewire.runtime.decision.rules import NOTHING, UNKNOWN, Rules, Strictness
from spikewire.runtime.decision.stream import DecisionStream

RULES = Rules(window_us=100_000, hold_us=30_000, motion_threshold=10, motion_window_us=50_000)
Scores = Mapping[str, int]


def result(t_us: int, scores: Scores, *, spikes: int = 2000, segment: int = 0) -> dict[str, Any]:
    return {
        "tick": t_us // 1000, "t_us": t_us, "segment": segment, "scores": dict(scores),
        "spikes": [spikes], "truth": "a", "label": "b", "teaching": False,
    }  # fmt: skip


def told(results: Sequence[Mapping[str, Any]], rules: Rules = RULES) -> list[dict[str, Any]]:
    stream = DecisionStream(rules)
    messages = [message for one in results if (message := stream.take(one)) is not None]
    last = stream.finish()
    return messages if last is None else [*messages, last]


def steady(count: int, scores: Scores, since_us: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [result(since_us + 10_000 * n, scores, **more) for n in range(count)]


def test_a_change_is_told_at_once_and_what_lasts_ten_times_a_second() -> None:
    messages = told(steady(60, {"a": 90, "b": 10, "c": 5}))
    assert [message["class"] for message in messages[:2]] == [NOTHING, "a"]
    assert messages[0]["t_us"] == 0
    assert messages[1]["ended"] | {"confidence": 0} == {
        "class": NOTHING, "segment": 0, "since_us": 0, "decided_us": 0, "until_us": 50_000,
        "confidence": 0,
    }  # fmt: skip
    times = [message["t_us"] for message in messages[1:]]
    assert {b - a for a, b in itertools.pairwise(times[:-1])} == {100_000}
    assert times[-1] == 590_000  # the end, as it stood
    assert all(message["ended"] is None for message in messages[2:])
    assert (messages[-1]["overall"], messages[-1]["label"]) == (100, None)


def test_clear_scores_give_a_large_share_and_equal_ones_none() -> None:
    clear = told(steady(30, {"a": 90, "b": 10, "c": 5}))[-1]
    assert (clear["leading"], clear["runner_up"], clear["share"]) == ("a", "b", 100)
    assert clear["shares"] == {"a": 100, "b": 0, "c": 0}
    equal = told(steady(30, {"a": 7, "b": 7}))[-1]
    assert (equal["class"], equal["shares"], equal["margin"]) == (UNKNOWN, {"a": 50, "b": 50}, 0)
    still = told(steady(30, {"a": 90, "b": 10}, spikes=0))[-1]
    assert (still["class"], still["shares"], still["share"]) == (NOTHING, {"a": 0, "b": 0}, 0)
    assert (still["leading"], still["margin"]) == (None, None)


def test_the_margin_is_that_of_the_rule() -> None:
    # Means 30 and 20; each swings by 10 about its own: a spread of sqrt(200) = 14.1.
    pairs = itertools.islice(itertools.cycle([(20, 10), (40, 10), (20, 30), (40, 30)]), 21)
    swinging = [result(10_000 * n, {"a": a, "b": b}) for n, (a, b) in enumerate(pairs)]
    last = told(swinging, Rules(window_us=200_000, hold_us=30_000, motion_threshold=10))[-1]
    assert last["margin"] == 70
    assert last["class"] == UNKNOWN
    assert last["shares"] == {"a": 71, "b": 29}


@pytest.mark.parametrize("seed", range(5))
def test_the_shares_never_contradict_the_answer(seed: int) -> None:
    rng = random.Random(seed)
    results, t_us, favourite = [], 0, "a"
    for _ in range(1500):
        t_us += rng.choice([10_000, 10_000, 10_000, 20_000])
        if rng.random() < 0.03:
            favourite = rng.choice("abc")
        scores = {name: rng.randrange(100) + 60 * (name == favourite) for name in "abc"}
        results.append(result(t_us, scores, spikes=rng.choice([0, 2000, 2000, 2000])))
    kinds = set()
    for message in told(results, Rules(strictness=Strictness(100, 50), motion_threshold=10)):
        shares, name = message["shares"], message["class"]
        kinds.add(name)
        assert sum(shares.values()) == (0 if name == NOTHING else 100)
        if name not in (UNKNOWN, NOTHING):
            assert shares[name] == max(shares.values()) == message["share"]
            assert message["leading"] == name
            assert message["margin"] >= 50
    assert kinds == {*"abc", UNKNOWN, NOTHING}


def test_a_new_segment_is_told_of_and_bodies_without_scores_are_passed_over() -> None:
    messages = told([*steady(30, {"a": 9, "b": 1}), *steady(3, {"a": 9, "b": 1}, segment=1)])
    (begun,) = [m for m in messages if m["segment"] == 1 and m["ended"] is not None]
    assert begun["ended"]["class"] == "a"
    assert begun["class"] == NOTHING
    stream = DecisionStream(RULES)
    assert stream.take(result(0, {})) is None
    assert stream.take({**result(0, {"a": 1}), "spikes": []}) is None
    assert stream.finish() is None
