"""Accuracy, stability and delay of decisions, over streams with known labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikewire.apps.bench.decision.streams import Result
from spikewire.runtime import NOTHING, OTHER, UNKNOWN, DecisionFilter, Rules

# The hands take 0.4 s to a gesture, and a gesture's cycle lasts up to a second.
SETTLED_US = 1_000_000
_ANSWERS = ("right", "wrong", "unknown", "nothing")


@dataclass(slots=True)
class Measured:
    """Counts over all streams.

    Attributes
    ----------
    time
        Number of results by kind of label and answer. The kinds are ``gesture``, ``settled`` (the
        same from a second after its onset), ``other`` and ``pause``.
    by_class
        Number of results by class shown and answer.
    waits_us
        Time from each gesture's onset to its first correct answer.
    missed
        Number of gestures without a correct answer.
    changes
        Number of changes of the answer.
    span_us
        Length of the streams.
    """

    time: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_class: Counter[tuple[str, str]] = field(default_factory=Counter)
    waits_us: list[int] = field(default_factory=list)
    missed: int = 0
    changes: int = 0
    span_us: int = 0

    def shares(self, label: str) -> dict[str, float]:
        """Return the share of time of each answer, for one kind of label."""
        return _shares(self.time, label)

    def record(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        waits = sorted(self.waits_us)
        return {
            **{label: self.shares(label) for label in ("gesture", "settled", "other", "pause")},
            "by_class": {
                name: _shares(self.by_class, name)
                for name in dict.fromkeys(truth for truth, _ in self.by_class)
            },
            "changes_per_s": round(1e6 * self.changes / max(self.span_us, 1), 3),
            "wait_s": {
                name: round(waits[min(int(q * len(waits)), len(waits) - 1)] / 1e6, 3)
                if waits
                else None
                for name, q in (("median", 0.5), ("p90", 0.9))
            },
            "gestures": len(waits) + self.missed,
            "missed": self.missed,
        }


def _shares(counts: Counter[tuple[str, str]], label: str) -> dict[str, float]:
    total = sum(counts[label, answer] for answer in _ANSWERS)
    return {answer: round(counts[label, answer] / max(total, 1), 4) for answer in _ANSWERS}


def measure(streams: Iterable[Sequence[Result]], rules: Rules) -> Measured:
    """Decide over streams, and compare with the labels."""
    out = Measured()
    for stream in streams:
        _add(out, stream, rules)
    return out


def _add(out: Measured, stream: Sequence[Result], rules: Rules) -> None:
    decision_filter = DecisionFilter(rules)
    truth: str | None = None
    segment, onset_us, before_us, waiting = -1, 0, 0, False
    predicted_before = None
    for result in stream:
        fresh = result.segment != segment
        if fresh or result.truth != truth:
            out.missed += waiting
            onset_us = result.t_us if fresh else before_us
            segment, truth = result.segment, result.truth
            waiting = truth is not None and truth not in OTHER
        if not fresh:
            out.span_us += result.t_us - before_us
        before_us = result.t_us
        decision_filter.take(
            result.segment, result.t_us, result.scores, result.spikes, result.events
        )
        assert decision_filter.now is not None
        predicted = decision_filter.now.name
        out.changes += predicted_before not in (None, predicted) and not fresh
        predicted_before = predicted
        if waiting and predicted == truth:
            out.waits_us.append(result.t_us - onset_us)
            waiting = False
        answer = "right" if predicted == truth else "wrong"
        if predicted in (UNKNOWN, NOTHING):
            answer = predicted
        label = "pause" if truth is None else "other" if truth in OTHER else "gesture"
        out.time[label, answer] += 1
        if truth is not None:
            out.by_class[truth, answer] += 1
        if label == "gesture" and result.t_us - onset_us > SETTLED_US:
            out.time["settled", answer] += 1
    out.missed += waiting


def answers(stream: Sequence[Result], rules: Rules, skip_us: int = 0) -> dict[str, float]:
    """Return shares of time of ``named``, ``unknown`` and ``nothing`` after ``skip_us``."""
    decision_filter = DecisionFilter(rules)
    counts: Counter[str] = Counter()
    for result in stream:
        decision_filter.take(
            result.segment, result.t_us, result.scores, result.spikes, result.events
        )
        assert decision_filter.now is not None
        if result.t_us - stream[0].t_us >= skip_us:
            counts["named" if decision_filter.now.gesture else decision_filter.now.name] += 1
    total = max(counts.total(), 1)
    return {name: round(counts[name] / total, 4) for name in ("named", UNKNOWN, NOTHING)}
