"""Accuracy, confusion and latency of results."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

# Enough results for a stable percentile, few enough to follow a change within seconds.
_RECENT = 512


class AccuracyCounter:
    """Results so far: totals, confusion matrix and recent latencies.

    Attributes
    ----------
    results
        Results added.
    labelled
        Results whose true class was known.
    correct
        Labelled results that named the true class.
    predicted
        Results by predicted class.
    confusion
        Results by (truth, prediction); the prediction is None where the network named no class.
    """

    def __init__(self) -> None:
        self.results = self.labelled = self.correct = 0
        self.predicted: Counter[str] = Counter()
        self.confusion: Counter[tuple[str, str | None]] = Counter()
        self._latencies: deque[float] = deque(maxlen=_RECENT)

    def add(
        self, predicted: str | None, truth: str | None, latency_us: float | None = None
    ) -> None:
        """Count one result."""
        self.results += 1
        self.predicted.update([] if predicted is None else [predicted])
        if latency_us is not None:
            self._latencies.append(latency_us)
        if truth is not None:
            self.labelled += 1
            self.correct += predicted == truth
            self.confusion[truth, predicted] += 1

    @property
    def accuracy(self) -> float | None:
        """Share of correct results among the labelled ones; None without any."""
        return self.correct / self.labelled if self.labelled else None

    def latency_us(self, quantile: float = 0.5) -> float | None:
        """Return a quantile of the recent latencies; None without any."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    def by_class(self) -> dict[str, dict[str, Any]]:
        """Return labelled and correct results, and the commonest prediction, by true class."""
        table: dict[str, dict[str, Any]] = {}
        for truth in dict.fromkeys(truth for truth, _ in self.confusion):
            predicted = Counter({s: n for (t, s), n in self.confusion.items() if t == truth})
            table[truth] = {
                "judged": predicted.total(),
                "right": predicted[truth],
                "mostly": predicted.most_common(1)[0][0],
            }
        return table
