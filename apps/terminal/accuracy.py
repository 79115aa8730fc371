"""Counting how often the network was right, and how late."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

# Enough results for a stable percentile, few enough to follow a change within seconds.
_RECENT = 512


class Tally:
    """Results so far: how many, how many right, which classes were taken for which.

    Attributes
    ----------
    results : results added.
    judged : those whose true class was known.
    right : those of them that named it.
    said : class -> results that named it.
    confusion : (truth, said) -> count; said is None where the network named no class.
    """

    def __init__(self) -> None:
        self.results = self.judged = self.right = 0
        self.said: Counter[str] = Counter()
        self.confusion: Counter[tuple[str, str | None]] = Counter()
        self._latencies: deque[float] = deque(maxlen=_RECENT)

    def add(self, said: str | None, truth: str | None, latency_us: float | None = None) -> None:
        """Count one result."""
        self.results += 1
        self.said.update([] if said is None else [said])
        if latency_us is not None:
            self._latencies.append(latency_us)
        if truth is not None:
            self.judged += 1
            self.right += said == truth
            self.confusion[truth, said] += 1

    @property
    def accuracy(self) -> float | None:
        """The share of judged results that were right; None before there are any."""
        return self.right / self.judged if self.judged else None

    def latency_us(self, quantile: float = 0.5) -> float | None:
        """A quantile of the recent latencies; None before there are any."""
        if not self._latencies:
            return None
        ordered = sorted(self._latencies)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    def by_class(self) -> dict[str, dict[str, Any]]:
        """For each true class: results judged, results right, and the class named most often."""
        table: dict[str, dict[str, Any]] = {}
        for truth in dict.fromkeys(truth for truth, _ in self.confusion):
            said = Counter({s: n for (t, s), n in self.confusion.items() if t == truth})
            table[truth] = {
                "judged": said.total(),
                "right": said[truth],
                "mostly": said.most_common(1)[0][0],
            }
        return table
