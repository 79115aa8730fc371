"""What a replay came to, for people."""

from __future__ import annotations

import os
from collections import Counter

from rich.console import Console
from rich.table import Table

from spikewire.apps.replay.confusion_plot import Panel
from spikewire.apps.replay.score import Account
from spikewire.apps.terminal.scene import share

# More rows than a screen has are for --json and --out.
_MOST_ROWS = 40


def print_report(out: Console, account: Account, *, interrupted: bool, retries: int) -> None:
    """Print the tables and the totals."""
    tally, shown = account.tally, account.showings
    by_class = tally.by_class()
    if by_class:
        table = Table("class", "results", "right", "mostly taken for")
        for name, row in by_class.items():
            right = share(row["right"], row["judged"])
            table.add_row(name, str(row["judged"]), right, row["mostly"] or "nothing")
        out.print(table)
    if 1 < len(account.played) <= _MOST_ROWS:
        out.print(_recordings(account))
    events = sum(one.events for one in account.played)
    right = f", {share(tally.right, tally.judged)} right" if tally.judged else ""
    several = f"{len(account.played)} recordings, " if len(account.played) > 1 else ""
    out.print(f"{several}{events} events, {tally.results} results{right}")
    if tally.judged:
        summed = sum(one.summed == one.truth for one in shown)
        majority = sum(one.majority == one.truth for one in shown)
        out.print(
            f"as a whole: {summed} of {len(shown)} right by summed scores "
            f"({share(summed, len(shown))}), {majority} by most results "
            f"({share(majority, len(shown))})"
        )
    else:
        said = ", ".join(f"{name} {count}" for name, count in tally.said.most_common())
        out.print(f"recognised: {said or 'nothing'}", markup=False)
    if account.damaged:
        out.print(f"{len(account.damaged)} of {len(account.played)} could not be read to the end")
    if retries:
        out.print(f"{retries} begun again after a lost worker")
    if interrupted:
        out.print("this is what there was when it was interrupted")


def _recordings(account: Account) -> Table:
    table = Table("recording", "results", "right", "shown", "recognised, by summed scores")
    for column in table.columns[1:3]:
        column.justify = "right"
    top = os.path.commonpath([os.path.dirname(played.file) for played in account.played])
    for played in account.played:
        tally = played.tally
        shown = dict.fromkeys(one.truth for one in played.showings)
        said = dict.fromkeys(one.summed or "nothing" for one in played.showings)
        if not shown:
            said = dict.fromkeys([name for name, _ in tally.said.most_common(1)] or ["nothing"])
        table.add_row(
            _short(played.file, top), str(tally.results), share(tally.right, tally.judged),
            _few(shown), _few(said) + (" (damaged)" if played.error else ""),
        )  # fmt: skip
    return table


def _short(file: str, top: str) -> str:
    return os.path.relpath(file, top or ".")


def _few(names: dict[str, None]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{len(names)} classes"


def panels(account: Account) -> list[Panel]:
    """The matrices worth drawing: by result, and as a whole if more than one thing was shown."""
    found = [Panel("results", account.tally.confusion)]
    shown = account.showings
    if len(shown) > 1:
        found.append(Panel("as a whole", Counter((one.truth, one.summed) for one in shown)))
    return found
