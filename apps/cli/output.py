"""Where words go: facts to standard output, remarks and errors to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console


def console() -> Console:
    """The console for people, on standard output as it is now."""
    return Console(highlight=False)


def stderr_console() -> Console:
    """The console for remarks (progress, hints), on standard error as it is now."""
    return Console(stderr=True, highlight=False)


def print_json(record: Mapping[str, Any]) -> None:
    """Print one JSON object on one line, at once: a reader at the other end of a pipe waits."""
    sys.stdout.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def print_error(message: str) -> None:
    """Print one sentence on standard error."""
    print(f"spikewire: {' '.join(message.split())}", file=sys.stderr, flush=True)


def print_note(message: str) -> None:
    """Print a remark on standard error, as one line without markup."""
    stderr_console().print(f"note: {message}", markup=False, soft_wrap=True)
