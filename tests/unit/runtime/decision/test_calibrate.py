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
    known = found.calibrated(Calibration(rest_hz=7))
    assert 150 < known.enter < 400
    assert (known.keep, known.rest_hz, known.lead) == (known.enter // 3, 7, 0)
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


def shown(lead: int, other: int, seed: int, truth: str, found: MarginCalibration) -> None:
    """Show results in which ``a`` and the non-gesture lead ``b`` by these numbers."""
    told = []
    for t_us, scores, spikes, events in recording(0, seed):
        raised = {"a": scores["a"] + lead, "other_gestures": scores["other_gestures"] + other}
        told.append((t_us, {**scores, **raised}, spikes, events))
    found.take(told, truth)


def test_false_names_of_non_gestures_raise_the_margin() -> None:
    margins = []
    for falsely in (0, 6, 12):
        found = MarginCalibration(RULES)
        for seed in range(12):
            shown(700, 0, seed, "a", found)
            shown(300 if seed < falsely else 0, 0, 50 + seed, "other_gestures", found)
        margins.append(found.calibrated(Calibration()).enter)
    assert margins[0] < margins[1] <= margins[2]
    # All but a few of the false names are below it, hardly any of the right ones.
    assert 200 < margins[2] < 420


def test_a_non_gesture_that_leads_in_gestures_too_needs_a_larger_lead() -> None:
    leads = []
    for in_gestures, in_others in ((-600, 200), (200, 500)):
        found = MarginCalibration(RULES)
        for seed in range(12):
            shown(700, 700 + in_gestures, seed, "a", found)
            shown(700, 700 + in_others, 50 + seed, "other_gestures", found)
        leads.append(found.calibrated(Calibration()).lead)
    # A spread is 141: leads are some 1.4 spreads, and 3.5.
    assert 50 < leads[0] < 142 < leads[1] <= 200


def test_no_more_than_one_in_twenty_gestures_is_named_wrongly_whatever_is_gained() -> None:
    found = MarginCalibration(RULES)
    for seed in range(30):
        shown(500, 0, seed, "a", found)
    for seed in range(3):
        shown(250, 0, 100 + seed, "b", found)
    known = found.calibrated(Calibration())
    assert known.enter > 25
    rules = Rules(strictness=calibrated("normal", known), relative=True)
    assert answer_shares(recording(250, 300), "b", rules)["wrong"] < 85


def test_calibrated_margins_replace_the_usual_ones() -> None:
    known = Calibration(enter=120, keep=40)
    assert calibrated("normal", Calibration()) == calibrated("normal", None) == NORMAL
    assert (calibrated("normal", known).enter, calibrated("normal", known).keep) == (120, 40)
    assert (calibrated("strict", known).enter, calibrated("strict", known).keep) == (240, 80)
    assert (calibrated("normal", known).lead, calibrated("strict", known).lead) == (100, 0)
    known = Calibration(enter=120, keep=40, lead=30)
    assert (calibrated("normal", known).lead, calibrated("strict", known).lead) == (30, 0)
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
