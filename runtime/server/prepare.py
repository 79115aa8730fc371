"""Kernels that are ready before a service opens its port."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any


def keep_ready(pipelines: Iterable[Any]) -> None:
    """Let the kernels that compute some pipelines be live."""
    for one in pipelines:
        # Networks that are none of ours have no kernels.
        if (keep := getattr(one.network, "keep_ready", None)) is not None:
            keep(learn=one.settings.learn)


def prepare_kernels(pipelines: Iterable[Any], *, listen: bool) -> None:
    """Compile what the cache lacks, and load live kernels, so that no event waits for it.

    A service that does not ``listen`` plays files for a command, which knows the few it needs.
    """
    # Without that module nothing that computes here has kernels.
    if listen and "spikewire._jit" in sys.modules:
        from spikewire._jit import prepare

        keep_ready(pipelines)
        prepare()
