"""Loading of the compiled kernels, which takes up to a minute where they are compiled first."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from spikewire._compiling import announced
from spikewire.apps.cli.output import progress_bar, stderr_console
from spikewire.apps.cli.signals import hand_back, loading

_ENGINE = "spikewire.qcore.kernels.engine."
_FIXED = (_ENGINE + "advance_fixed", "spikewire.qcore.kernels.packet_bins.bin_packet")
"""Kernels of an ordinary network that only infers."""
_ANY = (_ENGINE + "advance_fixed", _ENGINE + "advance_ordinary")
"""Engines of any ordinary network."""


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
                    f"[dim]compiling {total} kernels, once: up to a minute ...[/]",
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


def load_kernels(*, learn: bool = True, service: bool = False) -> None:
    """Import what computes, and compile what the cache lacks, with a bar on standard error.

    Parameters
    ----------
    learn
        False for a command that only infers, offline: less is compiled, and the service is not
        imported. A kernel that turns out to be needed is then compiled when it is called.
    service
        True for a service: of the engines, those of the networks are compiled that were kept ready.
    """
    with loading(), announced(), compiling_shown() as tell:
        from spikewire import qcore
        from spikewire._jit import keep_ready, prepare

        if learn or service:
            from spikewire.runtime import Service

            if not service:
                keep_ready(*_ANY)
            prepare(tell=tell)
            del Service
        else:
            prepare(*_FIXED, tell=tell)
        del qcore
    # What is loaded by now stays: a full collection took 15 to 65 ms over its 130,000
    # objects, in which no event is heard and no result sent.
    gc.freeze()
    hand_back()
