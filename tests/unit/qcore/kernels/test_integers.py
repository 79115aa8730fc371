"""No floating point from event to score and weight: read in the kernels' own LLVM code.

Numba links into a function's module whatever it calls. So the code of ``advance`` holds all that a
network step reaches, in inference and learning, inlined or called; that nothing else is called is
checked as well, and each kernel is read on its own besides.
"""

from __future__ import annotations

import glob
import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core.caching import _CacheLocator
from numba.core.dispatcher import Dispatcher

import spikewire
from spikewire import qcore
from spikewire.qcore import KERNELS
from spikewire.qcore.kernels import fixed_point

ORIGINAL = Path(spikewire.__file__).parent

# Floating-point types of LLVM as whole words: scalars, and inside vectors such as <8 x double>.
FLOAT = re.compile(r"\b(half|bfloat|float|double|x86_fp80|fp128)\b")
FUNCTION = re.compile(r"^define .*?^}", re.MULTILINE | re.DOTALL)
NAME = re.compile(r'@("[^"]+"|[-\w.$]+)')
CALL = re.compile(r'\b(?:call|invoke)\b[^@\n]*@("[^"]+"|[-\w.$]+)\(')
DECLARED = re.compile(r'^declare .*?@("[^"]+"|[-\w.$]+)\(.*$', re.MULTILINE)

# What kernels may call that is not compiled with them: LLVM's own operations, memory, and the
# wrapper's conversion of Python arguments. Their declarations are read for floats too.
OUTSIDE = re.compile(r"^(llvm\.|NRT_|_?Py[A-Z_]|numba_|memset$|memcpy$|memmove$)")

DUMP = """
import json, sys
from spikewire.qcore import KERNELS
codes = {
    name: [str(one.library._get_module_for_linking()) for one in KERNELS[name].overloads.values()]
    for name in sys.argv[1:]
}
json.dump(codes, sys.stdout)
"""


@pytest.fixture(scope="module")
def codes() -> dict[str, list[str]]:
    """The LLVM code of each kernel as it is run.

    Numba's cache keeps a kernel's code for the kernels that call it: nothing is compiled again.
    """
    return {
        name: [str(one.library._get_module_for_linking()) for one in kernel.overloads.values()]
        for name, kernel in KERNELS.items()
    }


def compiled(package_at: Path, cache: Path, *names: str) -> dict[str, list[str]]:
    """Compile what the cache lacks of the package in that folder; return kernels' LLVM code.

    Without optimisation, as that takes most of the time and leaves a float where it is.
    """
    fresh = {
        **os.environ, "NUMBA_CACHE_DIR": str(cache), "NUMBA_OPT": "0",
        "PYTHONPATH": str(package_at), "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", DUMP, *names],
        env=fresh, cwd=package_at, capture_output=True, text=True, check=True,
    )  # fmt: skip
    codes: dict[str, list[str]] = json.loads(done.stdout)
    return codes


def copy_cached(name: str, package: Path, cache: Path) -> None:
    """Take a kernel's code over into the cache of a copy of the package, with the same stamps."""
    kernel = KERNELS[name]
    module = package / Path(kernel.py_func.__code__.co_filename).relative_to(ORIGINAL)
    subpath = _CacheLocator.get_suitable_cache_subpath(str(module))  # type: ignore[no-untyped-call]
    folder = cache / subpath
    folder.mkdir(parents=True, exist_ok=True)
    entry = kernel._cache._impl.filename_base
    for file in Path(kernel.stats.cache_path).glob(f"{glob.escape(entry)}.*"):
        shutil.copy2(file, folder)


def floats(codes: list[str]) -> list[str]:
    """Return the lines of a compiled function's LLVM code that mention a floating-point type."""
    found = []
    for code in codes:
        bodies = FUNCTION.findall(code)
        assert bodies, "no function in the LLVM code: this test would see nothing"
        called = set(CALL.findall(code))
        outside = [m.group(0) for m in DECLARED.finditer(code) if m.group(1) in called]
        for body in [*bodies, *outside]:
            found += [line for line in body.splitlines() if FLOAT.search(line)]
    return found


def called_functions(name: str) -> list[Any]:
    """Every compiled function that a kernel reaches, itself included, by names in Python code."""
    reached = [KERNELS[name]]
    for function in reached:
        for used in function.py_func.__code__.co_names:
            value = function.py_func.__globals__.get(used)
            if isinstance(value, Dispatcher) and value not in reached:
                reached.append(value)
    return reached


def called_kernels(name: str) -> set[str]:
    """Every kernel that a kernel reaches, itself included."""
    known = {id(k): n for n, k in KERNELS.items()}
    return {known[id(k)] for k in called_functions(name) if id(k) in known}


@pytest.mark.slow
def test_no_kernel_holds_floating_point(codes: dict[str, list[str]]) -> None:
    assert set(codes) == set(KERNELS)
    assert {name: floats(code) for name, code in codes.items() if floats(code)} == {}


