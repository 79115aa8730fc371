"""Calibration of the margin: how clear an answer has to be, from recordings with known classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from spikewire.runtime.decision.filter import DecisionFilter
from spikewire.runtime.decision.rules import NOTHING, OTHER, Rules, Strictness

if TYPE_CHECKING:
    from spikewire.qcore import Calibration

MOST_WRONG_PERMILLE = 50
"""Share of the results that show a gesture, and name a wrong one, that calibration allows."""

FEWEST = 200
"""Fewest results with a gesture that say anything about a margin."""

_LEAST, _MOST, _KEEP = 25, 400, 3
_ALL_BUT_OTHER = Strictness(0, 0, OTHER, lead=10**9)

Told = tuple[int, dict[str, int], Sequence[int], int]
"""A result of a recording: its time in microseconds, scores, spikes and events."""


class MarginCalibration:
    """Collects margins of right and of wrong answers, and finds the least margin to ask for.

    Parameters
    ----------
    rules
        Windows; their strictness does not count.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = replace(rules, hold_us=0, strictness=_ALL_BUT_OTHER, relative=False,
                              motion_threshold=0)  # fmt: skip
        self._wrong: list[int] = []
        self._shown = 0

    def take(self, recording: Iterable[Told], truth: str) -> None:
        """Take the results of a recording of one class; those of non-gestures do not count."""
        if truth in OTHER:
            return
        answers = DecisionFilter(self._rules)
        for t_us, scores, spikes, events in recording:
            answers.take(0, t_us, scores, spikes, events)
            if answers.now is None or answers.now.name == NOTHING:
                continue
            self._shown += 1
            standing = answers.standing()
            if answers.now.gesture and answers.now.name != truth:
                self._wrong.append(standing.margin or 0)

    def calibrated(self, known: Calibration) -> Calibration:
        """Return a calibration with the margins that were found, or as it was for want of results.

        The margin to be named is the least at which at most 5 % of the results name a wrong
        gesture. The margin to stay named is a third of it.
        """
        if self._shown < FEWEST:
            return known
        allowed = self._shown * MOST_WRONG_PERMILLE // 1000
        clearest = sorted(self._wrong, reverse=True)
        enter = clearest[allowed] + 1 if len(clearest) > allowed else 0
        enter = min(max(enter, _LEAST), _MOST)
        return replace(known, enter=enter, keep=enter // _KEEP)


def answer_shares(recording: Iterable[Told], truth: str, rules: Rules) -> dict[str, int]:
    """Count the answers to a recording of one class, from half a window on.

    Parameters
    ----------
    recording
        Its results.
    truth
        Its class.
    rules
        Rules of decision.

    Returns
    -------
    dict
        Results with the right class (``named``), with another one (``wrong``), ``unknown`` and
        ``nothing``.
    """
    answers = DecisionFilter(rules)
    counts = {"named": 0, "wrong": 0, "unknown": 0, "nothing": 0}
    first = None
    for t_us, scores, spikes, events in recording:
        answers.take(0, t_us, scores, spikes, events)
        first = t_us if first is None else first
        if answers.now is None or t_us - first < rules.window_us // 2 + rules.hold_us:
            continue
        name = answers.now.name
        gesture = "named" if name == truth else "wrong"
        counts[gesture if answers.now.gesture else name] += 1
    return counts
