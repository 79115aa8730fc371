"""The one decorator every kernel goes through.

Kernels carry written signatures, so they are compiled once per machine, when their package is first
imported, and cached; they release the GIL, so that the event loop stays responsive while they run.
A cached kernel is loaded when it is first called: most are only called by other kernels, which hold
their code already. The registry lets a test read the machine code of each one.
"""

from __future__ import annotations

import os
from collections import UserDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler_lock import global_compiler_lock

from spikewire._digest import source_digest

Kernel = Callable[..., Any]
"""A compiled function. Its types are those of its signature, which Numba enforces at every call."""

_UNLOADED: dict[Any, tuple[Any, ...]] = {}
"""Signatures of the kernels whose code is in the cache only."""


def load(compiled: Any) -> None:
    """Load a kernel's code from the cache, where that is left to do."""
    with global_compiler_lock:
        if compiled not in _UNLOADED:
            return
        for signature in _UNLOADED[compiled]:
            compiled.compile(signature)
        compiled.disable_compile()
        # Last: until now, calls from other threads come here and wait for the lock.
        del _UNLOADED[compiled], compiled._compile_for_args, compiled.get_call_template


class Kernels(UserDict[str, Any]):
    """Kernels by name; one that is taken out is loaded."""

    def __getitem__(self, name: str) -> Any:
        compiled = super().__getitem__(name)
        load(compiled)
        return compiled


KERNELS: dict[str, Kernels] = {"qcore": Kernels(), "sensors": Kernels()}
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


def kernel_folder(package: str) -> Path:
    """Name the folder where a package's (``"qcore"``) compiled kernels are cached."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    return _folder(package) if chosen is None else Path(chosen)


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


def kernel(signature: Any, *, live: bool = False) -> Callable[[Kernel], Kernel]:
    """Compile a function for ``signature``: cached, without the GIL, listed in ``KERNELS``.

    Parameters
    ----------
    signature
        Types of the result and the arguments; a list of such for several types.
    live
        Load the code at once, even from the cache: the first call must not wait for it.
    """

    def compile_now(function: Kernel) -> Kernel:
        # spikewire.qcore.kernels.trace belongs to the package qcore.
        package = function.__module__.split(".")[1]
        with _cache_in(_folder(package)):
            compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        if compiled is not function:  # Numba is not switched off
            signatures = tuple(signature) if isinstance(signature, list) else (signature,)
            _load_later(compiled, signatures)
            if live or not all(_is_cached(compiled, one) for one in signatures):
                load(compiled)
        KERNELS[package][f"{function.__module__}.{function.__name__}"] = compiled
        result: Kernel = compiled
        return result

    return compile_now


def _load_later(compiled: Any, signatures: tuple[Any, ...]) -> None:
    """Load a kernel when Python calls it, or when a kernel that calls it is compiled."""
    call_template = compiled.get_call_template

    def callee(*_arguments: Any, **_named: Any) -> Any:
        load(compiled)
        return compiled  # for Numba to call: it knows the signature now

    def type_call(arguments: Any, named: Any) -> Any:
        load(compiled)
        return call_template(arguments, named)

    _UNLOADED[compiled] = signatures
    compiled._compile_for_args = callee
    compiled.get_call_template = type_call


def _is_cached(compiled: Any, signature: Any) -> bool:
    """Tell whether the cache holds a kernel as its file is now."""
    cache = compiled._cache
    # The codegen belongs to the key: it names the processor.
    key = cache._index_key(signature, compiled.targetctx.codegen())
    return key in cache._cache_file._load_index()


def inline(function: Kernel) -> Kernel:
    """Mark a scalar helper that is compiled into the kernels that call it."""
    result: Kernel = numba.njit(inline="always", error_model="numpy")(function)
    return result
