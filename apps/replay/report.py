"""Report of a replay as text."""

from __future__ import annotations

import os
from collections import Counter

from rich.console import Console
from rich.table import Table

from spikewire.apps.replay.confusion_plot import Panel
from spikewire.apps.replay.score import ReplayScore
from spikewire.apps.terminal.scene import share

# More rows than a screen has are for --json and --out.
_MOST_ROWS = 40


def print_report(out: Console, score: ReplayScore, *, interrupted: bool, retries: int) -> None:
    """Print the tables and the totals."""
    counts, spans = score.counts, score.spans
    by_class = counts.by_class()
    if by_class:
        table = Table("class", "results", "right", "mostly taken for")
        for name, row in by_class.items():
            right = share(row["right"], row["judged"])
            table.add_row(name, str(row["judged"]), right, row["mostly"] or "nothing")
        out.print(table)
    if 1 < len(score.played) <= _MOST_ROWS:
        out.print(_recordings(score))
    events = sum(played.events for played in score.played)
    right = f", {share(counts.correct, counts.labelled)} right" if counts.labelled else ""
    several = f"{len(score.played)} recordings, " if len(score.played) > 1 else ""
    out.print(f"{several}{events:,} events, {counts.results:,} results{right}")
    if counts.labelled:
        summed = sum(span.by_sum == span.truth for span in spans)
        majority = sum(span.by_vote == span.truth for span in spans)
        out.print(
            f"as a whole: {summed} of {len(spans)} right by summed scores "
            f"({share(summed, len(spans))}), {majority} by most results "
            f"({share(majority, len(spans))})"
        )
    else:
        predicted = ", ".join(f"{name} {count}" for name, count in counts.predicted.most_common())
        out.print(f"recognised: {predicted or 'nothing'}", markup=False)
    if score.damaged:
        out.print(f"{len(score.damaged)} of {len(score.played)} could not be read to the end")
    if retries:
        out.print(f"{retries} begun again after a lost worker")
    if interrupted:
        out.print("this is what there was when it was interrupted")


def _recordings(score: ReplayScore) -> Table:
    table = Table("recording", "results", "right", "shown", "recognised, by summed scores")
    for column in table.columns[1:3]:
        column.justify = "right"
    top = os.path.commonpath([os.path.dirname(played.file) for played in score.played])
    for played in score.played:
        counts = played.counts
        truths = dict.fromkeys(span.truth for span in played.spans)
        predicted = dict.fromkeys(span.by_sum or "nothing" for span in played.spans)
        if not truths:
            predicted = dict.fromkeys(
                [name for name, _ in counts.predicted.most_common(1)] or ["nothing"]
            )
        table.add_row(
            _short(played.file, top), str(counts.results), share(counts.correct, counts.labelled),
            _few(truths), _few(predicted) + (" (damaged)" if played.error else ""),
        )  # fmt: skip
    return table


def _short(file: str, top: str) -> str:
    return os.path.relpath(file, top or ".")


def _few(names: dict[str, None]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{len(names)} classes"


def panels(score: ReplayScore) -> list[Panel]:
    """Return the confusion matrices to draw: by result, and by span if there are several."""
    drawn = [Panel("results", score.counts.confusion)]
    spans = score.spans
    if len(spans) > 1:
        drawn.append(Panel("as a whole", Counter((span.truth, span.by_sum) for span in spans)))
    return drawn
