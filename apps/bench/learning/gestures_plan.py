"""Plan of the gesture benchmark: lessons, questions and their evaluation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CLIPS = ("class_01", "class_03", "class_05", "class_07", "class_09")
LESSON_END_US = 750_000
CLIP_END_US = 1_450_000


@dataclass(frozen=True, slots=True)
class Lesson:
    """Excerpt of a clip, and its label; None without a lesson."""

    clip: str
    label: str | None
    start_us: int
    stop_us: int


def lessons(rounds: int, *, shuffle: bool, seed: int) -> list[list[Lesson]]:
    """Return the beginning of every clip, once per round, in a fixed order.

    With `shuffle` no clip has its own label in any round, so that correct answers afterwards cannot
    come from the labels.
    """
    generator = random.Random(seed)
    return [
        [
            Lesson(clip, label, 0, LESSON_END_US)
            for clip, label in zip(CLIPS, _labels(generator) if shuffle else CLIPS, strict=True)
        ]
        for _ in range(rounds)
    ]


def questions() -> list[Lesson]:
    """Return the rest of every clip, unseen so far and without a label."""
    return [Lesson(clip, None, LESSON_END_US, CLIP_END_US) for clip in CLIPS]


def _labels(generator: random.Random) -> list[str]:
    while True:
        labels = list(CLIPS)
        generator.shuffle(labels)
        if all(label != clip for label, clip in zip(labels, CLIPS, strict=True)):
            return labels


@dataclass(frozen=True, slots=True)
class Verdict:
    """Results of one unseen excerpt."""

    clip: str
    received: str | None
    share: float
    results: int

    @property
    def correct(self) -> bool:
        """Whether the most frequent class is the clip's own."""
        return self.received == self.clip

    def record(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {
            "clip": self.clip,
            "received": self.received,
            "right": self.correct,
            "share": round(self.share, 3),
            "results": self.results,
        }


def evaluate_segment(clip: str, segment: int, results: Iterable[Mapping[str, Any]]) -> Verdict:
    """Evaluate the results of one segment by their most frequent class.

    An excerpt without results, or whose results name no class, is answered with None.
    """
    predicted = [result["class"] for result in results if result["segment"] == segment]
    named = Counter(name for name in predicted if name is not None)
    if not named:
        return Verdict(clip, None, 0.0, len(predicted))
    best, count = named.most_common(1)[0]
    return Verdict(clip, best, count / len(predicted), len(predicted))


def count_correct(verdicts: Sequence[Verdict]) -> int:
    """Count the excerpts with a correct answer."""
    return sum(verdict.correct for verdict in verdicts)
