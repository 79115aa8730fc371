"""Each kernel against its naive twin, bit for bit, on drawn shapes and values and at the rails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import fixed_point as _fixed
from spikewire.qcore.kernels import homeostasis as _regulate
from spikewire.qcore.kernels import local_learning as _local
from spikewire.qcore.kernels import neuron as _neuron
from spikewire.qcore.kernels import pool as _pool
from spikewire.qcore.kernels import random as _random
from spikewire.qcore.kernels import readout as _readout
from spikewire.qcore.kernels import scatter as _scatter
from spikewire.qcore.kernels import trace as _trace
from tests.reference import kernels as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)

FIRE = {
    "coarse1": _neuron.fire_coarse,
    "coarse2": _neuron.fire_coarse,
    "coarse8": _neuron.fire_coarse,
    "refractory": _neuron.fire_refractory,
    "subtract": _neuron.fire_subtract,
    "zero": _neuron.fire_zero,
}


@given(st.integers(-(2**24) + 1, 2**24 - 1), st.integers(0, 4096))
@FEW
def test_decay_truncates_toward_zero(value: int, keep: int) -> None:
    assert int(_fixed.decay(np.int32(value), np.int32(keep))) == naive.decay(value, keep)


@pytest.mark.parametrize("value", [-(2**31), -_fixed.RAIL - 1, _fixed.RAIL + 1, 2**31 - 1])
def test_saturation_stops_at_the_rails(value: int) -> None:
    wanted = int(np.sign(value)) * int(_fixed.RAIL)
    assert int(_fixed.saturate(np.int32(value))) == wanted


@given(SEEDS, st.integers(1, 4), st.integers(1, 5), st.integers(0, 4), st.integers(1, 20))
@FEW
def test_scatter_conv(seed: int, stride: int, kernel: int, pad: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows_in, columns_in, c_in, c_out = *rng.integers(1, 8, 2), *rng.integers(1, 5, 2)
    pad = min(pad, kernel - 1)
    rows, columns = (np.array([rows_in, columns_in]) + 2 * pad - kernel) // stride + 1
    if min(rows, columns) < 1:
        return
    weights = rng.integers(-128, 128, (c_in, kernel, kernel, c_out)).astype(np.int8)
    spikes = rng.integers(0, [c_in, rows_in, columns_in], (n, 3)).astype(np.int16)
    if seed % 2:
        # As a map is gathered: spikes of one place in a row.
        spikes = np.ascontiguousarray(spikes[np.lexsort(spikes.T[[0, 2, 1]])])
    found = np.zeros((rows, columns, c_out), np.int16)
    flipped = np.ascontiguousarray(weights[:, :, ::-1])
    operations = _scatter.scatter_conv(spikes, 0, n, flipped, found, stride, pad, pad)
    wanted, expected = naive.drive(
        [tuple(map(int, s)) for s in spikes], weights, found.shape, stride, (pad, pad)
    )
    assert {i: int(v) for i, v in np.ndenumerate(found)} == wanted
    assert operations == expected


def test_255_largest_spikes_do_not_overflow_the_drive() -> None:
    weights = np.full((1, 1, 1, 16), -128, np.int8)
    spikes = np.zeros((255, 3), np.int16)
    drive = np.zeros((1, 1, 16), np.int16)
    _scatter.scatter_conv(spikes, 0, 255, weights, drive, 1, 0, 0)
    assert (drive == -128 * 255).all()
    spill = np.zeros(16, np.int32)
    _scatter.flush_drive(drive.reshape(-1), spill)
    _scatter.scatter_conv(spikes, 0, 255, weights, drive, 1, 0, 0)
    _scatter.flush_drive(drive.reshape(-1), spill)
    assert (spill == -128 * 510).all()
    assert not drive.any()


@given(SEEDS, st.integers(1, 20))
@FEW
def test_scatter_dense_is_a_convolution_over_the_whole_map(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns, c_in, outputs = *rng.integers(1, 6, 3), int(rng.integers(1, 9))
    weights = rng.integers(-128, 128, (c_in, rows, columns, outputs)).astype(np.int8)
    spikes = rng.integers(0, [c_in, rows, columns], (n, 3)).astype(np.int16)
    found = np.zeros(outputs, np.int16)
    flat = np.ascontiguousarray(weights[:, :, ::-1]).reshape(-1, outputs)
    _scatter.scatter_dense(spikes, 0, n, flat, found, rows, columns)
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
    n = _scatter.gather(fired, spikes)
    y, x, c = np.nonzero(fired)
    assert spikes[:n].tolist() == np.stack([c, y, x], 1).tolist()


@given(SEEDS)
@FEW
def test_gather_counts_lists_each_spike_as_often_as_it_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.choice([0, 0, 0, 1, 2, 5, 121], rng.integers(1, 6, 3)).astype(np.int8)
    spikes = np.zeros((int(counts.sum()) + 1, 3), np.int16)
    n = _scatter.gather_counts(counts, spikes)
    wanted = [[c, y, x] for (y, x, c), k in np.ndenumerate(counts) for _ in range(k)]
    assert spikes[:n].tolist() == wanted


@given(SEEDS, st.sampled_from(sorted(FIRE)), st.booleans(), st.integers(0, 14), st.integers(0, 14))
@settings(max_examples=200, deadline=None)
def test_neurons(seed: int, kind: str, spilled: bool, exponent: int, slope: int) -> None:
    rng = np.random.default_rng(seed)
    places, channels = (int(n) for n in rng.integers(1, 6, 2))
    shape = (places, channels)
    edge = _fixed.RAIL
    # A third of the values stand at the rails, so that both are reached in every example.

    def drawn() -> np.ndarray:
        rails = rng.choice([-edge, edge], shape)
        free = rng.integers(-edge, edge, shape)
        return np.where(rng.random(shape) < 0.3, rails, free).astype(np.int32)

    u, v = drawn(), drawn()
    traced = kind == "refractory" or kind.startswith("coarse")
    bits = int(kind[6:]) if kind.startswith("coarse") else 0
    r = rng.integers(0, 2**bits if bits else edge if traced else 4, shape).astype(np.int32)
    drive = rng.integers(-32640, 32641, shape).astype(np.int16)
    # Sums that overflow 32 bits when shifted are among them.
    spill = rng.integers(-(2**27), 2**27, shape) >> rng.integers(0, 20, shape)
    spill = spill.astype(np.int32) * int(spilled)
    table = np.zeros((8, channels), np.int32)
    table[_neuron.KEEP_U] = rng.integers(0, 4097, channels)
    table[_neuron.KEEP_V] = rng.integers(0, 4097, channels)
    table[_neuron.THRESHOLD] = rng.integers(1, edge, channels)
    table[_neuron.BIAS] = rng.integers(-(2**20), 2**20, channels)
    table[_neuron.KEEP_R] = rng.integers(0, 4096, channels)
    table[_neuron.KICK_R] = rng.integers(0, 5, channels) * (2**20 if traced else 1)
    wanted = []
    for i, c in np.ndindex(shape):
        total = int(drive[i, c]) + int(spill[i, c])
        uu, vv = naive.integrate(
            int(u[i, c]), int(v[i, c]), total, int(table[0, c]), int(table[1, c]),
            int(table[3, c]), exponent,
        )  # fmt: skip
        fired = naive.fire(
            kind, vv, int(r[i, c]), int(table[2, c]), int(table[4, c]), int(table[5, c]), slope, 63
        )
        wanted.append((uu, *fired))
    before = (u.copy(), v.copy(), r.copy())
    moved = _neuron.integrate(drive, spill, u, v, table, exponent, int(spilled))
    middle = v.copy()
    s = np.zeros(shape, np.int8)
    a = np.zeros(shape, np.int8)
    reset = {"zero": _neuron.RESET_ZERO, "subtract": _neuron.RESET_SUBTRACT}.get(
        kind, _neuron.RESET_REFRACTORY
    )
    _neuron.activate(v, r, table, a, slope, 63, reset, bits)
    also = FIRE[kind](v, r, table, s, *([bits] if bits else []))
    found = [(int(u[i]), int(v[i]), int(r[i]), int(s[i]), int(a[i])) for i in np.ndindex(shape)]
    assert found == wanted
    assert not drive.any()
    assert not spill.any()
    assert moved == int((u != before[0]).any() or (middle != before[1]).any())
    assert also == int((v != middle).any() or (r != before[2]).any())


@given(SEEDS, st.sampled_from([1, 2, 3, 8]), st.sampled_from([0, 4, 14]))
@FEW
def test_a_coarse_step_at_once(seed: int, bits: int, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    places, channels = (int(n) for n in rng.integers(1, 7, 2))
    shape = (places, channels)
    rail = naive.RAIL
    u, v = rng.choice([-rail, rail, 0, 1, -1, 12345, -54321], (2, *shape)).astype(np.int32)
    r = rng.integers(0, 2**bits, shape).astype(np.int32)
    drive = rng.choice([0, 0, 127, -128, 255 * 127, -255 * 128], shape).astype(np.int16)
    table = np.zeros((8, channels), np.int32)
    table[_neuron.KEEP_U], table[_neuron.KEEP_V], table[_neuron.KEEP_R] = rng.integers(
        0, 4097, (3, channels)
    )
    table[_neuron.KEEP_R] %= 4096
    table[_neuron.THRESHOLD] = rng.choice([1, 64, 60000, 2**22], channels)
    table[_neuron.KICK_R] = table[_neuron.THRESHOLD]
    table[_neuron.BIAS] = rng.choice([0, rail, -rail, 7], channels)
    wanted = {}
    for i, c in np.ndindex(shape):
        p = [int(n) for n in table[:, c]]
        un, vn = naive.integrate(
            int(u[i, c]), int(v[i, c]), int(drive[i, c]), p[_neuron.KEEP_U], p[_neuron.KEEP_V],
            p[_neuron.BIAS], exponent,
        )  # fmt: skip
        vn, rn, spike, _ = naive.fire(
            f"coarse{bits}", vn, int(r[i, c]), p[_neuron.THRESHOLD], p[_neuron.KEEP_R],
            p[_neuron.KICK_R], 0, 63,
        )  # fmt: skip
        wanted[i, c] = (un, vn, rn, spike)
    before = (u.copy(), v.copy(), r.copy())
    fired = np.full(shape, 7, np.int8)
    changed = _neuron.step_coarse(drive, u, v, r, table, fired, exponent, bits)
    for i, c in np.ndindex(shape):
        assert (u[i, c], v[i, c], r[i, c], fired[i, c]) == wanted[i, c]
    assert not drive.any()
    same = all((now == was).all() for now, was in zip((u, v, r), before, strict=True))
    assert bool(changed) is not same


@given(SEEDS, st.integers(0, 12), st.integers(0, 12), st.integers(0, 14))
@settings(max_examples=200, deadline=None)
def test_even_decays_are_shifts(seed: int, leak_u: int, leak_v: int, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    n, edge = int(rng.integers(1, 40)), _fixed.RAIL
    u, v = (
        np.where(rng.random(n) < 0.3, rng.choice([-edge, edge], n), rng.integers(-edge, edge, n))
        .astype(np.int32) for _ in range(2)
    )  # fmt: skip
    drive = rng.integers(-32640, 32641, n).astype(np.int16)
    keeps = [4096 - 2 ** (12 - leak) for leak in (leak_u, leak_v)]
    wanted = [
        naive.integrate(int(a), int(b), int(d), *keeps, 0, exponent)
        for a, b, d in zip(u, v, drive, strict=True)
    ]
    before = u.copy(), v.copy()
    moved = _neuron.integrate_evenly(drive, u, v, exponent, leak_u, leak_v)
    assert list(zip(u.tolist(), v.tolist(), strict=True)) == wanted
    assert not drive.any()
    assert moved == int((u != before[0]).any() or (v != before[1]).any())


@given(SEEDS, st.integers(1, 4), st.floats(0, 1))
@FEW
def test_pooled_spikes_are_the_or(seed: int, size: int, activity: float) -> None:
    rng = np.random.default_rng(seed)
    rows, columns, channels = (int(n) for n in rng.integers(1, 5, 3))
    full = (rng.random((rows * size + 1, columns * size, channels)) < activity).astype(np.int8)
    pooled = np.ones((rows, columns, channels), np.int8)
    _pool.pool_or(full, pooled, size)
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
    _pool.pool_max(full, pooled, size)
    errors = rng.integers(-3, 4, pooled.shape).astype(np.int8)
    back = np.ones(full.shape, np.int8)
    _pool.route(full, pooled, errors.copy(), back, size)
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
    _pool.pool_sum(fired, counts, size)
    # Windows that lie at an end as a whole, or but for one neuron, are among them.
    full = rng.integers(0, rail + 1, shape)
    full[rng.random(shape) < rng.choice([0, 0.5, 0.99, 1])] = rng.choice([0, rail])
    full = full.astype(np.int8)
    pooled = np.zeros_like(counts)
    _pool.pool_mean(full, pooled, size, rail)
    errors = rng.integers(-127, 128, counts.shape).astype(np.int8)
    back = np.ones(shape, np.int8)
    _pool.route_sum(full, errors, back, size, rail)
    wanted = np.zeros(shape, np.int8)
    for y, x, c in np.ndindex(counts.shape):
        there = (slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size), c)
        assert counts[y, x, c] == fired[there].astype(int).sum()
        values = [int(a) for a in full[there].reshape(-1)]
        assert pooled[y, x, c] == naive.pooled_activation(values, rail)
        wanted[there] = np.where((full[there] > 0) & (full[there] < rail), errors[y, x, c], 0)
    assert (back == wanted).all()


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
    changed = _trace.advance_traces(s, Q, P, kick, 3, slow, rail, lift)
    assert Q.max() <= rail
    assert P.max() < 2**p_bits
    assert [(int(q), int(p)) for q, p in zip(Q, P, strict=True)] == wanted
    assert changed == int((before[0] != Q).any() or (before[1] != P).any())


def test_traces_stay_in_their_widths_and_go_back_to_rest() -> None:
    Q, P, on, off = (np.zeros(64, t) for t in (np.int16, np.int16, np.int8, np.int8))
    on[:] = 1
    for _ in range(2000):
        _trace.advance_traces(on, Q, P, 120, 3, 5, 1023, 2)
        assert Q.max() < 2**10
        assert P.max() < 2**12
    assert 953 <= Q[0] <= 960
    for _ in range(2000):
        _trace.advance_traces(off, Q, P, 120, 3, 5, 1023, 2)
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
    _trace.advance_features(s, F, 512, slow)
    assert F.tolist() == wanted


@given(SEEDS, st.integers(0, 12), st.integers(0, 6), st.integers(0, 3))
@FEW
def test_local_error_and_delta(seed: int, error_shift: int, delta_shift: int, dead: int) -> None:
    rng = np.random.default_rng(seed)
    classes, units = (int(n) for n in rng.integers(1, 12, 2))
    G = rng.integers(-31, 32, (classes, units)).astype(np.int8)
    a = rng.choice([0, 63, *rng.integers(0, 64, 4)], units).astype(np.int8)
    y = np.zeros(classes, np.int32)
    _local.local_readout(G, a, y)
    assert y.tolist() == (G.astype(int) @ a.astype(int)).tolist()
    mean = (rng.integers(-(2**20), 2**20, classes) * rng.integers(0, 2, classes)).astype(np.int32)
    label = int(rng.integers(classes))
    wanted, means = naive.local_error(y.tolist(), mean.tolist(), label, 6000, error_shift, 31, dead)
    e = np.zeros(classes, np.int32)
    left = _local.local_error(y, mean, label, 6000, error_shift, 31, dead, e)
    assert e.tolist() == wanted
    assert mean.tolist() == means
    assert left == int(any(wanted))
    d = np.zeros(units, np.int8)
    n = _local.local_delta(G, e, a, d, np.ones(units, np.int32), delta_shift, 63)
    assert d.tolist() == naive.delta(G, wanted, a.tolist(), delta_shift, 63)
    assert n == np.count_nonzero(d)


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
    _local.add_readout(scores, y, mean, gain)
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
    _local.conv_gradient(d, P, g, stride, pad, pad, shift)
    assert (g[:, :, ::-1] == naive.gradient(d, P, g.shape, stride, pad, shift)).all()
    bias = np.zeros(c_out, np.int32)
    _local.bias_gradient(d, bias)
    assert bias.tolist() == d.astype(int).sum((0, 1)).tolist()


@given(SEEDS, st.sampled_from([0, 1, 16, 4096, 2**20]), st.integers(8, 16))
@FEW
def test_apply_gradient(seed: int, step: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    rows, outputs = (int(n) for n in rng.integers(1, 8, 2))
    rail = 2 ** (width - 1) - 1
    g = rng.choice([0, 1, -1, 2**30, -(2**30), 12345], (rows, outputs)).astype(np.int32)
    g[:, rng.random(outputs) < 0.3] = 0
    store = rng.choice([rail, -rail - 1, 0, 17], (rows, outputs)).astype(np.int16)
    weights = np.zeros(store.shape, np.int8)
    lanes = np.array(naive.splitmix_lanes(seed, 0, outputs), np.uint32)
    states = [int(s) for s in lanes]
    want = store.astype(int)
    states = naive.step_by_gradient(g.astype(int), want, states, step, rail)
    mean, bits = np.zeros(outputs, np.int32), np.zeros(outputs, np.int32)
    some = _local.normalise_gradient(g, mean, bits)
    assert some == g.any()
    for k in range(outputs):
        column = [int(v) for v in g[:, k]]
        assert mean[k] == sum(column) // rows
        assert bits[k] == max(abs(v - int(mean[k])) for v in column).bit_length()
    _local.apply_gradient(g, mean, bits, store, weights, lanes, step, rail, width - 8)
    assert (store == want).all()
    assert (weights == want >> (width - 8)).all()
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
    assert _local.normalise_gradient(g, mean, bits)
    weights = np.zeros(store.shape, np.int8)
    _local.apply_gradient(g, mean, bits, store, weights, lanes, step, 32767, 8)
    expected = sign * 100 * step / 2 ** (7 + 4)
    # Four standard errors of a mean of n roundings, each with a variance of at most 1/4.
    assert abs(store[0::2].mean() - expected) < 4 * 0.5 / n**0.5
    assert abs(store[1::2].mean() + expected) < 4 * 0.5 / n**0.5


@given(SEEDS)
@FEW
def test_normalise_features(seed: int) -> None:
    rng = np.random.default_rng(seed)
    F = (rng.integers(0, 32768, int(rng.integers(1, 60))) >> rng.integers(0, 16)).astype(np.int16)
    f = np.ones(F.shape, np.int16)
    root = _readout.normalise_features(F, f)
    assert f.tolist() == naive.normalise([int(v) for v in F])
    if root > 64:
        # Flooring the root and each value costs at most 1024 / root and sqrt(n).
        assert abs(np.linalg.norm(f.astype(float)) - 1024) < 1024 / root + 1 + len(F) ** 0.5


@given(SEEDS, st.integers(1, 30), st.booleans())
@FEW
def test_known_classes_are_corrected_gently(seed: int, shift: int, young: bool) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.integers(0, 500, int(rng.integers(1, 12)))
    if not young:
        seen[:] = rng.choice([0, 511, 512, 672_000], len(seen))
    taught, found = int(rng.integers(len(seen))), np.zeros(len(seen), np.int64)
    _readout.choose_shifts(seen, taught, shift, found)
    assert found.tolist() == naive.shifts(seen.tolist(), taught, shift, batched=False)
    assert found[taught] == shift
    if young:
        assert (found == shift).all()


@given(SEEDS)
@FEW
def test_delta_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, n = int(rng.integers(1, 5)), int(rng.integers(1, 130))
    f = rng.choice([0, 1, 40, 1024], n).astype(np.int16)
    store = rng.choice([32767, -32768, 300, -5], (classes, n)).astype(np.int16)
    y = np.zeros(classes, np.int32)
    _readout.read_scores(store, f, y)
    assert y.tolist() == ((store.astype(int) >> 8) @ f.astype(int)).tolist()
    lanes = np.array(naive.splitmix_lanes(seed, 0, 64), np.uint32)
    states = [int(s) for s in lanes]
    shifts = rng.choice([10, 14, 20, 23, 30], classes)
    label, target, dead = int(rng.integers(classes)), 2**18, 2**14
    want = store.astype(int)
    for k, shift in enumerate(shifts.tolist()):
        e = (target if k == label else 0) - int(y[k])
        if (k == label and e <= dead) or (k != label and e >= -dead):
            continue
        for i in range(n):
            if f[i]:
                states[i % 64] = naive.xorshift(states[i % 64])
                step = (e * int(f[i]) + states[i % 64] % 2**shift) >> shift
                want[k, i] = naive.clip(int(want[k, i]) + step, -32768, 32767)
    _readout.delta_rule(y, label, target, f, store, lanes, shifts, dead)
    assert (store == want).all()
    assert lanes.tolist() == states


def test_memory_is_an_even_sample_of_what_was_offered() -> None:
    slots = np.zeros((2, 16, 1), np.int8)
    bits = np.arange(7)
    seen = np.zeros(2, np.int64)
    lanes = np.array(naive.splitmix_lanes(7, 0, 64), np.uint32)
    kept = np.zeros(100)
    for _ in range(400):
        slots[:] = 0
        seen[:] = 0
        for value in range(100):
            # A number from 1 to 100, as features that are kept or not.
            f = (500 * ((value + 1) >> bits & 1)).astype(np.int16)
            _readout.remember(f, 1, slots, seen, lanes)
        for value in slots[1, :, 0]:
            kept[value - 1] += 1
    assert seen.tolist() == [0, 100]
    # 16 of 100 kept in each of 400 runs: 64 expected per value, standard deviation 7.3.
    assert kept.sum() == 6400
    assert kept.min() > 64 - 5 * 7.3
    assert kept.max() < 64 + 5 * 7.3
    past = np.zeros(7, np.int16)
    assert _readout.recall(slots, seen, past, lanes) == 1
    assert ((past > 0) << bits).sum() in slots[1, :, 0]
    assert _readout.recall(slots, np.zeros(2, np.int64), past, lanes) == -1


@given(st.integers(0, 2**62), st.integers(0, 5000), st.integers(1, 200))
@FEW
def test_generators_follow_splitmix_and_never_stand_at_zero(seed: int, stream: int, n: int) -> None:
    lanes = np.zeros(n, np.uint32)
    _random.fill_lanes(lanes, seed, stream)
    assert lanes.tolist() == naive.splitmix_lanes(seed, stream, n)
    values = np.zeros(3 * n, np.int16)
    states = [int(s) for s in lanes]
    _random.fill_uniform(values, lanes, 31)
    wanted = []
    for i in range(3 * n):
        states[i % n] = naive.xorshift(states[i % n])
        wanted.append(((states[i % n] * 63) >> 32) - 31)
    assert values.tolist() == wanted


def test_regulation_moves_thresholds_towards_the_wanted_activity() -> None:
    table = np.zeros((8, 3), np.int32)
    table[_neuron.THRESHOLD] = 4096
    counts = np.array([0, 30, 900], np.int32)
    # 1,000 chances; 2 % to 6 % wanted: the first is too quiet, the last too loud.
    _regulate.adapt_thresholds(counts, table, 1000, 1310, 3932, 3, 1)
    assert table[_neuron.THRESHOLD].tolist() == [4096 - 512, 4096, 4096 + 512]
    assert table[_neuron.KICK_R].tolist() == [4096 - 512, 0 + 4096, 4096 + 512]
    assert not counts.any()
    spikes = np.array([[1, 0, 0], [2, 5, 5], [1, 9, 9]], np.int16)
    _regulate.count_channels(spikes, 3, counts)
    assert counts.tolist() == [0, 2, 1]
