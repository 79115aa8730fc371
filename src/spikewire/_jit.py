"""The one decorator every kernel goes through.

Kernels carry written signatures, so they are compiled once per machine and cached; they release the
GIL, so that the event loop stays responsive while they run. A kernel is loaded, or compiled where
the cache lacks it, when it is first called: most are only called by other kernels, which hold their
code already. Programs whose first call must not wait call :func:`prepare` before. The registry lets
a test read the machine code of each one.
"""

from __future__ import annotations

import os
import signal
from collections import UserDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime.nrt import rtsys

from spikewire._children import die_with_parent
from spikewire._compiling import cache_root, compiling, told_otherwise
from spikewire._digest import source_digest

Kernel = Callable[..., Any]
"""A compiled function. Its types are those of its signature, which Numba enforces at every call."""

_UNLOADED: dict[Any, tuple[Any, ...]] = {}
"""Signatures of the kernels whose code is not loaded."""

_CACHED: set[Any] = set()
"""Kernels that were found in the cache."""

_LEFT_OUT: dict[Any, tuple[str, ...]] = {}
"""Ends of the names of kernels and modules that a kernel does not call, though helpers would."""

_LIVE: set[Any] = set()
"""Kernels whose first call must not wait in a service."""

_SOON: set[Any] = set()
"""Kernels that are called when somebody looks at a service: then they need not be compiled."""

_PARTS: set[Any] = set()
"""Kernels that are compiled for other kernels, and not loaded for Python."""

_OWN_COMPILER = (0, 65) <= numba.version_info.short <= (0, 68)
"""Whether :mod:`spikewire._pipeline` knows this version of Numba inside (tested: 0.65, 0.68)."""

_watch: Callable[[], None] | None = None


def load(compiled: Any) -> None:
    """Load a kernel's code from the cache, or compile it, where that is left to do."""
    with global_compiler_lock:
        if compiled not in _UNLOADED:
            return
        if compiled in _PARTS:
            _PARTS.remove(compiled)
            compiled.overloads.clear()
        lacking = [one for one in _UNLOADED[compiled] if not _load_cached(compiled, one)]
        if lacking:
            _begin()
            _compile(compiled, lacking)
        compiled.disable_compile()
        # Last: until now, calls from other threads come here and wait for the lock.
        del _UNLOADED[compiled], compiled._compile_for_args, compiled.get_call_template


def _compile(compiled: Any, signatures: list[Any]) -> None:
    """Compile a kernel for Python, by Numba alone where :mod:`_pipeline` does not know it."""
    if _OWN_COMPILER:
        from spikewire._pipeline import compile_whole

        compile_whole(compiled, signatures)
    else:
        for signature in signatures:
            compiled.compile(signature)


def _load_part(compiled: Any) -> None:
    """Let kernels that are compiled call this one: from the cache, or compiled as a part."""
    with global_compiler_lock:
        if compiled not in _UNLOADED or compiled in _PARTS:
            return
        if not _OWN_COMPILER or _is_ready(compiled):
            load(compiled)
            return
        from spikewire._pipeline import compile_part

        _begin()
        for signature in _UNLOADED[compiled]:
            compile_part(compiled, signature)
        _PARTS.add(compiled)


def _begin() -> None:
    """Tell who waits that a kernel is compiled now."""
    compiling()
    if _watch is not None:
        _watch()


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

_OPTIONS: Any = {
    "cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True,
}  # fmt: skip
_CONFIG: Any = numba.config
_ROOT = Path(__file__).parent


def cache_folder(package: Path) -> Path:
    """Name the cache folder for a package's kernels, by the text of all its modules.

    Numba checks a cached function against its own file only: after an upgrade, a kernel whose
    helpers changed in another file would be stale. A folder per source text cannot be.
    """
    digest = source_digest(package, Path(__file__), Path(__file__).with_name("_pipeline.py"))
    return cache_root() / f"{package.name}-{digest[:16]}"


@cache
def _folder(package: str) -> Path:
    return cache_folder(_ROOT / package)


