"""Scatter and gather kernels against their naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import scatter
from tests.reference import kernels as naive
from tests.support.drives import check_drive, drawn_spikes

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


@given(SEEDS, st.integers(1, 4), st.integers(1, 5), st.integers(0, 4), st.integers(1, 20))
@FEW
def test_scatter_conv(seed: int, stride: int, kernel: int, pad: int, n: int) -> None:
    pad = min(pad, kernel - 1)
    drawn = drawn_spikes(np.random.default_rng(seed), stride, kernel, pad, n, 8)
    if drawn is None:
        return
    spikes, weights, shape = drawn
    if seed % 2:
        # As a map is gathered: spikes of one place in a row.
        spikes = np.ascontiguousarray(spikes[np.lexsort(spikes.T[[0, 2, 1]])])
    found = np.zeros(shape, np.int16)
    flipped = np.ascontiguousarray(weights[:, :, ::-1])
    operations = scatter.scatter_conv(spikes, 0, n, flipped, found, stride, pad, pad)
    check_drive(found, operations, spikes, weights, stride, pad)


def test_255_largest_spikes_do_not_overflow_the_drive() -> None:
    weights = np.full((1, 1, 1, 16), -128, np.int8)
    spikes = np.zeros((255, 3), np.int16)
    drive = np.zeros((1, 1, 16), np.int16)
    scatter.scatter_conv(spikes, 0, 255, weights, drive, 1, 0, 0)
    assert (drive == -128 * 255).all()
    spill = np.zeros(16, np.int32)
    scatter.flush_drive(drive.reshape(-1), spill)
    scatter.scatter_conv(spikes, 0, 255, weights, drive, 1, 0, 0)
    scatter.flush_drive(drive.reshape(-1), spill)
    assert (spill == -128 * 510).all()
    assert not drive.any()


@given(SEEDS, st.integers(1, 9), st.integers(1, 700), st.booleans())
@FEW
def test_the_drive_is_moved_away_before_a_neuron_sees_256_spikes(
    seed: int, kernel: int, count: int, by_row: bool
) -> None:
    rng = np.random.default_rng(seed)
    spikes = np.zeros((count, 3), np.int16)
    spikes[:, 1] = rng.integers(0, rng.integers(1, 12), count)
    if by_row:
        spikes[:, 1].sort()
    first = int(rng.integers(0, count))
    last = scatter.last_before_flush(spikes, first, count, kernel)

    def seen(taken: np.ndarray) -> int:
        at = np.bincount(taken[:, 1], minlength=1)
        return int(np.convolve(at, np.ones(kernel, int)).max())

    assert first < last <= count
    assert seen(spikes[first:last]) <= 255
    assert last - first >= min(255, count - first)
    if by_row and last < count:
        assert seen(spikes[first : last + 1]) == 256


@given(SEEDS, st.integers(1, 40), st.sampled_from([4096, 32767]))
@FEW
def test_sums_are_folded_back_where_all_fit(seed: int, n: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    edges = [most, -most, 0, most + 1, -most - 1, 3 * most] if seed % 2 else [most, -most, 5]
    total = rng.choice(edges, n)
    drive = rng.integers(-32640, 32641, n).astype(np.int16)
    spill = (total - drive).astype(np.int32)
    before = drive.copy(), spill.copy()
    beyond = bool((abs(total) > most).any())
    assert scatter.fold_drive(drive, spill, most) == int(beyond)
    if beyond:
        assert (drive == before[0]).all()
        assert (spill == before[1]).all()
    else:
        assert (drive == total).all()
        assert not spill.any()


@given(SEEDS, st.integers(1, 20))
@FEW
def test_scatter_dense_is_a_convolution_over_the_whole_map(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns, c_in, outputs = *rng.integers(1, 6, 3), int(rng.integers(1, 9))
    weights = rng.integers(-128, 128, (c_in, rows, columns, outputs)).astype(np.int8)
    spikes = rng.integers(0, [c_in, rows, columns], (n, 3)).astype(np.int16)
    found = np.zeros(outputs, np.int16)
    flat = np.ascontiguousarray(weights[:, :, ::-1]).reshape(-1, outputs)
    scatter.scatter_dense(spikes, 0, n, flat, found, rows, columns)
    wanted, _ = naive.drive(
        [tuple(map(int, s)) for s in spikes], weights, (1, 1, outputs), 1, (0, 0)
    )
    assert [int(v) for v in found] == [wanted[0, 0, k] for k in range(outputs)]


@given(SEEDS)
@FEW
def test_gather_lists_every_spike_in_memory_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fired = (rng.random(rng.integers(1, 6, 3)) < 0.3).astype(np.int8)
    spikes = np.zeros((fired.size, 3), np.int16)
    n = scatter.gather(fired, spikes)
    y, x, c = np.nonzero(fired)
    assert spikes[:n].tolist() == np.stack([c, y, x], 1).tolist()


@given(SEEDS)
@FEW
def test_gather_counts_lists_each_spike_as_often_as_it_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.choice([0, 0, 0, 1, 2, 5, 121], rng.integers(1, 6, 3)).astype(np.int8)
    spikes = np.zeros((int(counts.sum()) + 1, 3), np.int16)
    n = scatter.gather_counts(counts, spikes)
    wanted = [[c, y, x] for (y, x, c), k in np.ndenumerate(counts) for _ in range(k)]
    assert spikes[:n].tolist() == wanted


@given(SEEDS, st.integers(1, 60))
@FEW
def test_flush_drive(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    drive = rng.choice([-32640, 32640, 0, *rng.integers(-32640, 32640, 4)], n).astype(np.int16)
    spill = rng.integers(-(2**30), 2**30, n).astype(np.int32)
    wanted = [int(a) + int(b) for a, b in zip(drive, spill, strict=True)]
    scatter.flush_drive(drive, spill)
    assert spill.tolist() == wanted
    assert not drive.any()
