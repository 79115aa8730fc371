"""The temporal layer's kernels against plain Python, on drawn inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import readout, temporal
from tests.reference import kernels as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


def bits_of(rng: np.random.Generator, delays: int, wide: int) -> np.ndarray:
    return rng.integers(-128, 128, (delays, wide)).astype(np.int8) & rng.integers(
        -128, 128, (delays, wide)
    ).astype(np.int8)


def set_rows(bits: np.ndarray) -> list[int]:
    """Indices of the set bits, in the order of the store's rows."""
    flat = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little").ravel()
    return [int(n) for n in np.flatnonzero(flat)]


@given(SEEDS, st.integers(1, 40), st.sampled_from([0, 1, 3, 300, 32767]))
@FEW
def test_marked_features(seed: int, n: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    F = (rng.integers(0, most + 1, n) * (rng.random(n) < 0.6)).astype(np.int16)
    bits = rng.integers(-128, 128, -(-n // 8)).astype(np.int8)
    readout.mark_features(F, bits)
    total = sum(int(f) ** 2 for f in F)
    marked = [f > 0 and int(f) ** 2 * n >= total for f in F]
    assert set_rows(bits[None]) == [i for i, one in enumerate(marked) if one]


@given(SEEDS, st.integers(1, 4), st.integers(1, 3), st.integers(1, 20))
@FEW
def test_summed_rows(seed: int, delays: int, wide: int, units: int) -> None:
    rng = np.random.default_rng(seed)
    bits = bits_of(rng, delays, wide)
    store = rng.integers(-32768, 32768, (delays * 8 * wide, units)).astype(np.int16)
    a = rng.integers(-9, 9, units).astype(np.int32)
    rows = set_rows(bits)
    assert temporal.sum_rows(bits, store, a) == len(rows)
    assert a.tolist() == [sum(int(store[i, j]) >> 8 for i in rows) for j in range(units)]


@given(SEEDS, st.integers(0, 5000), st.integers(0, 20))
@FEW
def test_activity_of_hidden_units(seed: int, ones: int, slope: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(-128 * (ones + 1), 127 * (ones + 1), 9).astype(np.int32)
    thresholds = rng.integers(temporal.LEAST_THRESHOLD, temporal.MOST_THRESHOLD, 9)
    h = np.empty(9, np.int16)
    height = temporal.activate_hidden(a, ones, thresholds.astype(np.int32), slope, h)
    assert height == math.isqrt(2**20 // max(ones, 1))
    assert h.tolist() == [
        naive.clip((int(one) * height - int(t)) >> slope, 0, 127)
        for one, t in zip(a, thresholds, strict=True)
    ]


@given(SEEDS, st.integers(1, 6), st.integers(1, 70))
@FEW
def test_scores_of_hidden_units(seed: int, classes: int, units: int) -> None:
    rng = np.random.default_rng(seed)
    V = rng.integers(-32768, 32768, (classes, units)).astype(np.int16)
    h = rng.integers(0, 128, units).astype(np.int16)
    y = rng.integers(-(2**25), 2**25, classes).astype(np.int32)
    wanted = [
        int(one) + sum((int(v) >> 8) * 2 * int(n) for v, n in zip(row, h, strict=True))
        for one, row in zip(y, V, strict=True)
    ]
    temporal.add_hidden(V, h, y)
    assert y.tolist() == wanted


@given(SEEDS, st.integers(1, 5), st.integers(8, 30))
@FEW
def test_error_brought_back(seed: int, classes: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    units, target, dead = 11, 2**18, 2**12
    y = rng.integers(-(2**20), 2**20, classes).astype(np.int32)
    label = int(rng.integers(classes))
    shifts = np.array([shift + int(rng.integers(0, 3)) for _ in range(classes)], np.int64)
    h = rng.choice([0, 1, 60, 126, 127], units).astype(np.int16)
    V = rng.integers(-32768, 32768, (classes, units)).astype(np.int16)
    lanes = np.array(naive.splitmix_lanes(seed, 0, 64), np.uint32)
    states, read = [int(n) for n in lanes], V.astype(int)
    back = [0] * units
    for k in range(classes):
        e = (target if k == label else 0) - int(y[k])
        if (e if k == label else -e) <= dead:
            continue
        for j in range(units):
            if h[j]:
                back[j] += (int(V[k, j]) >> 8) * (e >> int(shifts[k] - shift))
                states[j] = naive.xorshift(states[j])
                step = (e * 2 * int(h[j]) + states[j] % 2 ** int(shifts[k])) >> int(shifts[k])
                read[k, j] = naive.clip(int(read[k, j]) + step, -32768, 32767)
    found = rng.integers(-9, 9, units)
    temporal.teach_hidden(y, label, target, dead, shifts, shift, h, V, lanes, found)
    assert found.tolist() == [b if n < 127 else 0 for b, n in zip(back, h, strict=True)]
    assert (read == V).all()
    assert lanes.tolist() == states


@given(SEEDS, st.integers(1, 46), st.integers(1, 48))
@FEW
def test_steps_of_rows(seed: int, shift: int, bits_of_error: int) -> None:
    rng = np.random.default_rng(seed)
    delays, wide, units = 2, 1, 9
    bits = bits_of(rng, delays, wide)
    store = rng.integers(-32768, 32768, (delays * 8 * wide, units)).astype(np.int16)
    back = rng.integers(-(2**bits_of_error), 2**bits_of_error, units)
    height = int(rng.integers(1, 1025))
    lanes = np.array(naive.splitmix_lanes(seed, 0, 64), np.uint32)
    states, wanted, spare = [int(n) for n in lanes], store.astype(int), max(0, shift - 31)
    for i in set_rows(bits):
        for j in range(units):
            states[j] = naive.xorshift(states[j])
            noise = states[j] % 2 ** (shift - spare)
            step = ((int(back[j]) * height >> spare) + noise) >> (shift - spare)
            wanted[i, j] = naive.clip(int(wanted[i, j]) + step, -32768, 32767)
    temporal.step_rows(bits, store, back, height, shift, lanes)
    assert (store == wanted).all()
    assert lanes.tolist() == states


@given(SEEDS, st.integers(1, 4), st.sampled_from([0, 20, 5000]), st.sampled_from([8, 12]))
@FEW
def test_regulation_of_hidden_units(seed: int, period: int, periods: int, slowest: int) -> None:
    rng = np.random.default_rng(seed)
    units, low, high = 5, 16000, 33000
    thresholds = rng.choice([64, 65, 900, 2**22 - 1, 2**22], units).astype(np.int32)
    counts = np.array([0] * (units + 1) + [periods], np.int32)
    now, active = [int(t) for t in thresholds], [0] * units
    for lesson in range(1, 2 * period + 1):
        h = rng.integers(0, 2, units).astype(np.int16)
        active = [n + int(one) for n, one in zip(active, h, strict=True)]
        temporal.regulate_hidden(h, counts, thresholds, period, low, high, slowest)
        if lesson % period == 0:
            gain = min(slowest, min(8, 2 + periods // 16) + (periods // 1024).bit_length())
            for j, n in enumerate(active):
                rate, step = n * 65536 // period, max(1, now[j] >> gain)
                now[j] += step * (rate > high) - step * (rate < low)
                now[j] = naive.clip(now[j], 64, 2**22)
            active, periods = [0] * units, periods + 1
        assert thresholds.tolist() == now
    assert counts.tolist() == [0] * (units + 1) + [periods]


def test_no_bit_is_no_input() -> None:
    a = np.full(3, 7, np.int32)
    assert temporal.sum_rows(np.zeros((2, 1), np.int8), np.ones((16, 3), np.int16), a) == 0
    assert a.tolist() == [0, 0, 0]
    with pytest.raises(TypeError):
        temporal.sum_rows(np.zeros((2, 1)), np.ones((16, 3), np.int16), a)
