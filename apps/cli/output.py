"""Output of commands: results on standard output, notes and errors on standard error.

Names, paths and messages of others pass through here on their way to a terminal, and lose the
characters that it would obey.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment

from spikewire._names import escape_controls, without_controls

_ENDLESS = 1_000_000
"""Columns of a line that is never broken."""

_Report = TypeVar("_Report", bound=Mapping[str, Any])


class PlainConsole(Console):
    """Console whose texts hold no control characters; its own styles and movements remain.

    A table that goes into a file or a pipe is as wide as its content: nothing is cut off.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects, as :class:`rich.console.Console` does."""
        tables = () if self.is_terminal else [one for one in objects if hasattr(one, "add_column")]
        if not tables:
            super().print(*objects, **options)
            return
        endless = self.options.update(width=_ENDLESS)
        needed = max(self.measure(one, options=endless).maximum for one in tables)
        before = self._width
        self.width = max(self.width, needed)
        try:
            super().print(*objects, **options)
        finally:
            self._width = before

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render an object, every text of it without control characters."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else without_controls(text), style, control)


def console() -> Console:
    """Return a console on the present standard output."""
    return PlainConsole(highlight=False)


def stderr_console() -> Console:
    """Return a console on the present standard error, for progress, hints and notes."""
    return PlainConsole(stderr=True, highlight=False)


def compiling_note() -> Callable[[], None]:
    """Return a function that says, when it is first called, that kernels are compiled."""
    said = False

    def note() -> None:
        nonlocal said
        if not said:
            said = True
            stderr_console().print(
                "[dim]compiling what this command needs, once: some seconds to a minute ...[/]",
                soft_wrap=True,
            )

    return note


def print_json(record: Mapping[str, Any]) -> None:
    """Print a JSON object on one line, and flush it for readers at the end of a pipe."""
    print(json_line(record), flush=True)


def output_report(report: _Report, as_text: Callable[[_Report], None], *, as_json: bool) -> None:
    """Print a report as JSON, or as text by the function that writes it for people."""
    if as_json:
        print_json(report)
    else:
        as_text(report)


def json_line(record: Mapping[str, Any]) -> str:
    """Write a JSON object on one line; control characters and lone surrogates are escaped."""
    return escape_controls(json.dumps(record, ensure_ascii=False, separators=(",", ":")))


def print_error(message: str) -> None:
    """Print one sentence on standard error."""
    print(error_line(message), file=sys.stderr, flush=True)


def error_line(message: str) -> str:
    """Write a sentence on one line, as errors are told; without control characters."""
    return f"spikewire: {without_controls(' '.join(message.split()))}"


def print_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, /
) -> None:
    """Print the traceback of a fault on standard error."""
    print(traceback_text(error), end="", file=sys.stderr, flush=True)


def traceback_text(error: BaseException) -> str:
    """Write the traceback of a fault, without control characters."""
    return without_controls("".join(traceback.format_exception(error)))


def print_note(message: str) -> None:
    """Print a remark on standard error, as one line without markup."""
    stderr_console().print(f"note: {message}", markup=False, soft_wrap=True)


def progress_bar() -> Progress:
    """Make a bar that vanishes at the end, and is hidden where standard error is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    notes = stderr_console()
    return Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal)
