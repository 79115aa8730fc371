"""Entry point: signals first, then the command, which is loaded only then."""

from __future__ import annotations

import sys

from spikewire.apps.cli import signals


def main() -> None:
    """Entry point of the `spikewire` command."""
    signals.prepare()
    from spikewire.apps.cli.output import print_traceback
    from spikewire.apps.commands import run

    sys.excepthook = print_traceback
    sys.exit(run())


if __name__ == "__main__":
    main()
