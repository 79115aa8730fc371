"""The decorator of this package's kernels: compiled once per machine, cached, without the GIL."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

Kernel = Callable[..., Any]
_CONFIG: Any = numba.config


def _folder() -> str:
    """Name the cache folder by the text of all modules, so that no stale kernel can be loaded."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(root) / "spikewire" / f"{package.name}-{digest.hexdigest()[:16]}")


_FOLDER = _folder()


def kernel(signature: Any) -> Callable[[Kernel], Kernel]:
    """Compile a function for ``signature``."""

    def compile_now(function: Kernel) -> Kernel:
        before = _CONFIG.CACHE_DIR
        _CONFIG.CACHE_DIR = before or _FOLDER
        try:
            compiled: Kernel = numba.njit(signature, cache=True, nogil=True, error_model="numpy")(
                function
            )
        finally:
            _CONFIG.CACHE_DIR = before
        return compiled

    return compile_now


def inline(function: Kernel) -> Kernel:
    """Mark a scalar helper that is compiled into the kernels that call it."""
    result: Kernel = numba.njit(inline="always", error_model="numpy")(function)
    return result
