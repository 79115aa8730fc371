"""Progress bar of a long command, on standard error."""

from __future__ import annotations

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spikewire.apps.cli.output import stderr_console


def progress_bar() -> Progress:
    """Make a bar that vanishes at the end, and is hidden where standard error is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    notes = stderr_console()
    return Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal)
