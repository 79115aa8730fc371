"""How right a replay was: by result, by recording, and by what was shown in one go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikewire.apps.terminal.accuracy import Tally


@dataclass(slots=True)
class Showing:
    """A stretch of a recording under one label, judged as a whole.

    Attributes
    ----------
    truth
        What was shown.
    from_us
        Time of its first result, in the recording's own microseconds.
    results
        How many there were.
    scores
        Scores by class, summed over the results.
    said
        Results by the class that they named.
    """

    truth: str
    from_us: int
    results: int = 0
    scores: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)

    @property
    def summed(self) -> str | None:
        """The class with the highest sum, the first of equals; None where all are the same."""
        sums = list(self.scores.values())
        best = max(sums, default=0)
        if not sums or (best == min(sums) and (len(sums) > 1 or best <= 0)):
            return None
        return next(name for name, total in self.scores.items() if total == best)

    @property
    def majority(self) -> str | None:
        """The class named most often, the first named of equals; None where none was."""
        return next((name for name, _ in self.said.most_common(1)), None)


@dataclass(slots=True)
class Played:
    """One recording's part in a replay."""

    file: str
    segment: int
    tally: Tally = field(default_factory=Tally)
    showings: list[Showing] = field(default_factory=list)
    events: int = 0
    error: str | None = None

    def record(self) -> dict[str, Any]:
        """All of it as plain data."""
        told: dict[str, Any] = {
            "file": self.file, "segment": self.segment, "events": self.events,
            "results": self.tally.results,
        }  # fmt: skip
        if self.tally.judged:
            told |= {"judged": self.tally.judged, "accuracy": self.tally.accuracy}
            told["shown"] = [
                {
                    "truth": one.truth, "from_us": one.from_us, "results": one.results,
                    "summed": one.summed, "majority": one.majority,
                }
                for one in self.showings
            ]  # fmt: skip
        if self.error is not None:
            told["error"] = self.error
        return told


class Account:
    """Takes results of recordings, in order, and counts.

    Attributes
    ----------
    tally
        Over all results.
    played
        Recordings that gave a result or came to an end, in order.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.played: list[Played] = []
        self._open: Showing | None = None

    def begin(self, file: str, segment: int) -> None:
        """Begin a recording."""
        self.played.append(Played(file, segment))
        self._open = None

    def take(self, result: Mapping[str, Any]) -> None:
        """Count one result of the recording that was begun last."""
        played = self.played[-1]
        said, truth = result["class"], result["truth"]
        self.tally.add(said, truth)
        played.tally.add(said, truth)
        if truth is None:
            self._open = None
            return
        if self._open is None or self._open.truth != truth:
            self._open = Showing(truth, result["t_us"])
            played.showings.append(self._open)
        self._open.results += 1
        # Adding zeros as well keeps the classes in their order.
        for name, score in result["scores"].items():
            self._open.scores[name] += score
        if said is not None:
            self._open.said[said] += 1

    def end(self, events: int, error: str | None) -> None:
        """End a recording."""
        self.played[-1].events = events
        self.played[-1].error = error

    @property
    def showings(self) -> Sequence[Showing]:
        """Everything that was shown under a label, in order."""
        return [one for played in self.played for one in played.showings]

    @property
    def damaged(self) -> Sequence[Played]:
        """Recordings with which something is wrong."""
        return [one for one in self.played if one.error is not None]

    def record(self) -> dict[str, Any]:
        """A summary as plain data."""
        tally, shown = self.tally, self.showings
        told: dict[str, Any] = {
            "type": "summary", "results": tally.results,
            "events": sum(one.events for one in self.played),
        }  # fmt: skip
        if tally.judged:
            told |= {
                "accuracy": tally.accuracy, "judged": tally.judged, "by_class": tally.by_class(),
                "confusion": [
                    {"truth": truth, "class": said, "results": count}
                    for (truth, said), count in tally.confusion.items()
                ],
                "shown": len(shown),
                "shown_right_summed": sum(one.summed == one.truth for one in shown),
                "shown_right_majority": sum(one.majority == one.truth for one in shown),
            }  # fmt: skip
        told["recordings"] = [one.record() for one in self.played]
        return told
