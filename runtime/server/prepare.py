"""Kernels that are ready before a service opens its port."""

from __future__ import annotations

import sys


def prepare_kernels(*, listen: bool) -> None:
    """Compile what the cache lacks, and load live kernels, so that no event waits for it.

    A service that does not ``listen`` plays files for a command, which knows the few it needs.
    """
    # Without that module nothing that computes here has kernels.
    if listen and "spikewire._jit" in sys.modules:
        from spikewire._jit import prepare

        prepare()
