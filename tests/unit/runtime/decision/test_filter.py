"""Decisions against a plain twin, and what they may never do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.runtime.decision.filter import Decision, DecisionFilter
from spikewire.runtime.decision.rules import NORMAL, NOTHING, OFF, UNKNOWN, Rules, Strictness

RULES = Rules(
    window_us=100_000, hold_us=30_000, motion_threshold=10, motion_window_us=50_000, gap_us=80_000
)
BUSY, QUIET = 200, 0


@dataclass(frozen=True)
class Told:
    """A result as the decision_filter takes it."""

    t_us: int
    scores: tuple[int, ...]
    spikes: int = BUSY
    segment: int = 0


def decide(told: Sequence[Told], rules: Rules = RULES) -> list[Decision]:
    """Every decision of a stream, closed."""
    decision_filter, found = DecisionFilter(rules), []
    for one in told:
        ended = decision_filter.take(
            one.segment, one.t_us, dict(zip("abc", one.scores, strict=False)), [one.spikes]
        )
        found += [] if ended is None else [ended]
    last = decision_filter.end()
    return found + ([] if last is None else [last])


def steps(
    *parts: tuple[int, tuple[int, ...]], spikes: int = BUSY, since: int = 10_000
) -> list[Told]:
    """Results every 10 ms: so many with these scores, then so many with those."""
    told, t = [], since
    for count, scores in parts:
        for _ in range(count):
            told.append(Told(t, scores, spikes))
            t += 10_000
    return told


def twin(told: Sequence[Told], rules: Rules) -> list[str]:
    """The answer after each result, from the definitions, over lists."""
    said: list[str] = []
    start = 0
    now, rival, rival_us, moving = NOTHING, None, 0, False
    for i, one in enumerate(told):
        before = told[i - 1] if i else None
        if before is None or before.segment != one.segment or not (
            0 < one.t_us - before.t_us <= rules.gap_us
        ):  # fmt: skip
            start, now, rival, moving = i, NOTHING, None, False
        recent = [r for r in told[start : i + 1] if r.t_us > one.t_us - rules.window_us] or [one]
        heard = [
            (told[k].spikes, told[k].t_us - told[k - 1].t_us)
            for k in range(start + 1, i + 1)
            if told[k].t_us > one.t_us - rules.motion_window_us or k == i
        ]
        per_ms = 1000 * sum(s for s, _ in heard) / sum(d for _, d in heard) if heard else -1
        moving = per_ms >= (rules.motion_threshold * 9 // 10 if moving else rules.motion_threshold)
        n = len(recent)
        means = [Fraction(sum(r.scores[c] for r in recent), n) for c in range(len(one.scores))]
        squares = [Fraction(sum(r.scores[c] ** 2 for r in recent), n) for c in range(len(means))]
        variances = [square - mean**2 for square, mean in zip(squares, means, strict=True)]
        # Non-gestures are no rivals: they decide only where they lead the best gesture enough.
        gestures = [c for c in range(len(means)) if "abc"[c] not in rules.strictness.other]
        a, b = sorted(gestures, key=lambda c: -means[c])[:2]
        lead, name = means[a] - means[b], "abc"[a]
        clear = rules.strictness.keep if name == now else rules.strictness.enter
        swallowed = any(
            means[c] > means[a]
            and (100 * (means[c] - means[a])) ** 2
            >= rules.strictness.lead**2 * (variances[c] + variances[a])
            for c in set(range(len(means))) - set(gestures)
        )
        if not moving or 2 * (one.t_us - told[start].t_us) < rules.window_us:
            wanted = NOTHING
        elif swallowed or lead == 0 or (100 * lead) ** 2 < clear**2 * (variances[a] + variances[b]):
            wanted = UNKNOWN
        else:
            wanted = name
        if wanted == now:
            rival = None
        elif wanted != rival:
            rival, rival_us = wanted, one.t_us
        if rival is not None and one.t_us - rival_us >= rules.hold_us:
            now, rival = rival, None
        said.append(now)
    return said


def test_a_clear_gesture_by_hand() -> None:
    # Results at 10, 20, ... ms. Half a window is over at 60 ms, held until 90; from 210 ms c is up.
    # With k of ten results for c, the lead is 100 - 20 k and the spread 100 sqrt(2 k/10 (1-k/10)):
    # of that a's 20 is less than half at k = 4, and c's 80 more than one and a half at k = 9.
    told = steps((20, (100, 0, 0)), (20, (0, 0, 100)))
    found = decide(told)
    assert [(d.name, d.since_us, d.until_us) for d in found] == [
        (NOTHING, 10_000, 60_000),
        ("a", 60_000, 240_000),
        (UNKNOWN, 240_000, 290_000),
        ("c", 290_000, 400_000),
    ]
    assert [d.decided_us for d in found] == [10_000, 90_000, 270_000, 320_000]
    assert [d.confidence for d in found if d.gesture] == [83, 100]


def test_quiet_is_nothing_and_motion_comes_back_higher_than_it_goes() -> None:
    told = steps((20, (100, 0, 0)))
    # 95 spikes in 10 ms are 9.5 per ms: enough to go on, not enough to begin.
    enough = [Told(t, (100, 0, 0), 95) for t in range(210_000, 400_000, 10_000)]
    assert decide([*told, *enough])[-1].name == "a"
    assert [d.name for d in decide([Told(r.t_us, r.scores, 95) for r in told])] == [NOTHING]
    quiet = [Told(t, (100, 0, 0), QUIET) for t in range(210_000, 400_000, 10_000)]
    found = decide([*told, *quiet])
    assert [d.name for d in found] == [NOTHING, "a", NOTHING]
    assert found[-1].confidence == 100


def test_one_result_more_or_less_does_not_flicker() -> None:
    told = steps((20, (100, 0, 0)), (2, (0, 100, 0)), (20, (100, 0, 0)))
    assert [d.name for d in decide(told)] == [NOTHING, "a"]
    raw = Rules(window_us=0, hold_us=0, strictness=OFF, motion_threshold=0)
    assert [d.name for d in decide(told, raw)] == [NOTHING, "a", "b", "a"]


def test_the_class_of_other_gestures_is_unknown() -> None:
    rules = Rules(100_000, 30_000, Strictness(150, 50, frozenset("b")), 10, 50_000, 80_000)
    told = steps((20, (0, 100, 0)))
    assert [d.name for d in decide(told, rules)] == [NOTHING, UNKNOWN]
    assert NORMAL.other == {"other_gestures"}
    assert not OFF.other


def test_a_gap_is_nothing_and_a_segment_begins_anew() -> None:
    first = steps((20, (100, 0, 0)))
    later = steps((20, (100, 0, 0)), since=1_000_000)
    found = decide([*first, *later])
    assert [(d.name, d.since_us, d.until_us) for d in found] == [
        (NOTHING, 10_000, 60_000),
        ("a", 60_000, 200_000),
        (NOTHING, 200_000, 1_050_000),
        ("a", 1_050_000, 1_190_000),
    ]
    again = [Told(r.t_us, r.scores, r.spikes, segment=1) for r in first]
    found = decide([*first, *again])
    assert [(d.name, d.segment) for d in found] == [(NOTHING, 0), ("a", 0), (NOTHING, 1), ("a", 1)]
    assert found[1].until_us == 200_000
    assert found[2].since_us == 10_000


def test_a_class_that_is_added_begins_anew() -> None:
    decision_filter = DecisionFilter(RULES)
    for one in steps((20, (100, 0))):
        decision_filter.take(0, one.t_us, {"a": 100, "b": 0}, [BUSY])
    ended = decision_filter.take(0, 210_000, {"a": 100, "b": 0, "c": 0}, [BUSY])
    assert ended is not None
    assert (ended.name, ended.until_us) == ("a", 200_000)
    assert decision_filter.now is not None
    assert decision_filter.now.name == NOTHING


def test_a_single_class_is_decided_against_zero() -> None:
    assert [d.name for d in decide(steps((20, (100,))))] == [NOTHING, "a"]
    assert [d.name for d in decide(steps((20, (-100,))))] == [NOTHING, UNKNOWN]


def test_before_anything_came() -> None:
    assert DecisionFilter().end() is None
    assert DecisionFilter().now is None


_SCORE = st.integers(-300_000, 300_000)


@st.composite
def streams(draw: st.DrawFn) -> list[Told]:
    """A few classes that take turns, with noise, gaps, quiet stretches and segments."""
    told, t, segment = [], draw(st.integers(0, 10**15)), 0
    for _ in range(draw(st.integers(1, 5))):
        level = [draw(_SCORE) for _ in range(3)]
        loud = draw(st.sampled_from([0, 80, 95, 105, 200]))
        noise = draw(st.integers(0, 100_000))
        for _ in range(draw(st.integers(1, 25))):
            t += draw(st.sampled_from([10_000, 10_000, 10_000, 20_000, 90_000]))
            jitter = [draw(st.integers(-noise, noise)) for _ in range(3)]
            scores = tuple(a + b for a, b in zip(level, jitter, strict=True))
            told.append(Told(t, scores, loud, segment))
        if draw(st.booleans()):
            segment, t = segment + 1, draw(st.integers(0, 10**9))
    return told


_RULES = st.builds(
    Rules,
    window_us=st.sampled_from([0, 50_000, 100_000]),
    hold_us=st.sampled_from([0, 30_000]),
    strictness=st.sampled_from([OFF, NORMAL, Strictness(300, 150, frozenset("c"), lead=100)]),
    motion_threshold=st.just(10),
    motion_window_us=st.just(50_000),
    gap_us=st.just(80_000),
)


@settings(max_examples=40, deadline=None)
@given(streams(), _RULES)
def test_it_is_its_plain_twin(told: list[Told], rules: Rules) -> None:
    decision_filter = DecisionFilter(rules)
    said = []
    for one in told:
        decision_filter.take(
            one.segment, one.t_us, dict(zip("abc", one.scores, strict=True)), [one.spikes]
        )
        assert decision_filter.now is not None
        said.append(decision_filter.now.name)
    assert said == twin(told, rules)


@settings(max_examples=40, deadline=None)
@given(streams(), _RULES)
def test_what_it_says_of_a_stream_is_whole(told: list[Told], rules: Rules) -> None:
    found = decide(told, rules)
    assert all(0 <= d.confidence <= 100 for d in found)
    for before, after in itertools.pairwise(found):
        assert before.until_us is not None
        assert before.until_us >= before.since_us
        if before.segment == after.segment:
            assert before.until_us == after.since_us
            # One answer after itself only where something began anew: with nothing in between.
            assert before.name != after.name or before.name == NOTHING
        else:
            assert after.name == NOTHING


@settings(max_examples=40, deadline=None)
@given(streams(), st.integers(1, 100))
def test_nothing_is_decided_between_equals(told: list[Told], level: int) -> None:
    # Whatever the rest: two classes with the same scores are never told apart.
    equal = [
        Told(r.t_us, (r.scores[0], r.scores[0], -(10**6) - level), r.spikes, r.segment)
        for r in told
    ]
    for strictness in (OFF, NORMAL):
        rules = Rules(100_000, 0, strictness, 0, 50_000, 80_000)
        assert not any(d.gesture for d in decide(equal, rules))
