"""The one decorator every kernel goes through.

Kernels carry written signatures, so they are compiled once per machine, when their package is first
imported, and cached; they release the GIL, so that the event loop stays responsive while they run.
The registry lets a test read the machine code of each one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba

from spikewire._digest import source_digest

Kernel = Callable[..., Any]
"""A compiled function. Its types are those of its signature, which Numba enforces at every call."""

KERNELS: dict[str, dict[str, Any]] = {"qcore": {}, "sensors": {}}
"""The compiled kernels of each package, by ``module.function``."""

_CONFIG: Any = numba.config
_ROOT = Path(__file__).parent


def cache_folder(package: Path) -> Path:
    """Name the cache folder for a package's kernels, by the text of all its modules.

    Numba checks a cached function against its own file only: after an upgrade, a kernel whose
    helpers changed in another file would be stale. A folder per source text cannot be.
    """
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    name = f"{package.name}-{source_digest(package, Path(__file__))[:16]}"
    return Path(root) / "spikewire" / name


@cache
def _folder(package: str) -> Path:
    return cache_folder(_ROOT / package)


def is_compiled(package: str) -> bool:
    """Tell whether this machine has compiled the kernels of a package (``"qcore"``) before."""
    return os.environ.get("NUMBA_CACHE_DIR") is not None or _folder(package).is_dir()


@contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    """Point Numba's cache at our folder while decorating, unless the user chose one."""
    before = _CONFIG.CACHE_DIR
    if not before:
        _CONFIG.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        _CONFIG.CACHE_DIR = before


def kernel(signature: Any) -> Callable[[Kernel], Kernel]:
    """Compile a function for ``signature``: cached, without the GIL, listed in ``KERNELS``."""

    def compile_now(function: Kernel) -> Kernel:
        # spikewire.qcore.kernels.trace belongs to the package qcore.
        package = function.__module__.split(".")[1]
        with _cache_in(_folder(package)):
            compiled = numba.njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        KERNELS[package][f"{function.__module__}.{function.__name__}"] = compiled
        result: Kernel = compiled
        return result

    return compile_now


def inline(function: Kernel) -> Kernel:
    """Mark a scalar helper that is compiled into the kernels that call it."""
    result: Kernel = numba.njit(inline="always", error_model="numpy")(function)
    return result
