"""Calibrated margins, and answers counted over recordings."""

from __future__ import annotations

import numpy as np

from spikewire.qcore import Calibration
from spikewire.runtime import MarginCalibration, Rules, answer_shares
from spikewire.runtime.decision.calibrate import Told
from spikewire.runtime.decision.rules import NORMAL, STRICTNESS, calibrated

RULES = Rules(relative=True)
GESTURES = ("a", "b", "other_gestures")


def recording(lead: int, seed: int = 0, name: str = "a", ticks: int = 100) -> list[Told]:
    """Results in which one class leads by so much, with noise of 100."""
    rng = np.random.default_rng(seed)
    told = []
    for n in range(ticks):
        level = {one: int(rng.normal(lead * (one == name), 100)) for one in GESTURES}
        told.append((10_000 * (n + 1), level, [0], 1_000))
    return told


def test_the_margin_lets_one_wrong_result_in_twenty_pass() -> None:
    found = MarginCalibration(RULES)
    for seed in range(20):
        found.take(recording(600, seed), "a")
        found.take(recording(300, 100 + seed, "b"), "a")  # wrong, by some two spreads
        found.take(recording(900, seed, "b"), "other_gestures")  # of no account
    known = found.calibrated(Calibration(rest_hz=7))
    assert 150 < known.enter < 400
    assert (known.keep, known.rest_hz) == (known.enter // 3, 7)
    rules = Rules(strictness=calibrated("normal", known), relative=True)
    told = [answer_shares(recording(300, 500 + n, "b"), "a", rules) for n in range(10)]
    assert sum(one["wrong"] for one in told) < 0.25 * sum(sum(one.values()) for one in told)
    assert answer_shares(recording(900), "a", rules)["named"] > 60


def test_a_right_network_needs_little_and_few_results_say_nothing() -> None:
    found = MarginCalibration(RULES)
    found.take(recording(600), "a")
    assert found.calibrated(Calibration()) == Calibration()
    for seed in range(9):
        found.take(recording(600, seed), "a")
    assert found.calibrated(Calibration()).enter == 25


def test_calibrated_margins_replace_the_usual_ones() -> None:
    known = Calibration(enter=120, keep=40)
    assert calibrated("normal", Calibration()) == calibrated("normal", None) == NORMAL
    assert (calibrated("normal", known).enter, calibrated("normal", known).keep) == (120, 40)
    assert (calibrated("strict", known).enter, calibrated("strict", known).keep) == (240, 80)
    assert calibrated("off", known) == STRICTNESS["off"]


def test_other_gestures_take_the_answer_by_a_clear_lead_only() -> None:
    def shares(ahead: int) -> dict[str, int]:
        told = [
            (t, {**scores, "a": scores["a"] + 900, "other_gestures": scores["a"] + 900 + ahead},
             spikes, events)
            for t, scores, spikes, events in recording(0)
        ]  # fmt: skip
        return answer_shares(told, "a", Rules(relative=True))

    assert shares(60)["named"] > 60
    assert shares(600)["unknown"] > 60
