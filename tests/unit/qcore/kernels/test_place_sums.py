"""The drive summed by place, against the naive twin and against that added spike by spike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import place_sums, scatter
from tests.support.drives import check_drive, drawn_spikes

SEEDS = st.integers(0, 2**32 - 1)
CHANNELS = st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 96, 127, 128, 130, 200, 256]))
MOST = 32766


def _summed(
    spikes: npt.NDArray[np.int16], weights: npt.NDArray[np.int8], shape: Any, *rest: int
) -> tuple[npt.NDArray[np.int16], int]:
    """Sum by place, with the weights' columns in the order of memory."""
    found = np.zeros(shape, np.int16)
    flipped = np.ascontiguousarray(weights[:, :, ::-1])
    return found, place_sums.add_by_place(spikes, len(spikes), flipped, found, *rest)


@given(SEEDS, st.integers(1, 4), st.integers(1, 5), st.integers(0, 4), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_what_places_see_is_summed(seed: int, stride: int, kernel: int, pad: int, n: int) -> None:
    pad = min(pad, kernel - 1)
    drawn = drawn_spikes(np.random.default_rng(seed), stride, kernel, pad, n, 9)
    if drawn is None:
        return
    spikes, weights, shape = drawn
    found, operations = _summed(spikes, weights, shape, stride, pad, pad, MOST)
    check_drive(found, operations, spikes, weights, stride, pad)


@given(SEEDS, CHANNELS, st.integers(1, 2), st.sampled_from([1, 30, 254]))
@settings(max_examples=60, deadline=None)
def test_all_channels_are_summed_and_no_others(
    seed: int, channels: int, stride: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (2, 3, 4, channels)).astype(np.int8)
    spikes = rng.integers(0, [2, 7, 12], (count, 3)).astype(np.int16)
    rows, columns = (5, 10) if stride == 1 else (3, 5)
    wanted = np.zeros((rows, columns, channels), np.int16)
    done = scatter.scatter_conv(spikes, 0, count, weights, wanted, stride, 0, 1)
    around = np.full((rows * columns + 2) * channels, 7, np.int16)
    found = around[channels:-channels].reshape(rows, columns, channels)
    found[...] = 0
    assert place_sums.add_by_place(spikes, count, weights, found, stride, 0, 1, MOST) == done
    assert np.array_equal(found, wanted)
    assert (around[:channels] == 7).all()
    assert (around[-channels:] == 7).all()


@given(SEEDS, st.integers(1, 40), st.integers(256, 3000), st.sampled_from([3, 128]))
@settings(max_examples=40, deadline=None)
def test_more_than_255_spikes_are_summed_where_the_sums_fit(
    seed: int, channels: int, count: int, largest: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-largest, largest, (3, 5, 3, channels)).astype(np.int8)
    spikes = rng.integers(0, [3, 8, 7], (count, 3)).astype(np.int16)
    most = int(rng.choice([MOST, 3000]))
    whole = np.zeros((4, 5, channels), np.int64)
    for c, y, x in spikes:
        for oy in range(max(0, y - 4), min(4, y + 1)):
            for ox in range(max(0, x - 2), min(5, x + 1)):
                whole[oy, ox] += weights[c, y - oy, x - ox]
    found, operations = _summed(spikes, weights, whole.shape, 1, 0, 0, most)
    if operations < 0:
        assert not found.any()
        # Three columns of a row are never seen more than 255 times at fewer than these spikes.
        assert abs(whole).max() > most or largest == 128 or count > 1500
    else:
        assert np.array_equal(found, whole)
        assert abs(whole).max() <= most


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("spikes", "fits"), [(256, True), (258, False), (260, False)])
def test_sums_beyond_16_bits_are_refused(sign: int, spikes: int, fits: bool) -> None:
    """Two rows are summed one after the other: 127 * 258 is 32,766, as far as a drive may go."""
    weights = np.full((1, 2, 1, 3), 127 * sign, np.int8)
    listed = np.zeros((spikes, 3), np.int16)
    listed[::2, 1] = 1
    most = 127 * 257
    found, operations = _summed(listed, weights, (1, 1, 3), 1, 0, 0, most)
    assert operations == (spikes * 3 if fits else -1)
    assert (found == (sign * 127 * spikes if fits else 0)).all()


def test_a_row_with_too_many_spikes_of_a_place_is_refused() -> None:
    spikes = np.zeros((256, 3), np.int16)
    found, operations = _summed(spikes, np.ones((1, 1, 1, 8), np.int8), (1, 1, 8), 1, 0, 0, MOST)
    assert operations == -1
    assert not found.any()
    found, operations = _summed(
        spikes[:255], np.full((1, 1, 1, 8), -128, np.int8), (1, 1, 8), 1, 0, 0, MOST
    )
    assert operations == 255 * 8
    assert (found == -128 * 255).all()
