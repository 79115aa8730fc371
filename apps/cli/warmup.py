"""Loading of the compiled kernels, which can take a minute when they must be compiled first."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from spikewire.apps.cli.output import stderr_console
from spikewire.apps.cli.signals import hand_back

# Loading compiled kernels takes well under a second; compiling them takes much longer than this.
_PATIENCE_S = 2.0


@contextmanager
def patience() -> Iterator[None]:
    """Explain a long wait within the block: kernels are compiled when first imported."""
    timer = threading.Timer(
        _PATIENCE_S, lambda: stderr_console().print("[dim]compiling kernels (once) ...[/]")
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def load_kernels() -> None:
    """Import everything that compiles; a note on standard error explains a long wait."""
    with patience():
        from spikewire import qcore, sensors
        from spikewire.runtime import Service

        sensors.load_all()
        del qcore, Service
    # What is loaded by now stays: a full collection took 15 to 65 ms over its 130,000
    # objects, in which no event is heard and no result sent.
    gc.freeze()
    hand_back()
