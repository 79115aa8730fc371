"""Stillness relative to the rates of a camera."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from spikewire.runtime.decision.filter import DecisionFilter
from spikewire.runtime.decision.rules import NOTHING, Rules
from spikewire.runtime.decision.stillness import FIRST_LIVELY_HZ, FIRST_REST_HZ, Stillness

RULES = Rules(relative=True, motion_threshold=10**9)


def answers(kilohertz: Sequence[float], rules: Rules = RULES) -> list[str]:
    """Answers to half a second of each rate, with a clear winner throughout."""
    found, t_us = DecisionFilter(rules), 0
    told = []
    for rate in kilohertz:
        for _ in range(50):
            t_us += 10_000
            found.take(0, t_us, {"a": 90, "b": 0}, [0], round(10 * rate))
        assert found.now is not None
        told.append(found.now.name)
    return told


@pytest.mark.parametrize("camera", [0.05, 0.1, 1.0, 10.0])
def test_movement_is_never_nothing_and_rest_is_at_every_sensitivity(camera: float) -> None:
    scene = [100, 120, 60, 100, 4, 3, 4, 90, 30, 110, 5, 4, 4, 25, 100]
    moving = [rate > 20 for rate in scene]
    told = answers([camera * rate for rate in scene])
    assert [name != NOTHING for name in told] == moving


def test_a_long_gesture_stays_one() -> None:
    told = answers([80, *([60, 90, 40, 100] * 60), 3])
    assert set(told[:-1]) == {"a"}
    assert told[-1] == NOTHING


def test_rates_that_are_kept_tell_a_still_person_at_once() -> None:
    learned = Rules(relative=True, rest_hz=4_000, lively_hz=90_000)
    assert answers([5, 5], learned) == [NOTHING, NOTHING]
    assert answers([5, 5]) == ["a", "a"]  # an unknown camera might be an insensitive one
    found = DecisionFilter(learned)
    assert found.rates == (4_000, 90_000)


def test_a_camera_that_became_less_sensitive_is_heard_again() -> None:
    rates = Stillness(4_000, 90_000)
    for _ in range(60 * 100):
        rates.learn(300, 10_000)
    assert rates.threshold_hz < 8_000
    for _ in range(240 * 100):
        rates.learn(300, 10_000)
    assert rates.threshold_hz < 2_000


def test_rates_stay_whole_and_apart() -> None:
    rates = Stillness()
    assert (rates.rest_hz, rates.lively_hz) == (FIRST_REST_HZ, FIRST_LIVELY_HZ)
    for rate in (0, 10**9, 0, 3, 10**6, 1, 50_000):
        for covers in (0, 1, 10_000, 10**9):
            rates.learn(rate, covers)
            assert 0 < 12 * rates.rest_hz <= rates.lively_hz < 24 * (rates.rest_hz + 1)


def test_without_counts_of_events_spikes_tell() -> None:
    found = DecisionFilter(Rules(relative=True, motion_threshold=10))
    for n in range(1, 60):
        found.take(0, 10_000 * n, {"a": 90, "b": 0}, [200])
    assert found.now is not None
    assert found.now.name == "a"
