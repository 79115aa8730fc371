"""Loading of the compiled kernels, which takes a minute where they must be compiled first."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from spikewire.apps.cli.output import progress_bar, stderr_console
from spikewire.apps.cli.signals import hand_back, loading

_ENGINE = "spikewire.qcore.kernels.engine."
_FIXED = (_ENGINE + "advance_fixed", "spikewire.qcore.kernels.packet_bins.bin_packet")
"""Kernels of an ordinary network that only infers."""


@contextmanager
def compiling_shown() -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left, or print a line, if kernels are compiled within the block.

    Yields
    ------
    function
        To be called before each kernel that is compiled, with the number of those compiled so far
        and of all that are, as :func:`prepare` does.
    """
    bar = progress_bar()
    task: Any = None

    def tell(ready: int, total: int) -> None:
        nonlocal task
        if bar.disable:
            if ready == 0:
                stderr_console().print(
                    f"[dim]compiling {total} kernels, once: a minute or two ...[/]",
                    soft_wrap=True,
                )
            return
        if task is None:
            bar.start()
            task = bar.add_task("compiling, once", total=total)
        bar.update(task, completed=ready)

    try:
        yield tell
    finally:
        if task is not None:
            bar.stop()


def load_kernels(*, learn: bool = True) -> None:
    """Import what computes, and compile what the cache lacks, with a bar on standard error.

    Parameters
    ----------
    learn
        False for a command that only infers, offline: less is compiled, and the service is not
        imported. A kernel that turns out to be needed is then compiled when it is called.
    """
    with loading(), compiling_shown() as tell:
        from spikewire import qcore
        from spikewire._jit import prepare

        if learn:
            from spikewire.runtime import Service

            prepare(tell=tell)
            del Service
        else:
            prepare(*_FIXED, tell=tell)
        del qcore
    # What is loaded by now stays: a full collection took 15 to 65 ms over its 130,000
    # objects, in which no event is heard and no result sent.
    gc.freeze()
    hand_back()
