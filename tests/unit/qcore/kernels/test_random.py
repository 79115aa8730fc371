"""Generators against their naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import random
from tests.reference import kernels as naive

FEW = settings(max_examples=60, deadline=None)


@given(st.integers(0, 2**62), st.integers(0, 5000), st.integers(1, 200))
@FEW
def test_generators_follow_splitmix_and_never_stand_at_zero(seed: int, stream: int, n: int) -> None:
    lanes = np.zeros(n, np.uint32)
    random.fill_lanes(lanes, seed, stream)
    assert lanes.tolist() == naive.splitmix_lanes(seed, stream, n)
    values = np.zeros(3 * n, np.int16)
    states = [int(s) for s in lanes]
    random.fill_uniform(values, lanes, 31)
    wanted = []
    for i in range(3 * n):
        states[i % n] = naive.xorshift(states[i % n])
        wanted.append(((states[i % n] * 63) >> 32) - 31)
    assert values.tolist() == wanted
