"""The one decorator every kernel goes through.

Kernels carry written signatures, so they are compiled once per machine and cached; they release the
GIL, so that the event loop stays responsive while they run. A kernel is loaded, or compiled where
the cache lacks it, when it is first called: most are only called by other kernels, which hold their
code already. Programs whose first call must not wait call :func:`prepare` before. The registry lets
a test read the machine code of each one.
"""

from __future__ import annotations

import os
from collections import UserDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime.nrt import rtsys

from spikewire._compiling import compiling, told_otherwise
from spikewire._digest import source_digest

Kernel = Callable[..., Any]
"""A compiled function. Its types are those of its signature, which Numba enforces at every call."""

_UNLOADED: dict[Any, tuple[Any, ...]] = {}
"""Signatures of the kernels whose code is not loaded."""

_CACHED: set[Any] = set()
"""Kernels that were found in the cache."""

_LEFT_OUT: dict[Any, tuple[str, ...]] = {}
"""Ends of the names of modules whose kernels a kernel does not call, though its helpers would."""

_RARE: set[Any] = set()
"""Kernels that few networks need, with much that only they call."""

_LIVE: set[Any] = set()
"""Kernels whose first call must not wait in a service."""


def load(compiled: Any) -> None:
    """Load a kernel's code from the cache, or compile it, where that is left to do."""
    with global_compiler_lock:
        if compiled not in _UNLOADED:
            return
        for signature in _UNLOADED[compiled]:
            if not _load_cached(compiled, signature):
                compiling()
                compiled.compile(signature)
        compiled.disable_compile()
        # Last: until now, calls from other threads come here and wait for the lock.
        del _UNLOADED[compiled], compiled._compile_for_args, compiled.get_call_template


def _load_cached(compiled: Any, signature: Any) -> bool:
    """Load a kernel from the cache as Numba does, but without all that only the compiler needs.

    Numba fills its tables of types and functions first, which takes longer than all the loading.
    The symbols of its runtime are what the code itself refers to.
    """
    rtsys.initialize(compiled.targetctx)
    found = compiled._cache._load_overload(signature, compiled.targetctx)
    if found is None:
        return False
    compiled._cache_hits[signature] += 1
    compiled.targetctx.insert_user_function(found.entry_point, found.fndesc, [found.library])
    compiled.add_overload(found)
    return True


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


def count_compiled(package: str) -> tuple[int, int]:
    """Count the kernels of a package (``"qcore"``) that need not be compiled, and all of them.

    Rare kernels are not counted, nor are those of modules that are not imported.
    """
    usual = _usual(KERNELS[package].data.values())
    return sum(map(_is_ready, usual)), len(usual)


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


def prepare(*names: str, tell: Callable[[int, int], None] | None = None) -> None:
    """Compile what the cache lacks, and load what must not wait.

    Parameters
    ----------
    names
        Kernels by ``module.function``, which are loaded with all that they call. By default these
        are all kernels of the imported modules, of which only live ones are loaded, without rare
        ones that are not live.
    tell
        Is called before each kernel that is compiled, with the number of those compiled so far and
        of all that are.
    """
    known = {name: one for table in KERNELS.values() for name, one in table.data.items()}
    chosen = [known[name] for name in names] or _usual(known.values())
    order: dict[Any, None] = {}
    for compiled in chosen:
        _add_reached(compiled, order, set())
    missing = [one for one in order if not _is_ready(one)]
    for number, compiled in enumerate(missing):
        if tell is None:
            load(compiled)
            continue
        tell(number, len(missing))
        with told_otherwise():
            load(compiled)
    for compiled in chosen:
        if names or compiled in _LIVE:
            load(compiled)


def compile_all() -> None:
    """Compile all kernels of the imported modules that the cache lacks, and load no others."""
    for table in KERNELS.values():
        for compiled in table.data.values():
            if not _is_ready(compiled):
                load(compiled)


def keep_ready(compiled: Any) -> None:
    """Make a rare kernel live, as it is needed after all."""
    _LIVE.add(compiled)


def _usual(known: Iterable[Any]) -> list[Any]:
    """Return the kernels that are live, or that no rare one is the reason for."""
    rare: dict[Any, None] = {}
    for compiled in _RARE - _LIVE:
        _add_reached(compiled, rare, set())
    return [compiled for compiled in known if compiled in _LIVE or compiled not in rare]


def _add_reached(function: Any, order: dict[Any, None], seen: set[Any]) -> None:
    """Add the kernels that a function calls, and itself if it is one, each after its callees."""
    if not hasattr(function, "py_func") or function in seen:
        return
    seen.add(function)
    code, names = function.py_func.__code__, function.py_func.__globals__
    left_out = _LEFT_OUT.get(function, ())
    seen |= {one for one in _UNLOADED if one.py_func.__module__.endswith(left_out)}
    for name in code.co_names:
        _add_reached(names.get(name), order, seen)
    if function in _UNLOADED:
        order[function] = None


def _is_ready(compiled: Any) -> bool:
    if compiled not in _UNLOADED or compiled in _CACHED:
        return True
    if all(_is_cached(compiled, signature) for signature in _UNLOADED[compiled]):
        _CACHED.add(compiled)
        return True
    return False


def kernel(
    signature: Any, *, live: bool = False, rare: bool = False, leaves_out: tuple[str, ...] = ()
) -> Callable[[Kernel], Kernel]:
    """Make a function a kernel for ``signature``: cached, without the GIL, listed in ``KERNELS``.

    Parameters
    ----------
    signature
        Types of the result and the arguments; a list of such for several types.
    live
        The first call must not wait in a service: :func:`prepare` loads the code.
    rare
        Few networks need it: :func:`prepare` leaves it out, unless :func:`keep_ready` is called.
    leaves_out
        Ends of the names of modules whose kernels it does not call, though helpers that it calls
        do: their branches are constant here.
    """

    def compile_now(function: Kernel) -> Kernel:
        # spikewire.qcore.kernels.trace belongs to the package qcore.
        package = function.__module__.split(".")[1]
        with _cache_in(_folder(package)):
            compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        if compiled is not function:  # Numba is not switched off
            signatures = tuple(signature) if isinstance(signature, list) else (signature,)
            _load_later(compiled, signatures)
            _LEFT_OUT[compiled] = leaves_out
            if live:
                _LIVE.add(compiled)
            if rare:
                _RARE.add(compiled)
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
