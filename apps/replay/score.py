"""Score of a replay: by result, by recording, and by labelled span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikewire.apps.terminal.accuracy import AccuracyCounter


@dataclass(slots=True)
class LabelledSpan:
    """A stretch of a recording under one label, scored as a whole.

    Attributes
    ----------
    truth
        The label.
    from_us
        Time of the first result, in the recording's own microseconds.
    results
        Number of results.
    scores
        Sum of the scores, by class.
    predicted
        Number of results, by predicted class.
    """

    truth: str
    from_us: int
    results: int = 0
    scores: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)

    @property
    def by_sum(self) -> str | None:
        """The class with the highest sum of scores; None if all sums are equal."""
        sums = list(self.scores.values())
        best = max(sums, default=0)
        if not sums or (best == min(sums) and (len(sums) > 1 or best <= 0)):
            return None
        return next(name for name, total in self.scores.items() if total == best)

    @property
    def by_vote(self) -> str | None:
        """The class predicted most often; None if there is no prediction."""
        return next((name for name, _ in self.predicted.most_common(1)), None)


@dataclass(slots=True)
class RecordingScore:
    """Score of one recording."""

    file: str
    segment: int
    counts: AccuracyCounter = field(default_factory=AccuracyCounter)
    spans: list[LabelledSpan] = field(default_factory=list)
    events: int = 0
    error: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the score as plain data."""
        record: dict[str, Any] = {
            "file": self.file, "segment": self.segment, "events": self.events,
            "results": self.counts.results,
        }  # fmt: skip
        if self.counts.labelled:
            record |= {"judged": self.counts.labelled, "accuracy": self.counts.accuracy}
            record["shown"] = [
                {
                    "truth": span.truth, "from_us": span.from_us, "results": span.results,
                    "summed": span.by_sum, "majority": span.by_vote,
                }
                for span in self.spans
            ]  # fmt: skip
        if self.error is not None:
            record["error"] = self.error
        return record


class ReplayScore:
    """Score of all results of a replay, in order.

    Attributes
    ----------
    counts
        Counts over all results.
    played
        Scores of the recordings that were begun, in order.
    """

    def __init__(self) -> None:
        self.counts = AccuracyCounter()
        self.played: list[RecordingScore] = []
        self._open: LabelledSpan | None = None

    def begin(self, file: str, segment: int) -> None:
        """Begin a recording."""
        self.played.append(RecordingScore(file, segment))
        self._open = None

    def take(self, result: Mapping[str, Any]) -> None:
        """Count one result of the recording that was begun last."""
        played = self.played[-1]
        predicted, truth = result["class"], result["truth"]
        self.counts.add(predicted, truth)
        played.counts.add(predicted, truth)
        if truth is None:
            self._open = None
            return
        if self._open is None or self._open.truth != truth:
            self._open = LabelledSpan(truth, result["t_us"])
            played.spans.append(self._open)
        self._open.results += 1
        # Adding zeros as well keeps the classes in their order.
        for name, score in result["scores"].items():
            self._open.scores[name] += score
        if predicted is not None:
            self._open.predicted[predicted] += 1

    def end(self, events: int, error: str | None) -> None:
        """End a recording."""
        self.played[-1].events = events
        self.played[-1].error = error

    @property
    def spans(self) -> Sequence[LabelledSpan]:
        """Labelled spans of all recordings, in order."""
        return [span for played in self.played for span in played.spans]

    @property
    def damaged(self) -> Sequence[RecordingScore]:
        """Recordings with an error."""
        return [played for played in self.played if played.error is not None]

    def record(self) -> dict[str, Any]:
        """Return a summary as plain data."""
        counts, spans = self.counts, self.spans
        record: dict[str, Any] = {
            "type": "summary", "results": counts.results,
            "events": sum(played.events for played in self.played),
        }  # fmt: skip
        if counts.labelled:
            record |= {
                "accuracy": counts.accuracy, "judged": counts.labelled,
                "by_class": counts.by_class(),
                "confusion": [
                    {"truth": truth, "class": predicted, "results": count}
                    for (truth, predicted), count in counts.confusion.items()
                ],
                "shown": len(spans),
                "shown_right_summed": sum(span.by_sum == span.truth for span in spans),
                "shown_right_majority": sum(span.by_vote == span.truth for span in spans),
            }  # fmt: skip
        record["recordings"] = [played.record() for played in self.played]
        return record
