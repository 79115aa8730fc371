"""Calibration of the thresholds of an answer, from recordings with known classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spikewire.runtime.decision.filter import DecisionFilter
from spikewire.runtime.decision.rules import NOTHING, OTHER, Rules, Strictness

if TYPE_CHECKING:
    from spikewire.qcore import Calibration

MOST_WRONG_PERMILLE = 50
"""Share of the results that show a gesture, and name a wrong one, that calibration allows."""

FEWEST = 200
"""Fewest results with a gesture that say anything about a margin."""

_GESTURES_TO_OTHERS = 4
_LEAST, _MOST, _KEEP, _MOST_LEAD = 25, 400, 3, 200
_ALL_BUT_OTHER = Strictness(0, 0, OTHER, lead=10**9)

Told = tuple[int, dict[str, int], Sequence[int], int]
"""A result of a recording: its time in microseconds, scores, spikes and events."""

_Counts = np.ndarray[Any, np.dtype[np.int64]]


class MarginCalibration:
    """Collects how clear right and false names are, and finds thresholds to ask for.

    Parameters
    ----------
    rules
        Windows; their strictness does not count.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = replace(rules, hold_us=0, strictness=_ALL_BUT_OTHER, relative=False,
                              motion_threshold=0)  # fmt: skip
        # By margin over the next gesture, and by how far a non-gesture leads.
        self._right, self._wrong, self._false = np.zeros((3, _MOST + 1, _MOST_LEAD + 1), np.int64)
        self._gestures = self._others = 0

    def take(self, recording: Iterable[Told], truth: str) -> None:
        """Take the results of a recording of one class, which may be that of non-gestures."""
        answers = DecisionFilter(self._rules)
        for t_us, scores, spikes, events in recording:
            answers.take(0, t_us, scores, spikes, events)
            if answers.now is None or answers.now.name == NOTHING:
                continue
            if truth in OTHER:
                self._others += 1
                counts = self._false
            else:
                self._gestures += 1
                counts = self._right if answers.now.name == truth else self._wrong
            if answers.now.gesture:
                margin = min(answers.standing().margin or 0, _MOST)
                counts[margin, min(answers.other_lead(), _MOST_LEAD)] += 1

    def calibrated(self, known: Calibration) -> Calibration:
        """Return a calibration with the thresholds that were found.

        A result names a gesture where its margin reaches ``enter``, and no non-gesture leads by
        ``lead``. Among the pairs that name a wrong gesture in at most 5 % of the results that show
        one, the pair is taken with the most right names less wrong names and false names. A false
        name is any that a non-gesture is given. Non-gestures count as if they were shown for a
        quarter of the time of gestures. Of equals the least margin is taken, then the largest lead.
        The margin to stay named is a third of it. Without recordings of non-gestures the lead stays
        as it is.

        Parameters
        ----------
        known
            The calibration so far, which is returned for want of results.
        """
        if self._gestures < FEWEST:
            return known
        right, wrong, false = (_named(counts) for counts in (self._right, self._wrong, self._false))
        # In parts of one over the product of both totals and the weight, so that all stay whole.
        gain = (right - wrong) * (_GESTURES_TO_OTHERS * max(self._others, 1))
        gain -= false * self._gestures
        # Where nothing else does, the fewest wrong names are the best.
        allowed = wrong <= max(
            self._gestures * MOST_WRONG_PERMILLE // 1000, int(wrong[:, 1:].min())
        )
        gain = np.where(allowed, gain, np.iinfo(np.int64).min)[_LEAST:, :0:-1]
        gain = gain if self._others else gain[:, :1]
        place, column = divmod(int(gain.argmax()), gain.shape[1])
        enter, lead = _LEAST + place, _MOST_LEAD - column
        return replace(
            known, enter=enter, keep=enter // _KEEP, lead=lead if self._others else known.lead
        )


def _named(counts: _Counts) -> _Counts:
    """Return how many results have at least this margin and less than this lead."""
    named = np.zeros_like(counts)
    named[:, 1:] = counts[::-1].cumsum(0)[::-1].cumsum(1)[:, :-1]
    return named


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