@pytest.mark.slow
def test_all_that_a_step_calls_was_compiled_with_it_and_read(codes: dict[str, list[str]]) -> None:
    for name, texts in codes.items():
        for code in texts:
            defined = {NAME.search(body).group(1) for body in FUNCTION.findall(code)}  # type: ignore[union-attr]
            strange = {c for c in CALL.findall(code) if c not in defined and not OUTSIDE.match(c)}
            assert strange == set(), f"{name} calls code that nobody read"
    # The engine's module really holds its parts: those too big to be inlined stand in it by name.
    (engine,) = codes["spikewire.qcore.kernels.engine.advance"]
    for part in ("step_layer", "scatter_conv", "conv_gradient", "apply_layers", "delta_rule"):
        assert re.search(rf"^define .*{len(part)}{part}B", engine, re.MULTILINE), part


def test_every_compiled_function_is_a_registered_kernel_or_inlined_into_one() -> None:
    registered = {id(k) for k in KERNELS.values()}
    seen = set()
    for module in pkgutil.walk_packages(qcore.__path__, "spikewire.qcore."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Dispatcher):
                seen.add(id(value))
                inlined = value.targetoptions.get("inline") == "always"
                assert inlined or id(value) in registered, f"{module.name}.{name}"
    assert registered <= seen


def test_a_step_reaches_inference_and_learning() -> None:
    reached = {
        name.rsplit(".", 1)[1] for name in called_kernels("spikewire.qcore.kernels.engine.advance")
    }
    assert {
        "step_layer", "scatter_conv", "add_by_place", "scatter_dense", "fold_drive", "integrate",
        "step_traced_layer", "follow_inputs", "add_changes", "fire_traced", "activate_traced",
        "integrate_evenly", "fire_refractory",
        "step_zero", "step_subtract", "step_refractory", "step_coarse_vectors",
        "fire_coarse", "fire_subtract", "fire_zero", "activate",
        "pool_or", "pool_max", "pool_sum", "gather",
        "learn_layer", "add_local_readout", "add_readout",
        "local_readout", "local_error", "local_delta", "trained_error", "trained_delta",
        "carry_back",
        "conv_gradient",
        "measure_sixteen", "apply_sixteen", "apply_layers", "apply_gradient",
        "adapt_thresholds", "advance_traces", "advance_features",
        "normalise_features", "square_root", "read_scores", "delta_rule", "choose_shifts",
        "remember", "recall",
        "mark_features", "sum_rows", "activate_hidden", "add_hidden", "teach_hidden", "step_rows",
        "regulate_hidden", "correct_all", "read_temporal",
        "learn_means", "add_example", "fold", "answer_by_means", "solve_means", "solve",
        "ridge_of", "trace_in_metric",
    } <= reached  # fmt: skip


@pytest.mark.slow
def test_a_float_planted_in_the_package_is_found(tmp_path: Path) -> None:
    package, cache = tmp_path / "spikewire", tmp_path / "cache"
    package.mkdir()
    for module in ORIGINAL.glob("*.py"):
        shutil.copy(module, package)
    shutil.copytree(ORIGINAL / "qcore", package / "qcore")
    helper = package / "qcore" / "kernels" / "fixed_point.py"
    honest = "shifted = np.int32(magnitude >> bits)"
    text = helper.read_text(encoding="utf-8")
    assert text.count(honest) == 1
    # In a helper that is inlined into a kernel that the engine calls: three steps from the top.
    helper.write_text(text.replace(honest, "shifted = np.int32(magnitude * 0.5)"), encoding="utf-8")
    # All that the helper is compiled into is compiled anew; the rest is as it was.
    for name in KERNELS:
        if fixed_point.shift_to_zero not in called_functions(name):
            copy_cached(name, package, cache)
    traces, engine, scatter = (
        f"spikewire.qcore.kernels.{name}"
        for name in ("trace.advance_traces", "engine.advance", "scatter.scatter_conv")
    )
    codes = compiled(tmp_path, cache, traces, engine, scatter)
    assert {name for name, code in codes.items() if floats(code)} == {traces, engine}


def test_a_float_in_a_function_or_in_what_it_calls_is_found() -> None:
    @numba.njit("int64(int64)")
    def halved(value: Any) -> Any:
        return int(value * 0.5)

    @numba.njit("void(int64[::1])")
    def planted(values: Any) -> None:
        for i in range(values.shape[0]):
            values[i] = halved(values[i])

    @numba.njit("void(int64[::1])")
    def honest(values: Any) -> None:
        for i in range(values.shape[0]):
            values[i] = values[i] >> 1

    assert floats(list(halved.inspect_llvm().values()))
    assert floats(list(planted.inspect_llvm().values()))
    assert floats(list(honest.inspect_llvm().values())) == []
