"""Kernels that are ready before a service opens its port."""

from __future__ import annotations

import sys


def prepare_kernels(*, listen: bool) -> None:
    """Compile what the cache lacks, and load live kernels, so that no event waits for it.

    A service that does not ``listen`` plays files for a command, which knows the few it needs.
    """
    if (
        listen and "spikewire._jit" in sys.modules
    ):  # otherwise nothing that computes here has kernels
        from spikewire._jit import prepare

        prepare()
