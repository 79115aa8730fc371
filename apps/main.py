"""Entry point: signals first, then the command, which is loaded only then."""

from __future__ import annotations

import gc
import sys

from spikewire.apps.cli import signals


def main() -> None:
    """Entry point of the `spikewire` command."""
    signals.prepare()
    # Loading makes 130,000 objects, nearly all of which stay. Looking through them for garbage
    # takes a tenth of the time of a short command; those that stay go back to it in `hand_back`.
    gc.set_threshold(100_000)
    from spikewire.apps.cli.output import print_traceback
    from spikewire.apps.commands import run

    sys.excepthook = print_traceback
    sys.exit(run())


if __name__ == "__main__":
    main()
