"""Cached kernels: loaded when they are first called, and then as if they always had been."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LAZY = """
import sys, threading
from spikewire import qcore
from spikewire._jit import KERNELS, _UNLOADED, keep_ready, prepare
from spikewire.qcore.kernels import engine, readout, scatter

assert {engine.advance, engine.advance_ordinary} <= set(_UNLOADED)
keep_ready(engine.advance_ordinary)
prepare()
assert engine.advance_ordinary not in _UNLOADED  # live: the first events must not wait for it
assert engine.advance in _UNLOADED
assert {readout.square_root, scatter.scatter_conv} <= set(_UNLOADED)
assert not readout.square_root.overloads

# The first call of many threads at once.
start, roots = threading.Barrier(8), []
def take(n):
    start.wait()
    roots.append((n, readout.square_root(n * n)))
threads = [threading.Thread(target=take, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(roots) == [(n, n) for n in range(8)], roots
assert readout.square_root not in _UNLOADED
assert len(readout.square_root.overloads) == 1
assert sum(readout.square_root.stats.cache_hits.values()) == 1
assert "get_call_template" not in vars(readout.square_root)

# The types are those of the signature, before and after loading.
for kernel in (readout.square_root, scatter.scatter_conv):
    try:
        kernel(*["four"] * kernel.py_func.__code__.co_argcount)
    except TypeError:
        pass
    else:
        raise AssertionError(kernel)
    assert len(kernel.overloads) == 1

signatures = {kernel: len(types) for kernel, types in _UNLOADED.items()}
assert set(signatures.values()) == {1, 2}
for name, kernel in KERNELS["qcore"].items():
    assert len(kernel.overloads) == signatures.get(kernel, 1), name
    assert not kernel.stats.cache_misses, name
assert not [one for one in _UNLOADED if one.__module__.startswith("spikewire.qcore")]
"""


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
def test_a_cached_kernel_is_loaded_when_it_is_first_used() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
