"""Runs of every length: what is left of vectors of 128, 64, 32, 16 and 8 is taken, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import pool, scatter
from tests.unit.qcore.kernels.test_twins import SEEDS

CHANNELS = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 127, 128, 130, 200, 256]))


@given(SEEDS, CHANNELS, st.integers(1, 3), st.sampled_from([0.0, 0.05, 1.0]))
@settings(max_examples=60, deadline=None)
def test_spikes_are_listed_and_pooled(seed: int, channels: int, size: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    fired = (rng.random((size * 2, size * 3 + 1, channels)) < share).astype(np.int8)
    spikes = np.full((fired.size + 1, 3), -7, np.int16)
    count = scatter.gather(fired, spikes)
    y, x, c = np.nonzero(fired)
    assert np.array_equal(spikes[:count], np.stack([c, y, x], 1))
    assert (spikes[count:] == -7).all()
    pooled = np.full((2, 3, channels), 5, np.int8)
    pool.pool_or(fired, pooled, size)
    windows = fired[:, : size * 3].reshape(2, size, 3, size, channels)
    assert (pooled == windows.max((1, 3))).all()
    counts = fired * rng.integers(1, 4, fired.shape).astype(np.int8)
    many = np.full((int(counts.sum(dtype=int)) + 1, 3), -7, np.int16)
    assert scatter.gather_counts(counts, many) == len(many) - 1
    wanted = np.repeat(np.stack([c, y, x], 1), counts[y, x, c], 0)
    assert np.array_equal(many[:-1], wanted)
    assert (many[-1] == -7).all()


@pytest.mark.parametrize("spikes", [1, 2, 4])
@given(SEEDS, CHANNELS)
@settings(max_examples=30, deadline=None)
def test_runs_that_lie_apart_are_added(spikes: int, seed: int, channels: int) -> None:
    """With a stride of two, neighbouring neurons see every other tap."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (4, 1, 5, channels)).astype(np.int8)
    around = rng.integers(-9, 9, (1, 5, channels)).astype(np.int16)
    drive = around.copy()
    listed = np.array([(c, 0, 4) for c in range(spikes)], np.int16)
    done = scatter.scatter_conv(listed, 0, spikes, weights, drive, 2, 0, 1)
    # Columns 1, 2 see taps 3, 1; that in column 0 would see tap 5, and column 3 tap -1.
    added = weights[:spikes, 0].sum(0, dtype=np.int16)[[1, 3]]
    assert (drive[0, 1:3] - around[0, 1:3] == added).all()
    assert (drive[0, [0, 3, 4]] == around[0, [0, 3, 4]]).all()
    assert done == spikes * 2 * channels


@pytest.mark.parametrize("spikes", [1, 2, 3, 4])
@given(SEEDS, CHANNELS)
@settings(max_examples=60, deadline=None)
def test_runs_are_added(spikes: int, seed: int, channels: int) -> None:
    """Spikes of one place are added together: one, two and four of them in one pass."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (4, 1, 3, channels)).astype(np.int8)
    around = rng.integers(-9, 9, (1, 4, channels)).astype(np.int16)
    drive = around.copy()
    listed = np.array([(c, 0, 1) for c in range(spikes)], np.int16)
    done = scatter.scatter_conv(listed, 0, spikes, weights, drive, 1, 0, 1)
    # Column x of the drive sees tap 1 + 1 - x; taps are stored from the last to the first.
    added = weights[:spikes, 0].sum(0, dtype=np.int16)
    assert (drive[0, :3] - around[0, :3] == added).all()
    assert (drive[0, 3] == around[0, 3]).all()
    assert done == spikes * 3 * channels
