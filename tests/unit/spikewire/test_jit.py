"""Cached kernels: loaded when they are first called, and then as if they always had been."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def run(program: str, cache: Path) -> None:
    """Run a program in a process of its own, with an empty cache."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


PARTS = """
import numpy as np
from spikewire._jit import _PARTS, _UNLOADED, load
from spikewire.sensors.simulator import body

def arrays(count):
    return [np.array([3.0, 0.0, 4.0 + n]) for n in range(count)]

load(body._hand_axes)
assert {body._unit, body._go} <= _PARTS  # compiled for it, and not for Python
assert {body._unit, body._go} <= set(_UNLOADED)
wrist, elbow, ahead, palm, across = arrays(5)
body._hand_axes(wrist, elbow, np.arange(12.0), ahead, palm, across)
assert abs(ahead @ ahead - 1) < 1e-9

def refused(kernel, *arguments):
    try:
        kernel(*arguments)
    except TypeError:
        return True

# Python may call it after all, with the types of its signature; so may kernels compiled later.
(vector,) = arrays(1)
assert refused(body._unit, "four")
body._unit(vector)
assert vector.tolist() == [0.6, 0.0, 0.8]
assert refused(body._unit, "four")
assert body._unit not in _PARTS and body._unit not in _UNLOADED
assert len(body._unit.overloads) == 1
body.bend_arm(*arrays(3), 1.0, 0.5, 0.3, 0.3)
assert len(body._unit.overloads) == len(body._go.overloads) == 1
"""


@pytest.mark.slow
@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
def test_a_part_of_a_kernel_is_compiled_for_python_when_python_calls_it(tmp_path: Path) -> None:
    run(PARTS, tmp_path)


UNKNOWN = """
import sys
import numba
import numpy as np

numba.version_info = numba.version_info._replace(short=(0, 99))
sys.modules["spikewire._pipeline"] = None  # importing it fails
from spikewire.qcore.kernels import readout
from spikewire.sensors.simulator import body

assert readout.square_root(144) == 12
vectors = [np.array([3.0, 0.0, 4.0 + n]) for n in range(3)]
body.bend_arm(*vectors, 1.0, 0.5, 0.3, 0.3)
assert len(body._unit.overloads) == 1
"""


@pytest.mark.slow
@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
def test_versions_of_numba_that_were_not_tried_compile_by_themselves(tmp_path: Path) -> None:
    run(UNKNOWN, tmp_path)


ASIDE = """
import os, sys
from spikewire._jit import KERNELS, prepare
from spikewire import qcore

home = "spikewire.qcore.kernels.random."
first, second = home + "fill_lanes", home + "fill_uniform"
told = []
prepare(first, second, tell=lambda *counts: told.append(counts))
assert told == [(0, 1)], told
stats = [KERNELS["qcore"].data[name].stats for name in (first, second)]
misses = [sum(one.cache_misses.values()) for one in stats]
hits = [sum(one.cache_hits.values()) for one in stats]
assert sorted(misses) == sorted(hits) == [0, 1], (misses, hits)
try:
    os.wait()
except ChildProcessError:
    sys.exit(0)
sys.exit("a child is left")
"""


@pytest.mark.slow
@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")
def test_a_command_compiles_in_a_second_process_too(tmp_path: Path) -> None:
    run(ASIDE, tmp_path)
