"""A short name for all code that decides a result, so that no result of other code is reused."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import spikewire
from spikewire._digest import source_digest

PACKAGES = ("qcore", "sensors")
MODULES = ("apps/cluster", "apps/sweep/trial.py", "apps/training")
"""Folders and files below the package that decide, beside ``PACKAGES``, the result of a trial."""


def source(packages: Sequence[str] = PACKAGES, modules: Sequence[str] = MODULES) -> str:
    """Name the version and the text of all modules that decide a result.

    Parameters
    ----------
    packages, modules
        Folders and files, by their paths inside the package. Sub-folders count.
    """
    root = Path(spikewire.__file__).parent
    told = source_digest(*(root / name for name in (*packages, *modules)))
    return f"{metadata.version('spikewire')}+{told[:8]}"
