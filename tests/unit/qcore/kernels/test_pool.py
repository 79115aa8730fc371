"""Pooling kernels against their naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import pool
from tests.reference import kernels as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


@given(SEEDS, st.integers(1, 4), st.floats(0, 1))
@FEW
def test_pooled_spikes_are_the_or(seed: int, size: int, activity: float) -> None:
    rng = np.random.default_rng(seed)
    rows, columns, channels = (int(n) for n in rng.integers(1, 5, 3))
    full = (rng.random((rows * size + 1, columns * size, channels)) < activity).astype(np.int8)
    pooled = np.ones((rows, columns, channels), np.int8)
    pool.pool_or(full, pooled, size)
    for y, x, c in np.ndindex(pooled.shape):
        window = full[y * size : (y + 1) * size, x * size : (x + 1) * size, c]
        assert pooled[y, x, c] == int(window.any())


@given(SEEDS, st.integers(1, 3))
@FEW
def test_pooling_and_its_way_back(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns, channels = (int(n) for n in rng.integers(1, 4, 3))
    full = rng.integers(0, 64, (rows * size + 1, columns * size, channels)).astype(np.int8)
    pooled = np.zeros((rows, columns, channels), np.int8)
    pool.pool_max(full, pooled, size)
    errors = rng.integers(-3, 4, pooled.shape).astype(np.int8)
    back = np.ones(full.shape, np.int8)
    pool.route(full, pooled, errors.copy(), back, size)
    wanted = np.zeros(full.shape, np.int8)
    for y, x, c in np.ndindex(pooled.shape):
        window = full[y * size : (y + 1) * size, x * size : (x + 1) * size, c]
        assert pooled[y, x, c] == window.max()
        dy, dx = np.unravel_index(int(window.argmax()), window.shape)
        wanted[y * size + dy, x * size + dx, c] = errors[y, x, c]
    assert (back == wanted).all()


@given(SEEDS, st.integers(1, 11), st.sampled_from([3, 63, 127]))
@FEW
def test_sum_pooling_and_its_way_back(seed: int, size: int, rail: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns, channels = (int(n) for n in rng.integers(1, 4, 3))
    shape = (rows * size + 1, columns * size, channels)
    fired = rng.integers(0, 2, shape).astype(np.int8) | np.int8(rng.integers(0, 2))
    counts = np.zeros((rows, columns, channels), np.int8)
    pool.pool_sum(fired, counts, size)
    # Windows that lie at an end as a whole, or but for one neuron, are among them.
    full = rng.integers(0, rail + 1, shape)
    full[rng.random(shape) < rng.choice([0, 0.5, 0.99, 1])] = rng.choice([0, rail])
    full = full.astype(np.int8)
    pooled = np.zeros_like(counts)
    pool.pool_mean(full, pooled, size, rail)
    errors = rng.integers(-127, 128, counts.shape).astype(np.int8)
    back = np.ones(shape, np.int8)
    pool.route_sum(full, errors, back, size, rail)
    wanted = np.zeros(shape, np.int8)
    for y, x, c in np.ndindex(counts.shape):
        there = (slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size), c)
        assert counts[y, x, c] == fired[there].astype(int).sum()
        values = [int(a) for a in full[there].reshape(-1)]
        assert pooled[y, x, c] == naive.pooled_activation(values, rail)
        wanted[there] = np.where((full[there] > 0) & (full[there] < rail), errors[y, x, c], 0)
    assert (back == wanted).all()
