"""Kernels that are ready before a service opens its port."""

from __future__ import annotations

import sys


def prepare_kernels() -> None:
    """Compile what the cache lacks, and load live kernels, so that no event waits for it."""
    if "spikewire._jit" in sys.modules:  # otherwise nothing that computes here has kernels
        from spikewire._jit import prepare

        prepare()
