"""The one decorator every kernel goes through.

Kernels carry written signatures, so they are compiled once per machine, when this package is first
imported, and cached; they release the GIL, so that the event loop stays
responsive while they run. The registry lets a test read the machine code of each one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba

Kernel = Callable[..., Any]
"""A compiled function. Its types are those of its signature, which Numba enforces at every call."""

KERNELS: dict[str, Any] = {}

_CONFIG: Any = numba.config


def cache_folder(package: Path) -> Path:
    """Name the cache folder for a package's kernels, by the text of all its modules.

    Numba checks a cached function against its own file only: after an upgrade, a kernel whose
    helpers changed in another file would be stale. A folder per source text cannot be.
    """
    digest = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "spikewire" / f"{package.name}-{digest.hexdigest()[:16]}"


_FOLDER = cache_folder(Path(__file__).parent)


def cached() -> bool:
    """Tell whether this machine has compiled these kernels before."""
    return os.environ.get("NUMBA_CACHE_DIR") is not None or _FOLDER.is_dir()


WARM = cached()
"""Whether the kernels were found compiled when this process started."""


@contextmanager
def _cache_here() -> Iterator[None]:
    """Point Numba's cache at our folder while decorating, unless the user chose one."""
    before = _CONFIG.CACHE_DIR
    if not before:
        _CONFIG.CACHE_DIR = str(_FOLDER)
    try:
        yield
    finally:
        _CONFIG.CACHE_DIR = before


def kernel(signature: str) -> Callable[[Kernel], Kernel]:
    """Compile a function for ``signature``: cached, without the GIL, listed in ``KERNELS``."""

    def compile_now(function: Kernel) -> Kernel:
        with _cache_here():
            compiled = numba.njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        KERNELS[f"{function.__module__}.{function.__name__}"] = compiled
        result: Kernel = compiled
        return result

    return compile_now


def inline(function: Kernel) -> Kernel:
    """Mark a scalar helper that is compiled into the kernels that call it."""
    result: Kernel = numba.njit(inline="always", error_model="numpy")(function)
    return result
