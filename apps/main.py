"""The first lines to run: they make Ctrl-C an ordinary end before anything heavy is loaded.

Loading takes seconds (a minute where kernels must be compiled first). A service that is stopped in
that time has nothing to deliver and nothing to save: it ends at once, with exit code 0. An
exception thrown into the middle of an import or of the compiler would end it with a traceback.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

ENDLESS = frozenset({"run", "demo", "watch", "bridge", "gesture", "dashboard"})
"""Commands that go on until they are told to stop: being told is how they succeed."""


def endless(arguments: Sequence[str] | None = None) -> bool:
    """Tell whether a command line names a command that is ended by Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    return next((word in ENDLESS for word in given if not word.startswith("-")), False)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def loaded() -> None:
    """Hand Ctrl-C back to Python, and let SIGTERM mean the same: from here on there is clean-up."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _interrupt)


def main() -> None:
    """Entry point of the `spikewire` command."""
    if endless():
        signal.signal(signal.SIGINT, _leave)
        signal.signal(signal.SIGTERM, _leave)
    from spikewire.apps.commands import run

    sys.exit(run())


if __name__ == "__main__":
    main()
