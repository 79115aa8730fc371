"""Output of commands: results on standard output, notes and errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


def console() -> Console:
    """Return a console on the present standard output."""
    return Console(highlight=False)


def stderr_console() -> Console:
    """Return a console on the present standard error, for progress, hints and notes."""
    return Console(stderr=True, highlight=False)


def print_json(record: Mapping[str, Any]) -> None:
    """Print a JSON object on one line, and flush it for readers at the end of a pipe."""
    sys.stdout.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def print_error(message: str) -> None:
    """Print one sentence on standard error."""
    print(f"spikewire: {' '.join(message.split())}", file=sys.stderr, flush=True)


def print_note(message: str) -> None:
    """Print a remark on standard error, as one line without markup."""
    stderr_console().print(f"note: {message}", markup=False, soft_wrap=True)


def progress_bar() -> Progress:
    """Make a bar that vanishes at the end, and is hidden where standard error is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    notes = stderr_console()
    return Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal)
