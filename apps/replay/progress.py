"""Display of a replay: the live view, a progress bar, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import trio
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spikewire.apps.cli.units import format_us
from spikewire.apps.replay.score import ReplayScore
from spikewire.apps.terminal.event_tap import EventTap
from spikewire.apps.terminal.scene import Scene, share
from spikewire.apps.terminal.screen import REDRAW_S, Screen

if TYPE_CHECKING:
    from spikewire.sensors import Excerpt, Source


class Display:
    """Display of nothing, and base of the other displays.

    Parameters
    ----------
    score
        The score so far.
    total
        Number of recordings.
    """

    companion: Any = None

    def __init__(self, score: ReplayScore, total: int) -> None:
        self.score = score
        self.total = total
        self.number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def begin(self, number: int, excerpt: Excerpt) -> None:
        """Begin a recording."""
        self.number = number

    def wrap_source(self, source: Source) -> Source:
        """Put an observer between the recording and the network."""
        return source

    def take(self, result: Mapping[str, Any]) -> None:
        """Take a result."""

    def finished(self, count: int) -> None:
        """Take the number of finished recordings of a parallel replay."""


class _Timed(Display):
    """Display that knows the progress, once the recording's length has been read from the file."""

    def __init__(self, score: ReplayScore, total: int) -> None:
        super().__init__(score, total)
        self._excerpt: Excerpt | None = None
        self._span: tuple[int, int] | None = None
        self._over = True
        self._at: int | None = None

    def begin(self, number: int, excerpt: Excerpt) -> None:
        super().begin(number, excerpt)
        self._excerpt, self._span, self._at = excerpt, None, None

    def take(self, result: Mapping[str, Any]) -> None:
        self._at = result["t_us"]

    async def measure(self) -> None:
        """Read the length of the recording during the replay."""
        self._over = False
        try:
            excerpt = self._excerpt
            assert excerpt is not None
            self._span = await trio.to_thread.run_sync(
                self._read_span, excerpt, abandon_on_cancel=True
            )
        finally:
            self._over = True

    def _read_span(self, excerpt: Excerpt) -> tuple[int, int] | None:
        from spikewire.sensors import SensorError

        first: int | None = None
        last = 0
        try:
            for chunk in excerpt.open("drop").chunks():
                if self._over:
                    return None
                first = int(chunk["t"][0]) if first is None else first
                last = int(chunk["t"][-1])
        except SensorError:
            pass  # reported by the replay itself; the recording ends there
        if first is None:
            return None
        begin, end = first + excerpt.start_us, max(last, excerpt.end_us or last)
        if excerpt.stop_us is not None:
            end = min(end, first + excerpt.stop_us)
        return (begin, end) if begin < end else None

    @property
    def progress(self) -> float | None:
        """Replayed share of the recording; None where it is unknown."""
        if self._span is None or self._at is None:
            return None
        begin, end = self._span
        return min(max((self._at - begin) / (end - begin), 0.0), 1.0)

    @property
    def time(self) -> str:
        """Time as in ``1.20 s of 3.40 s``; empty where it is unknown."""
        if self._span is None:
            return ""
        begin, end = self._span
        return f"{format_us(max((self._at or begin) - begin, 0))} of {format_us(end - begin)}"


class ProgressBar(_Timed):
    """Progress bar on standard error: recordings, time and accuracy."""

    def __init__(self, score: ReplayScore, total: int, console: Console) -> None:
        super().__init__(score, total)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    async def companion(self) -> None:
        """Measure the recording and move the bar."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.measure)
            while True:
                self._draw(self.number + (self.progress or 0.0))
                await trio.sleep(REDRAW_S)

    def finished(self, count: int) -> None:
        self.number = count
        self._draw(count)

    def _draw(self, completed: float) -> None:
        parts = [f"{self.number} of {self.total}"] if self.total > 1 else []
        parts += [self.time] if self.time else []
        counts = self.score.counts
        parts += [f"right {share(counts.correct, counts.labelled)}"] if counts.labelled else []
        self._bar.update(self._task, completed=completed, description=", ".join(parts))


class LiveView(_Timed):
    """Live view on a terminal: events, scores, accuracy and time."""

    def __init__(self, score: ReplayScore, total: int, console: Console) -> None:
        super().__init__(score, total)
        self._screen = Screen(console)
        self._tap: EventTap | None = None
        self._result: Mapping[str, Any] = {}

    def __enter__(self) -> Self:
        self._screen.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.__exit__()

    def begin(self, number: int, excerpt: Excerpt) -> None:
        super().begin(number, excerpt)
        self._result = {}

    def wrap_source(self, source: Source) -> Source:
        self._tap = EventTap(source)
        return self._tap

    def take(self, result: Mapping[str, Any]) -> None:
        super().take(result)
        self._result = result

    async def companion(self) -> None:
        """Measure the recording and redraw."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.measure)
            while True:
                assert self._tap is not None
                self._screen.show(self.scene(), self._tap.image.render())
                self._tap.image.fade()
                await trio.sleep(REDRAW_S)

    def scene(self) -> Scene:
        """Describe the present moment."""
        excerpt, result, counts = self._excerpt, self._result, self.score.counts
        name = "" if excerpt is None else excerpt.path.name
        if self.total > 1:
            name += f" ({self.number + 1} of {self.total})"
        return Scene(
            name,
            result.get("scores", {}),
            recognised=result.get("class"),
            truth=result.get("truth"),
            teaching=result.get("label") if result.get("teaching") else None,
            correct=counts.correct,
            labelled=counts.labelled,
            progress=self.progress,
            footer=", ".join(part for part in (self.time, "Ctrl-C ends") if part),
        )


def choose_display(
    score: ReplayScore, total: int, out: Console, notes: Console, *, live: bool, quiet: bool
) -> Display:
    """Choose a display: the live view if wanted and possible, a progress bar, or nothing."""
    if quiet:
        return Display(score, total)
    if live and out.is_terminal and not out.is_dumb_terminal:
        return LiveView(score, total, out)
    if notes.is_terminal:
        return ProgressBar(score, total, notes)
    return Display(score, total)
