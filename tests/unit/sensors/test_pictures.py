"""Pictures of changed cells: compared with counts made one event after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.sensors import IntervalCounts, PictureCounts, unpack_picture


def scattered(size, count, seed=1):
    rng = np.random.default_rng(seed)
    x, y = (rng.integers(0, most, count).astype(np.uint16) for most in size)
    return x, y, rng.integers(0, 2, count).astype(np.uint8)


def naive(x, y, p, size, scale):
    counts = np.zeros((-(-size[1] // scale), -(-size[0] // scale), 2), np.int64)
    for column, row, on in zip(x.tolist(), y.tolist(), p.tolist(), strict=True):
        counts[row // scale, column // scale, on] += 1
    return np.minimum(counts, 255)


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 50)), st.integers(1, 4), st.integers(0, 600),
    st.integers(0, 100),
)  # fmt: skip
def test_packed_cells_are_the_counts(size, scale, count, seed):
    events = scattered(size, count, seed)
    picture = PictureCounts(size, scale)
    for start in range(0, count, 100):
        picture.add(*(column[start : start + 100] for column in events))
    wanted = naive(*events, size, scale)
    assert np.array_equal(picture.counts(), wanted)
    assert (picture.on, picture.off) == (int(events[2].sum()), count - int(events[2].sum()))
    packed = picture.pack(1 << 20)
    assert np.array_equal(unpack_picture(packed, picture.shape), wanted)
    assert picture.pack(len(packed)) == packed
    if packed:
        assert picture.pack(len(packed) - 1) is None
    picture.clear()
    assert (picture.pack(0), picture.on, picture.off) == (b"", 0, 0)


@pytest.mark.parametrize(
    ("on", "off"), [(3, 0), (0, 7), (1, 1), (8, 0), (2, 1), (255, 0), (300, 9)]
)
def test_the_document_says_how_a_cell_is_packed(on, off):
    picture = PictureCounts((300, 2))
    x, y = np.full(on + off, 2, np.uint16), np.zeros(on + off, np.uint16)
    picture.add(x, y, (np.arange(on + off) < on).astype(np.uint8))
    kind = on if not off and on < 8 else off + 7 if not on and off < 8 else 15 if on == off else 0
    more = b"" if kind else bytes([min(on, 255), off])
    assert picture.pack(100) == bytes([0x20 | kind]) + more


def test_a_far_cell_is_told_by_a_number():
    picture = PictureCounts((300, 2))
    picture.add(np.array([299], np.uint16), np.array([1], np.uint16), np.array([1], np.uint8))
    # 599 empty cells: 15, and 584 = 4 * 128 + 72.
    assert picture.pack(100) == bytes([0xF1, 72 | 128, 4])


@pytest.mark.parametrize("portion", [1, 37, 500])
def test_times_between_events_of_a_pixel_are_counted_in_powers_of_two(portion):
    rng = np.random.default_rng(1)
    t = np.cumsum(2 ** rng.integers(0, 16, 500)).astype(np.int64)
    x, y, _ = scattered((5, 3), 500)
    counts = IntervalCounts((5, 3))
    for start in range(0, 500, portion):
        counts.add(*(column[start : start + portion] for column in (t, x, y)))
    bins, last = [0] * 32, {}
    for now, *pixel in zip(t.tolist(), x.tolist(), y.tolist(), strict=True):
        if (before := last.get(tuple(pixel))) is not None:
            bins[min(31, max(1, now - before).bit_length() - 1)] += 1
        last[tuple(pixel)] = now
    assert counts.take() == bins
    assert counts.take() == [0] * 32


def test_halving_joins_cells_and_saturates():
    x, y, p = scattered((9, 5), 20_000)
    fine = PictureCounts((9, 5))
    fine.add(x[:500], y[:500], p[:500])
    assert np.array_equal(fine.halved().counts(), naive(x[:500], y[:500], p[:500], (9, 5), 2))
    fine.add(x, y, p)
    half = fine.halved()
    assert (half.scale, half.shape) == (2, (5, 3))
    assert (half.on, half.off) == (fine.on, fine.off)
    assert half.counts().max() == 255


@pytest.mark.parametrize("packed", [b"\x10" + b"\x01", b"\xf1", b"\x01" * 5, b"\xf1\x80"])
def test_damaged_bytes_are_refused(packed):
    with pytest.raises(ValueError, match="no picture of 2x2"):
        unpack_picture(packed, (2, 2))
