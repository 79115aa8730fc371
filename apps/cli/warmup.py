"""Loading of the compiled kernels, which takes a minute where they must be compiled first."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spikewire.apps.cli.output import progress_bar, stderr_console
from spikewire.apps.cli.signals import hand_back, loading

_PACKAGES = ("qcore", "sensors")
_KERNEL = re.compile(r"^\s*@kernel\(", re.MULTILINE)


def count_kernels() -> int:
    """Count the kernels in the text of the packages: what there is to load in all."""
    import spikewire

    root = Path(spikewire.__file__).parent
    files = (file for package in _PACKAGES for file in (root / package).rglob("*.py"))
    return sum(len(_KERNEL.findall(file.read_text())) for file in files)


def kernels_so_far() -> int:
    """Count the kernels that are ready to be called."""
    from spikewire._jit import KERNELS

    return sum(len(KERNELS[package]) for package in _PACKAGES)


@contextmanager
def compiling_told(tell: Callable[[int, int], None]) -> Iterator[None]:
    """Tell of each of our kernels that is compiled within the block, and not of cached ones.

    Parameters
    ----------
    tell
        Is given the number of kernels that are ready, and of all kernels.
    """
    from numba.core import event

    total = count_kernels()

    class Compiling(event.Listener):
        """Listener to the compiler, which speaks of its own helpers, too."""

        def on_start(self, told: Any) -> None:
            function = told.data["dispatcher"].py_func
            if function.__module__.startswith("spikewire."):
                tell(min(kernels_so_far(), total), total)

        def on_end(self, told: Any) -> None:
            """Do nothing: the next one tells."""

    with event.install_listener("numba:compile", Compiling()):
        yield


@contextmanager
def compiling_shown() -> Iterator[None]:
    """Show a bar with the time left, or print a line, if kernels are compiled within the block."""
    bar = progress_bar()
    task: Any = None
    said = False

    def tell(ready: int, total: int) -> None:
        nonlocal task, said
        if bar.disable and not said:
            said = True
            stderr_console().print(
                f"[dim]compiling {total - ready} kernels, once: a minute or two ...[/]",
                soft_wrap=True,
            )
        elif not bar.disable:
            if task is None:
                bar.start()
                task = bar.add_task("compiling, once", total=total - ready)
                bar.update(task, begun=ready)
            bar.update(task, completed=ready - bar.tasks[task].fields["begun"])

    try:
        with compiling_told(tell):
            yield
    finally:
        if task is not None:
            bar.stop()


def load_kernels() -> None:
    """Import everything that compiles; a bar on standard error shows the compiling, if any."""
    with loading(), compiling_shown():
        from spikewire import qcore, sensors
        from spikewire.runtime import Service

        sensors.load_all()
        del qcore, Service
    # What is loaded by now stays: a full collection took 15 to 65 ms over its 130,000
    # objects, in which no event is heard and no result sent.
    gc.freeze()
    hand_back()
