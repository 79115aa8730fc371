"""The paper's quantiser and the sigmoid's table, against their naive twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import local_learning, quantiser, surrogate
from tests.reference import kernels as naive
from tests.reference import paper_learning as paper

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


@given(st.integers(1, 2**31))
@FEW
def test_the_twin_finds_the_nearest_power(value: int) -> None:
    n = paper.nearest_power(value)
    assert abs(math.log2(value) - n) <= 0.5 + 1e-9


@given(SEEDS, st.integers(0, 20), st.integers(2, 8), st.integers(0, 3))
@FEW
def test_normalised_error(seed: int, shift: int, bits: int, dead: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 12))
    size = int(rng.choice([3, 2**10, 2**24, 2**26]))
    y = rng.integers(-size, size, classes).astype(np.int32)
    mean = (rng.integers(-(2**20), 2**20, classes) * rng.integers(0, 2, classes)).astype(np.int32)
    label, target = int(rng.integers(classes)), int(rng.choice([0, 5, 6000, 2**30]))
    rail = 2 ** (bits - 1) - 1
    if seed % 4 == 0:
        # No error at all is left.
        y[:], mean[:], target = 0, 0, 0
    wanted, means = paper.normalised_error(
        y.tolist(), mean.tolist(), label, target, shift, rail, dead
    )
    e = np.full(classes, 7, np.int32)
    left = quantiser.normalised_error(y, mean, label, target, shift, rail, dead, e)
    assert e.tolist() == wanted
    assert left == int(any(wanted))
    assert mean.tolist() == means


@given(SEEDS, st.integers(2, 8), st.integers(2, 7))
@FEW
def test_normalised_delta(seed: int, bits: int, activation_bits: int) -> None:
    rng = np.random.default_rng(seed)
    classes, units = (int(n) for n in rng.integers(1, 12, 2))
    rail, delta_rail = 2**activation_bits - 1, 2 ** (bits - 1) - 1
    G = rng.integers(-127, 128, (classes, units)).astype(np.int8)
    e = (rng.integers(-127, 128, classes) * rng.integers(0, 2, classes)).astype(np.int32)
    a = rng.choice([0, rail, *rng.integers(0, rail + 1, 4)], units).astype(np.int8)
    d = np.zeros(units, np.int8)
    n = quantiser.normalised_delta(G, e, a, d, np.ones(units, np.int32), rail, delta_rail)
    assert d.tolist() == paper.normalised_delta(G, e.tolist(), a.tolist(), rail, delta_rail)
    assert n == np.count_nonzero(d)


@given(SEEDS, st.integers(2, 8), st.integers(2, 7), st.sampled_from([(0, 1), (1, 0), (1, 1)]))
@example(622, 2, 2, (1, 1))  # every delta's activation is at a rail, where the slope is 0
@FEW
def test_finish_delta(seed: int, bits: int, activation_bits: int, ways: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 20))
    rail, delta_rail = 2**activation_bits - 1, 2 ** (bits - 1) - 1
    a = rng.integers(0, rail + 1, n).astype(np.int8)
    d = (rng.integers(-delta_rail, delta_rail + 1, n) * rng.integers(0, 2, n)).astype(np.int8)
    sigmoid, largest = ways
    wanted = paper.finished_delta(
        d.tolist(), a.tolist(), rail, delta_rail, bool(sigmoid), bool(largest)
    )
    quantiser.finish_delta(d, a, rail, delta_rail, sigmoid, largest)
    assert d.tolist() == wanted


@given(SEEDS, st.sampled_from([(0, 0), (0, 1), (1, 1)]), st.sampled_from([0, 16, 2**20]))
@FEW
def test_measured_gradients(seed: int, ways: tuple[int, int], step: int) -> None:
    rng = np.random.default_rng(seed)
    rows, outputs = (int(n) for n in rng.integers(1, 8, 2))
    outputs = int(rng.choice([outputs, 16]))  # or a vector's width
    g = rng.choice([0, 1, -1, 2**30, -(2**30), 12345], (rows, outputs)).astype(np.int32)
    g[:, rng.random(outputs) < 0.3] = 0
    centre, tensor = ways
    scale = paper.gradient_scale(g, bool(centre), bool(tensor))
    mean, bits = np.ones(outputs, np.int32), np.ones(outputs, np.int32)
    some = quantiser.measure_gradient(g, mean, bits, centre, tensor)
    assert some == g.any()
    assert (mean.tolist(), bits.tolist()) == scale
    store = rng.choice([511, -511, 0, 17], (rows, outputs)).astype(np.int16)
    weights = np.zeros(store.shape, np.int8)
    lanes = np.array(naive.splitmix_lanes(seed, 0, outputs), np.uint32)
    want = store.astype(int)
    states = naive.step_by_gradient(g.astype(int), want, lanes.tolist(), step, 6, -511, 511, scale)
    local_learning.apply_gradient(g, mean, bits, store, weights, lanes, 0, step, 6, 511, 2, 1)
    assert (store == want).all()
    assert lanes.tolist() == states


@given(st.integers(2, 7), SEEDS)
@FEW
def test_follow_sigmoid(bits: int, seed: int) -> None:
    a = np.arange(2**bits).astype(np.int8)
    np.random.default_rng(seed).shuffle(a)
    wanted = [paper.sigmoid(int(v), bits) for v in a]
    surrogate.follow_sigmoid(a, bits)
    assert a.tolist() == wanted


@pytest.mark.parametrize("bits", range(2, 8))
def test_no_entry_of_the_sigmoid_hangs_on_the_last_bits_of_a_float(bits: int) -> None:
    rail = 2**bits - 1
    for a in range(2**bits):
        value = rail / (1 + math.exp(4 - 8 * (a + 0.5) / 2**bits))
        assert abs(value % 1 - 0.5) > 1e-6
