"""Gradients of sixteen channels measured and applied in vectors, against naive twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewire.qcore.kernels import gradient_vectors as vectors
from tests.reference import kernels as naive
from tests.unit.qcore.kernels.test_twins import FEW, SEEDS

pytestmark = pytest.mark.skipif(not vectors.HAS_VECTORS, reason="Numba is switched off")
LANES = vectors.LANES


@given(SEEDS, st.integers(1, 40))
@FEW
def test_sums_and_ends(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.choice([0, -1, 1, 2**30, -(2**30), 65535, -65536], (rows, LANES))
    g = np.where(
        rng.random(g_shape := (rows, LANES)) < 0.5, numbers, rng.integers(-(2**30), 2**30, g_shape)
    )
    g = g.astype(np.int32)
    found = np.full((4, LANES), 7, np.int32)
    vectors.measure_sixteen(g, found)
    assert ((found[1].astype(int) << 16) + found[0]).tolist() == g.sum(0, dtype=int).tolist()
    assert (found[2] == g.max(0)).all()
    assert (found[3] == g.min(0)).all()


def test_the_most_rows_do_not_overflow() -> None:
    found = np.zeros((4, LANES), np.int32)
    for value in (2**30, -1, 65535, -(2**30)):
        g = np.full((vectors.MOST_ROWS, LANES), value, np.int32)
        assert vectors.is_sixteen(g)
        vectors.measure_sixteen(g, found)
        assert ((found[1].astype(int) << 16) + found[0] == value * vectors.MOST_ROWS).all()
    assert not vectors.is_sixteen(np.zeros((vectors.MOST_ROWS + 1, LANES), np.int32))
    assert not vectors.is_sixteen(np.zeros((4, LANES + 1), np.int32))


@given(SEEDS, st.integers(0, 4), st.sampled_from([1, 64, 4096, 2**20]), st.integers(0, 12))
@FEW
def test_steps(seed: int, first: int, step: int, step_bits: int) -> None:
    rng = np.random.default_rng(seed)
    rows, shift, rail = int(rng.integers(1, 6)), 2, 511
    g = rng.choice([0, 1, -1, 2**30, -(2**30), 12345], (rows, LANES)).astype(np.int32)
    mean = rng.integers(-(2**20), 2**20, LANES).astype(np.int32)
    powers = [int(abs(int(top)) + 2**20).bit_length() for top in np.abs(g.astype(int)).max(0)]
    store = rng.choice([511, -511, 0, 17, -200], (rows, first + LANES + 1))
    weights = np.array(
        [[naive.used_weight(int(w), 10, 8, True) for w in row] for row in store], np.int8
    )
    rests = (store - (weights.astype(int) << shift)).astype(np.int8)
    lanes = naive.splitmix_lanes(seed, 0, LANES)
    divided = [bits + 4 + step_bits for bits in powers]
    before = [max(0, bits - 31) for bits in divided]
    after = [bits - less for bits, less in zip(divided, before, strict=True)]
    masks = [2**bits - 1 for bits in after]
    columns = np.array([mean, lanes, before, after, masks], np.int64).astype(np.uint32)
    columns = columns.view(np.int32).copy()
    want = store.copy()
    part = want[:, first : first + LANES]
    states = naive.step_by_gradient(
        g.astype(int), part, lanes, step, step_bits, -rail, rail, (mean.tolist(), powers)
    )
    numbers = np.array([step, shift, 2, -rail, rail, -127, 127], np.int64)
    vectors.apply_sixteen(g, columns, rests, weights, first, numbers)
    assert ((weights.astype(int) << shift) + rests == want).all()
    used = [naive.used_weight(int(w), 10, 8, True) for w in want[:, first : first + LANES].flat]
    assert weights[:, first : first + LANES].reshape(-1).tolist() == used
    assert columns[1].view(np.uint32).tolist() == states
    assert not g.any()
