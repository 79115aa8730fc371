"""What a worker process of a sweep loads first: Ctrl-C is the command's to answer, not its own.

A terminal sends Ctrl-C to every process in the foreground. The command closes its workers in order;
were they interrupted as well, each would print a traceback of its own.
"""

import signal


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C; Dask calls this before the worker takes work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
