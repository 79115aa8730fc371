"""No floating point from event to score and weight: read in the kernels' own LLVM code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import pytest

from qcore import KERNELS

# Floating-point types of LLVM as whole words: scalars, and inside vectors such as <8 x double>.
FLOAT = re.compile(r"\b(half|bfloat|float|double|x86_fp80|fp128)\b")
FUNCTION = re.compile(r"^define .*?^}", re.MULTILINE | re.DOTALL)

DUMP = """
import json, sys
from qcore import KERNELS
json.dump({n: list(k.inspect_llvm().values()) for n, k in KERNELS.items()}, sys.stdout)
"""


def floats(codes: list[str]) -> list[str]:
    """Return the lines of a compiled function's LLVM code that mention a floating-point type."""
    found = []
    for code in codes:
        bodies = FUNCTION.findall(code)
        assert bodies, "no function in the LLVM code: this test would see nothing"
        for body in bodies:
            found += [line for line in body.splitlines() if FLOAT.search(line)]
    return found


@pytest.mark.slow
def test_no_kernel_holds_floating_point(tmp_path: Path) -> None:
    # Numba cannot show the code of what it loads from its cache: compile once more, elsewhere.
    fresh = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", DUMP], env=fresh, capture_output=True, text=True, check=True
    )
    codes: dict[str, Any] = json.loads(done.stdout)
    assert set(codes) == set(KERNELS)
    assert {name: floats(code) for name, code in codes.items() if floats(code)} == {}


def test_the_engine_and_all_it_calls_are_kernels() -> None:
    names = {name.rsplit(".", 1)[1] for name in KERNELS}
    assert {
        "advance", "step_layer", "learn_layer", "apply_layers", "read_features", "scatter_conv",
        "scatter_dense", "integrate", "fire_refractory", "fire_subtract", "fire_zero", "pool_max",
        "route", "advance_traces", "advance_features", "local_readout", "local_error",
        "local_delta", "conv_gradient", "bias_gradient", "apply_gradient", "normalise_features",
        "read_scores", "delta_rule", "remember", "recall", "regulate", "_bin",
    } <= names  # fmt: skip


def test_a_planted_float_is_found() -> None:
    @numba.njit("void(int32[::1])")
    def planted(values: Any) -> None:
        for i in range(values.shape[0]):
            values[i] = int(values[i] * 0.5)

    assert floats(list(planted.inspect_llvm().values()))
