"""Presenters of scenes: a redrawn screen on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from spikewire.apps.cli.units import format_rate, format_us
from spikewire.apps.terminal.scene import Scene, draw

# Ten pictures a second look live; more only heat the terminal.
REDRAW_S = 0.1


class Presenter(Protocol):
    """Interface of everything that shows scenes."""

    def show(self, scene: Scene, image: Text | None = None) -> None:
        """Show the scene in place of the one before."""


class Screen:
    """Presenter on the alternate screen of a terminal, which is restored at the end."""

    def __init__(self, console: Console) -> None:
        # auto_refresh would draw from a thread of its own; here the caller says when.
        self._live = Live(console=console, auto_refresh=False, screen=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, scene: Scene, image: Text | None = None) -> None:
        """Redraw at the present size of the terminal."""
        self._live.update(draw(scene, image), refresh=True)


class Lines:
    """Presenter that prints a line when prediction or label changes, and every two seconds."""

    def __init__(self, console: Console, every: int = round(2.0 / REDRAW_S)) -> None:
        self._console = console
        self._every = every
        self._since = 0
        self._last: tuple[str | None, ...] | None = None

    def show(self, scene: Scene, image: Text | None = None) -> None:
        """Print the scene if it differs from the last one."""
        del image
        now = (scene.title, scene.truth, scene.teaching, scene.recognised)
        self._since += 1
        if now == self._last and self._since < self._every:
            return
        self._last, self._since = now, 0
        self._console.print(line(scene), markup=False, soft_wrap=True)


def line(scene: Scene) -> str:
    """Return the scene as one line of plain text."""
    parts = [scene.title]
    if scene.progress is not None:
        parts.append(f"{100 * scene.progress:.0f} %")
    if scene.truth is not None:
        parts.append(f"shown: {scene.truth}")
    if scene.teaching is not None:
        parts.append(f"teaching: {scene.teaching}")
    parts.append(f"recognised: {scene.recognised or '-'}")
    if scene.rate is not None:
        parts.append(format_rate(scene.rate))
    if scene.latency_us is not None:
        parts.append(f"latency {format_us(scene.latency_us)}")
    return " | ".join(parts)


@contextmanager
def open_presenter(console: Console) -> Iterator[Presenter]:
    """Open a screen on a terminal, or lines in a pipe, a file or a dumb terminal."""
    if console.is_terminal and not console.is_dumb_terminal:
        with Screen(console) as screen:
            yield screen
    else:
        yield Lines(console)
