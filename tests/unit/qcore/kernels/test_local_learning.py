"""Local learning kernels against their naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import gradient, local_learning, quantiser
from spikewire.qcore.network.model_file import MOST_CLASSES
from spikewire.qcore.network.spec import MOST_CARRYING
from tests.reference import kernels as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


@given(SEEDS, st.integers(0, 12), st.integers(0, 6), st.integers(0, 3))
@FEW
def test_local_error_and_delta(seed: int, error_shift: int, delta_shift: int, dead: int) -> None:
    rng = np.random.default_rng(seed)
    classes, units = (int(n) for n in rng.integers(1, 12, 2))
    G = rng.integers(-31, 32, (classes, units)).astype(np.int8)
    a = rng.choice([0, 63, *rng.integers(0, 64, 4)], units).astype(np.int8)
    y = np.zeros(classes, np.int32)
    local_learning.local_readout(G, a, y)
    assert y.tolist() == (G.astype(int) @ a.astype(int)).tolist()
    mean = (rng.integers(-(2**20), 2**20, classes) * rng.integers(0, 2, classes)).astype(np.int32)
    label = int(rng.integers(classes))
    wanted, means = naive.local_error(y.tolist(), mean.tolist(), label, 6000, error_shift, 31, dead)
    e = np.zeros(classes, np.int32)
    left = local_learning.local_error(y, mean, label, 6000, error_shift, 31, dead, e)
    assert e.tolist() == wanted
    assert mean.tolist() == means
    assert left == int(any(wanted))
    d = np.zeros(units, np.int8)
    most = int(rng.choice([1, 31, 127]))
    n = local_learning.local_delta(G, e, a, d, np.ones(units, np.int32), delta_shift, 63, most)
    assert d.tolist() == naive.delta(G, wanted, a.tolist(), delta_shift, 63, most)
    assert n == np.count_nonzero(d)


@given(
    SEEDS, st.integers(0, 18), st.integers(2, 8), st.integers(0, 9),
    st.just(-1) | st.integers(0, 30),
)  # fmt: skip
@FEW
def test_errors_of_the_trained_readout(
    seed: int, height: int, bits: int, delta_shift: int, carry_shift: int
) -> None:
    rng = np.random.default_rng(seed)
    classes, units, before, after = (int(n) for n in rng.integers(1, 9, 4))
    store = rng.integers(-(2**15), 2**15, (classes, before + units + after)).astype(np.int16)
    a = rng.choice([0, 63, *rng.integers(0, 64, 4)], units).astype(np.int8)
    target, rail = 2**height, 2 ** (bits - 1) - 1
    y = rng.integers(-2 * target, 2 * target + 1, classes).astype(np.int32)
    label, dead = int(rng.integers(classes)), int(rng.integers(0, target // 8 + 1))
    wanted = naive.trained_errors(y.tolist(), label, target, dead, bits)
    shift = max(height + 1 - bits, 0)
    left = local_learning.trained_error(y, label, target, dead, shift, rail)
    assert y.tolist() == wanted
    assert left == int(any(wanted))
    d = np.zeros(units, np.int8)
    most = int(rng.choice([1, 31, 127]))
    carried = rng.choice([0, 1, -1, 2**29, -(2**29), 30000, -70000], units + 1).astype(np.int32)
    more = [int(s) // 2**carry_shift if carry_shift >= 0 else 0 for s in carried[:units]]
    W = store[:, before : before + units].astype(int) >> 8
    # A layer that is not read hears of no class.
    for heard in (len(wanted), 0):
        n = local_learning.trained_delta(
            store, before, y[:heard], a, d, carried.copy(), carry_shift, delta_shift, 63, most
        )
        found = naive.delta(W, wanted[:heard], a.tolist(), delta_shift, 63, most, more)
        assert d.tolist() == found
        assert n == np.count_nonzero(d)


@given(SEEDS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
@FEW
def test_errors_carried_back(seed: int, stride: int, high: int, wide: int) -> None:
    rng = np.random.default_rng(seed)
    rows_in, columns_in, c_in = (int(n) for n in rng.integers(1, 8, 3))
    c_out = int(rng.choice([1, 3, 16, 37]))
    pad_y, pad_x = int(rng.integers(high)), int(rng.integers(wide))
    if seed % 4 == 0:  # a dense layer
        high, wide, stride, pad_y, pad_x = rows_in, columns_in, 1, 0, 0
    rows = (rows_in + 2 * pad_y - high) // stride + 1
    columns = (columns_in + 2 * pad_x - wide) // stride + 1
    if min(rows, columns) < 1:
        return
    d = rng.choice([0, 0, -127, 127, 5], (rows, columns, c_out)).astype(np.int8)
    d[rng.random((rows, columns)) < 0.3] = 0
    weights = rng.choice([0, -128, 127, 3, -9], (c_in, high, wide, c_out)).astype(np.int8)
    sums = np.full((rows_in, columns_in, c_in), 7, np.int32)
    backwards = np.ascontiguousarray(weights[:, :, ::-1])
    local_learning.carry_back(d, backwards, sums, stride, pad_y, pad_x)
    assert (sums == naive.carried_back(d, weights, sums.shape, stride, (pad_y, pad_x))).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_most_carried_errors_fit_beside_those_of_the_most_classes(sign: int) -> None:
    weights = np.full((1, 8, 8, 2048), -128, np.int8)
    assert weights.size == MOST_CARRYING
    delta = np.full((8, 8, 2048), -127 * sign, np.int8)
    sums = np.zeros((1, 1, 1), np.int32)
    local_learning.carry_back(delta, weights, sums, 1, 7, 7)
    assert sums[0, 0, 0] == sign * 2**17 * 2**7 * 127
    store = np.full((MOST_CLASSES, 1), -(2**15), np.int16)
    error = np.full(MOST_CLASSES, -127 * sign, np.int32)
    found = np.zeros(1, np.int8)
    inside = np.array([5], np.int8)
    local_learning.trained_delta(store, 0, error, inside, found, sums.reshape(-1), 0, 24, 63, 127)
    assert found[0] == sign * 127


@given(SEEDS, st.integers(0, 256))
@FEW
def test_adding_a_local_readout(seed: int, gain: int) -> None:
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(1, 12))
    scores, y, mean = rng.integers(-(2**30), 2**30, (3, classes)).astype(np.int32)
    mean *= rng.integers(0, 2, classes).astype(np.int32)
    if seed % 2:
        y, mean = y >> 12, mean >> 12
    wanted = naive.add_readout(scores.tolist(), y.tolist(), mean.tolist(), gain)
    local_learning.add_readout(scores, y, mean, gain)
    assert scores.tolist() == wanted


@given(SEEDS, st.integers(1, 3), st.integers(1, 4), st.integers(0, 3), st.integers(-3, 5))
@FEW
def test_conv_gradient(seed: int, stride: int, kernel: int, pad: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    rows_in, columns_in, c_in, c_out = (int(n) for n in rng.integers(1, 6, 4))
    pad = min(pad, kernel - 1)
    rows = (rows_in + 2 * pad - kernel) // stride + 1
    columns = (columns_in + 2 * pad - kernel) // stride + 1
    if min(rows, columns) < 1:
        return
    d = rng.choice([0, 0, -127, 127, 5], (rows, columns, c_out)).astype(np.int8)
    P = rng.choice([0, 3840, 77], (rows_in, columns_in, c_in)).astype(np.int16)
    g = np.zeros((c_in, kernel, kernel, c_out), np.int32)
    gradient.conv_gradient(d, P, g, stride, pad, pad, shift)
    assert (g[:, :, ::-1] == naive.gradient(d, P, g.shape, stride, pad, shift)).all()
    bias = np.zeros(c_out, np.int32)
    local_learning.bias_gradient(d, bias)
    assert bias.tolist() == d.astype(int).sum((0, 1)).tolist()


@given(
    SEEDS, st.sampled_from([0, 1, 16, 4096, 2**20]), st.integers(8, 16), st.integers(2, 8),
    st.sampled_from([0, 1, 6, 12]), st.booleans(),
)  # fmt: skip
@FEW
def test_apply_gradient(
    seed: int, step: int, width: int, used: int, step_bits: int, rounded: bool
) -> None:
    rng = np.random.default_rng(seed)
    rows, outputs = (int(n) for n in rng.integers(1, 8, 2))
    rail = 2 ** (width - 1) - 1
    g = rng.choice([0, 1, -1, 2**30, -(2**30), 12345], (rows, outputs)).astype(np.int32)
    g[:, rng.random(outputs) < 0.3] = 0
    low = -rail if rounded else -rail - 1
    half = 2 ** (width - used) // 2
    choice = [rail, low, 0, 17, half, -half, half - 1, -half - 1, 3 * half]
    store = rng.choice([one for one in choice if low <= one <= rail], (rows, outputs))
    store = store.astype(np.int16)
    weights = np.zeros(store.shape, np.int8)
    lanes = np.array(naive.splitmix_lanes(seed, 0, outputs), np.uint32)
    states = [int(s) for s in lanes]
    want = store.astype(int)
    states = naive.step_by_gradient(g.astype(int), want, states, step, step_bits, low, rail)
    mean, bits = np.zeros(outputs, np.int32), np.zeros(outputs, np.int32)
    some = quantiser.measure_gradient(g, mean, bits, 1, 0)
    assert some == g.any()
    for k in range(outputs):
        column = [int(v) for v in g[:, k]]
        assert mean[k] == sum(column) // rows
        assert bits[k] == max(abs(v - int(mean[k])) for v in column).bit_length()
    local_learning.apply_gradient(
        g, mean, bits, store, weights, lanes, 0, step, step_bits, rail, width - used, int(rounded)
    )
    assert (store == want).all()
    cut = [naive.used_weight(int(w), width, used, rounded) for w in want.reshape(-1)]
    assert weights.reshape(-1).tolist() == cut
    assert not g.any()
    assert lanes.tolist() == states


@pytest.mark.parametrize("step", [1, 5, 9])
@pytest.mark.parametrize("sign", [-1, 1])
def test_stochastic_rounding_is_unbiased_for_both_signs(sign: int, step: int) -> None:
    n = 20000
    # Half the weights are pushed one way, half the other: the mean that is taken off is zero.
    g = np.tile(np.array([[100], [-100]], np.int32), (n, 1)) * np.int32(sign)
    store = np.zeros((2 * n, 1), np.int16)
    lanes = np.array([12345], np.uint32)
    mean, bits = np.zeros(1, np.int32), np.zeros(1, np.int32)
    assert quantiser.measure_gradient(g, mean, bits, 1, 0)
    weights = np.zeros(store.shape, np.int8)
    local_learning.apply_gradient(g, mean, bits, store, weights, lanes, 0, step, 0, 32767, 8, 0)
    expected = sign * 100 * step / 2 ** (7 + 4)
    # Four standard errors of a mean of n roundings, each with a variance of at most 1/4.
    assert abs(store[0::2].mean() - expected) < 4 * 0.5 / n**0.5
    assert abs(store[1::2].mean() + expected) < 4 * 0.5 / n**0.5