def kernel_folder(package: str) -> Path:
    """Name the folder where a package's (``"qcore"``) compiled kernels are cached."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    return _folder(package) if chosen is None else Path(chosen)


def count_compiled(package: str) -> tuple[int, int]:
    """Count the kernels of a package (``"qcore"``) that need not be compiled, and all of them.

    Counted are those that a service needs, of the modules that are imported.
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
        Kernels by ``module.function``, which are loaded. By default live kernels are, and those
        that are called soon are compiled.
    tell
        Is called before each kernel that is compiled, with the number of those compiled so far and
        of all that are.
    """
    known = {name: one for table in KERNELS.values() for name, one in table.data.items()}
    chosen = [known[name] for name in names] or _usual(known.values())
    missing = [one for one in chosen if not _is_ready(one)]
    if tell is None:
        for compiled in missing:
            load(compiled)
    elif missing:
        first, *others = sorted(missing, key=lambda one: -len(_reached(one)))
        with _compiled_aside(others), _told([first], tell):
            load(first)
        with _told(others, tell):
            for compiled in others:
                load(compiled)
    for compiled in chosen:
        if names or compiled in _LIVE:
            load(compiled)


@contextmanager
def _compiled_aside(kernels: list[Any]) -> Iterator[None]:
    """Compile some kernels into the cache in a process of their own, until the block ends.

    For the start of a command, which has no threads yet. What fails there is done again here.
    """
    if not kernels or len(os.sched_getaffinity(0)) < 2:
        yield
        return
    for context in (kernels[0].typingctx, kernels[0].targetctx):
        context.refresh()  # Numba's tables, once for both
    if (child := os.fork()) == 0:
        with suppress(BaseException):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent()
            with told_otherwise():
                for compiled in kernels:
                    load(compiled)
        os._exit(0)
    try:
        yield
    finally:
        os.waitpid(child, 0)


@contextmanager
def _told(missing: list[Any], tell: Callable[[int, int], None]) -> Iterator[None]:
    """Call ``tell`` before each kernel that is compiled, those that others call included."""
    global _watch
    order: dict[Any, None] = {}
    for compiled in missing:
        order |= _reached(compiled)
    total = sum(not _is_ready(one) for one in order)
    numbers = iter(range(total))
    _watch = lambda: tell(next(numbers, total - 1), total)  # noqa: E731
    try:
        with told_otherwise():
            yield
    finally:
        _watch = None


def compile_all() -> None:
    """Compile all kernels of the imported modules that the cache lacks, and load no others."""
    for table in KERNELS.values():
        for compiled in table.data.values():
            if not _is_ready(compiled):
                load(compiled)


def keep_ready(*kernels: Any) -> None:
    """Make kernels, or those of some names, live: what is about to begin calls them."""
    known = {name: one for table in KERNELS.values() for name, one in table.data.items()}
    _LIVE.update(known[one] if isinstance(one, str) else one for one in kernels)


def choose(*kernels: Any) -> Any:
    """Return the first of some kernels that is loaded, or cached, or else the first one.

    They do the same here, the first ones with less code: none is compiled if another is ready.
    """
    for compiled in kernels:
        if compiled not in _UNLOADED:
            return compiled
    return next(filter(_is_ready, kernels), kernels[0])


def _usual(known: Iterable[Any]) -> list[Any]:
    """Return the kernels that a service needs."""
    return [compiled for compiled in known if compiled in _LIVE or compiled in _SOON]


def _reached(compiled: Any) -> dict[Any, None]:
    """Return a kernel and those that it calls and that are not loaded."""
    order: dict[Any, None] = {}
    _add_reached(compiled, order, set())
    return order


def _add_reached(function: Any, order: dict[Any, None], seen: set[Any]) -> None:
    """Add the kernels that a function calls, and itself if it is one, each after its callees."""
    if not hasattr(function, "py_func") or function in seen:
        return
    seen.add(function)
    code, names = function.py_func.__code__, function.py_func.__globals__
    left_out = _LEFT_OUT.get(function, ())
    seen |= {one for one in _UNLOADED if _is_one_of(one, left_out)}
    for name in code.co_names:
        _add_reached(names.get(name), order, seen)
    if function in _UNLOADED:
        order[function] = None


def _is_one_of(compiled: Any, ends: tuple[str, ...]) -> bool:
    module: str = compiled.py_func.__module__
    return module.endswith(ends) or f"{module}.{compiled.py_func.__name__}".endswith(ends)


def _is_ready(compiled: Any) -> bool:
    if compiled not in _UNLOADED or compiled in _CACHED:
        return True
    if all(_is_cached(compiled, signature) for signature in _UNLOADED[compiled]):
        _CACHED.add(compiled)
        return True
    return False


def kernel(
    signature: Any, *, live: bool = False, soon: bool = False, leaves_out: tuple[str, ...] = ()
) -> Callable[[Kernel], Kernel]:
    """Make a function a kernel for ``signature``: cached, without the GIL, listed in ``KERNELS``.

    Parameters
    ----------
    signature
        Types of the result and the arguments; a list of such for several types.
    live
        The first call must not wait in a service: :func:`prepare` loads the code.
    soon
        Some call in a service must not wait long: :func:`prepare` compiles it.
    leaves_out
        Ends of the names of kernels, and of modules of kernels, that it does not call, though
        helpers that it calls do: their branches are constant here.
    """

    def compile_now(function: Kernel) -> Kernel:
        # spikewire.qcore.kernels.trace belongs to the package qcore.
        package = function.__module__.split(".")[1]
        with _cache_in(_folder(package)):
            compiled = numba.njit(**_OPTIONS)(function)
        if compiled is not function:  # Numba is not switched off
            signatures = tuple(signature) if isinstance(signature, list) else (signature,)
            _load_later(compiled, signatures)
            _LEFT_OUT[compiled] = leaves_out
            if live:
                _LIVE.add(compiled)
            if soon:
                _SOON.add(compiled)
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
        _load_part(compiled)
        if compiled in _PARTS:
            from spikewire._pipeline import part_template

            return part_template(compiled, arguments, named)
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
