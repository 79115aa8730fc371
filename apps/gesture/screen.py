"""Screen of `gesture`: events, the decided gesture in large letters, last gestures, scores."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from spikewire.apps.gesture.recogniser import Moment, describe_decision, lasted_us
from spikewire.apps.terminal.big_text import ROWS, render
from spikewire.apps.terminal.scene import Scene, bars, display_name, status_line
from spikewire.apps.terminal.screen import Screen
from spikewire.runtime import NOTHING, UNKNOWN

_WIDEST = 100
_PICTURE, _PICTURE_ROWS = 32, 16
# The picture, and beside it letters enough for "counter".
_WIDE = 72
_FRAME, _MARGIN = 2, 4
# "right arm counter clockwise" and its bar.
_SCORES = 46
_QUIET_S = 1.0
_STYLES = {NOTHING: "dim", UNKNOWN: "yellow"}


class GestureScreen(Screen):
    """Screen that fits the present size of its terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._console = console

    def show_moment(self, moment: Moment, image: Text | None = None) -> None:
        """Redraw at the present size of the terminal."""
        width, height = self._console.size
        self._live.update(draw_moment(moment, image, width, height), refresh=True)


def draw_moment(moment: Moment, image: Text | None, width: int, height: int) -> RenderableType:
    """Return the moment as one renderable for a terminal of so many columns and rows.

    With 72 columns the picture is on the left; with less it is left out. Scores and gestures take
    the rows that are left.
    """
    width = min(width, _WIDEST)
    inside, rows = width - _MARGIN, height - _FRAME
    if image is not None and width >= _WIDE and rows >= _PICTURE_ROWS:
        parts = _two_columns(moment, image, inside, rows)
    else:
        parts = _below(moment, inside, rows)
    title = Text(f" {moment.scene.title} ", "bold", no_wrap=True, overflow="ellipsis")
    footer = Text(f" {moment.scene.footer} ", "dim") if moment.scene.footer else None
    return Panel(Group(*parts), title=title, subtitle=footer, width=width, padding=(0, 1))


def _two_columns(moment: Moment, image: Text, inside: int, rows: int) -> list[RenderableType]:
    width = inside - _PICTURE - 2
    left = rows - _PICTURE_ROWS - 1
    facts = _head(moment, width, lines=3)
    if left < 3:
        facts.append(_scores(moment.scene, _PICTURE_ROWS - len(facts)))
    grid = Table.grid(padding=(0, 2))
    grid.add_row(image, Group(*facts))
    if left < 3:
        return [grid]
    below = Table.grid(padding=(0, 2))
    below.add_row(_scores(moment.scene, left), _history(moment, left, inside - _SCORES - 2))
    return [grid, Text(), below]


def _below(moment: Moment, inside: int, rows: int) -> list[RenderableType]:
    parts = _head(moment, inside, lines=max(1, (rows - 8) // ROWS))
    left = rows - len(parts) - 1
    scores = min(left // 2, len(moment.scene.scores))
    history = _history(moment, left - scores, inside)
    return [*parts, _scores(moment.scene, scores), Text(), history]


def _head(moment: Moment, width: int, lines: int) -> list[RenderableType]:
    """Return lines with the decision, its length, the true class and the status."""
    now = moment.now
    if now is None:
        return [Text("waiting for events", "dim", no_wrap=True), Text()]
    if moment.quiet_s >= _QUIET_S:
        # A source that sends nothing: what it showed last is no answer to what it shows now.
        return [Text(f"no results for {moment.quiet_s:.0f} s", "dim", no_wrap=True), Text()]
    style = _STYLES.get(now.name, "bold green")
    words = display_name(now.name)
    set_large = render(words, width, lines) or [words]
    parts: list[RenderableType] = [
        Text(line, style, no_wrap=True, overflow="ellipsis") for line in set_large
    ]
    since = f"for {_duration(lasted_us(now, moment.t_us))}"
    share = moment.scene.share
    if now.name != NOTHING:
        since += f", {now.confidence if share is None else share} %"
    if moment.scene.standing:
        since += f", {moment.scene.standing}"
    parts.append(Text(since, no_wrap=True, overflow="ellipsis"))
    if moment.scene.truth is not None:
        truth = f"shown: {display_name(moment.scene.truth)}"
        parts.append(Text(truth, "dim", no_wrap=True, overflow="ellipsis"))
    # Numbers that do not fit a narrow terminal are cut, not wrapped: the frame keeps its height.
    numbered = status_line(moment.scene)
    numbered.no_wrap, numbered.overflow = True, "ellipsis"
    return [*parts, numbered, Text()]


def _duration(us: int) -> str:
    return f"{us / 1e6:.1f} s" if us >= 1_000_000 else f"{us // 1000} ms"


def _scores(scene: Scene, rows: int) -> RenderableType:
    """Return bars of the best classes in their usual order."""
    values = scene.shares if set(scene.shares) == set(scene.scores) else scene.scores
    best = sorted(values, key=lambda name: -values[name])[: max(rows, 0)]
    kept = {n: s for n, s in scene.scores.items() if n in best}
    return bars(
        replace(
            scene,
            scores=kept,
            shares={n: scene.shares.get(n, 0) for n in kept} if scene.shares else {},
        )
    )


def _history(moment: Moment, rows: int, width: int) -> RenderableType:
    lines = []
    for decision in moment.history[: max(rows, 0)]:
        start, lasted, name, share = describe_decision(decision, moment.begin_us)
        # Confidence is last: it is what a narrow terminal cuts first.
        line = Text(f"{start:>8} {lasted:>7}  ", "dim", no_wrap=True)
        line.append(name, "bold not dim").append(f"  {share}")
        line.truncate(max(width, 1), overflow="ellipsis")
        lines.append(line)
    return Group(*lines)
