"""Traces and features against their naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import trace
from tests.reference import kernels as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


@given(SEEDS, st.integers(3, 5), st.integers(4, 15), st.integers(4, 15))
@FEW
def test_traces(seed: int, slow: int, q_bits: int, p_bits: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    kick = 120 * 2**q_bits // 2**10
    rail, lift = 2**q_bits - 1, p_bits - q_bits
    Q = rng.integers(0, 2**q_bits, n).astype(np.int16)
    P = rng.integers(0, 2**p_bits, n).astype(np.int16)
    # Spikes, and the counts of a sum-pooled map, which drive Q to its rail.
    s = rng.choice([0, 1, 4, 121], n).astype(np.int8)
    wanted = [
        naive.trace(int(q), int(p), int(z), kick, 3, slow, rail, lift)
        for q, p, z in zip(Q, P, s, strict=True)
    ]
    before = Q.copy(), P.copy()
    changed = trace.advance_traces(s, Q, P, kick, 3, slow, rail, lift)
    assert Q.max() <= rail
    assert P.max() < 2**p_bits
    assert [(int(q), int(p)) for q, p in zip(Q, P, strict=True)] == wanted
    assert changed == int((before[0] != Q).any() or (before[1] != P).any())


def test_traces_stay_in_their_widths_and_go_back_to_rest() -> None:
    Q, P, on, off = (np.zeros(64, t) for t in (np.int16, np.int16, np.int8, np.int8))
    on[:] = 1
    for _ in range(2000):
        trace.advance_traces(on, Q, P, 120, 3, 5, 1023, 2)
        assert Q.max() < 2**10
        assert P.max() < 2**12
    assert 953 <= Q[0] <= 960
    for _ in range(2000):
        trace.advance_traces(off, Q, P, 120, 3, 5, 1023, 2)
    assert Q[0] == 0
    assert P[0] < 2**5


@given(SEEDS, st.integers(1, 10))
@FEW
def test_features(seed: int, slow: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    F = rng.choice([0, 1, 32767, *rng.integers(0, 32768, 5)], n).astype(np.int16)
    s = rng.choice([0, 1, 9, 121], n).astype(np.int8)
    wanted = [naive.feature(int(f), int(z), 512, slow) for f, z in zip(F, s, strict=True)]
    trace.advance_features(s, F, 512, slow)
    assert F.tolist() == wanted
