"""Gradients kept as pairs: traces cut, pairs summed, and weights stepped block by block."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels import pairs, quantiser
from spikewire.qcore.kernels import rests as rests_module
from tests.reference import kernels as naive
from tests.unit.qcore.kernels.test_twins import FEW, SEEDS
from tests.unit.qcore.network.variants import SMALL, build, with_layers


@given(SEEDS, st.integers(0, 8))
@FEW
def test_keep_traces(seed: int, shift: int) -> None:
    P = np.random.default_rng(seed).integers(0, 128 << shift, 40).astype(np.int16)
    kept = np.full(40, -1, np.int8)
    pairs.keep_traces(P, kept, shift)
    assert kept.tolist() == [int(p) // 2**shift for p in P]


@given(SEEDS, st.integers(1, 3), st.integers(1, 4), st.integers(0, 3))
@FEW
def test_add_pair(seed: int, stride: int, kernel: int, pad: int) -> None:
    rng = np.random.default_rng(seed)
    rows_in, columns_in, c_in, c_out = (int(n) for n in rng.integers(1, 6, 4))
    pad = min(pad, kernel - 1)
    rows = (rows_in + 2 * pad - kernel) // stride + 1
    columns = (columns_in + 2 * pad - kernel) // stride + 1
    if min(rows, columns) < 1:
        return
    delta = rng.choice([0, 0, -127, 127, 5], (rows, columns, c_out)).astype(np.int8)
    traces = rng.choice([0, 127, 77], (rows_in, columns_in, c_in)).astype(np.int8)
    first = int(rng.integers(c_out))
    count = int(rng.integers(1, c_out - first + 1))
    g = np.ones((c_in, kernel, kernel, count), np.int32)
    pairs.add_pair(delta, traces, g, first, stride, pad, pad)
    whole = naive.gradient(delta, traces, (c_in, kernel, kernel, c_out), stride, pad, 0)
    assert (g[:, :, ::-1] - 1 == whole[..., first : first + count]).all()


@given(SEEDS, st.sampled_from([4, 33, 70]), st.booleans())
@FEW
def test_step_by_pairs(seed: int, channels: int, centre: bool) -> None:
    rng = np.random.default_rng(seed)
    network = build(
        version=2,
        learning={**SMALL["learning"], "apply_every": 3, "centre_gradients": centre},
        **with_layers({"channels": 2}, {"channels": channels}, {}),
    )
    layer, L, state = network.layers[1], network.state.layers[1], network.state
    assert L[at.AT_GRADIENT] == -1
    L[at.PAIRS] = int(rng.integers(0, 3))
    errors, traces = layer.gradient_arrays()
    errors[...] = rng.choice([0, 0, 0, -127, 127, 5], errors.shape)
    errors[..., rng.random(channels) < 0.5] = 0
    traces[...] = rng.choice([0, 127, 77], traces.shape)
    shape = layer.weights.shape
    wanted = sum(
        (naive.gradient(d, p, shape, 2, 1, 0) for d, p in zip(errors, traces, strict=True)),
        start=np.zeros(shape, np.int64),
    )
    flat = np.zeros(wanted.size, np.int32)
    pairs.sum_layer(L, state.i8, flat)
    assert (flat.reshape(shape)[:, :, ::-1] == wanted).all()
    assert (layer.gradient == wanted).all()
    store = layer.store[:, :, ::-1].reshape(-1, channels).astype(int)
    g = wanted[:, :, ::-1].reshape(-1, channels)
    lanes, scale = state.lanes.tolist(), None
    if not centre:
        powers = [int(abs(g[:, k]).max()).bit_length() for k in range(channels)]
        scale = [0] * channels, powers
    if wanted.any():
        step, bits = int(L[at.STEP]), int(L[at.STEP_BITS])
        rail = int(L[at.STORE_RAIL])
        lanes[:channels] = naive.step_by_gradient(
            g, store, lanes[:channels], step, bits, -rail, rail, scale
        )
    work = network.scratch[1]
    stepped = pairs.step_by_pairs(L, state.i8, state.i16, work, state.lanes)
    assert stepped == wanted.any()
    assert (layer.store[:, :, ::-1].reshape(-1, channels) == store).all()
    assert (layer.weights == layer.quantise(layer.store)).all()
    assert state.lanes.tolist() == lanes
    assert L[at.PAIRS] == 0
    assert not work.any()


@given(SEEDS, st.integers(2, 8), st.integers(0, 7), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_apply_to_rests(seed: int, used: int, shift: int, rounded: bool, sixteen: bool) -> None:
    rng = np.random.default_rng(seed)
    rows, outputs = (int(n) for n in rng.integers(1, 8, 2))
    first = int(rng.integers(outputs))
    if sixteen:  # a vector's width
        outputs = first + 16
    width = used + shift
    rail = 2 ** (width - 1) - 1
    low = -rail if rounded else -rail - 1
    store = rng.integers(low, rail + 1, (rows, outputs))
    store[rng.random(store.shape) < 0.3] = rng.choice([low, rail])
    weights = np.array(
        [[naive.used_weight(int(w), width, used, rounded) for w in row] for row in store], np.int8
    )
    rests = (store - (weights.astype(int) << shift)).astype(np.int8)
    large = rng.choice([2**30, 2**16 - 1, -(2**15), 777])
    g = rng.choice([0, 1, -1, large, 12345], (rows, outputs - first)).astype(np.int32)
    mean, bits = np.zeros(outputs - first, np.int32), np.zeros(outputs - first, np.int32)
    quantiser.measure_gradient(g, mean, bits, 1, 0)
    lanes = np.array(naive.splitmix_lanes(seed, 0, outputs), np.uint32)
    want, states = store[:, first:].copy(), [int(s) for s in lanes[first:]]
    states = naive.step_by_gradient(g.astype(int), want, states, 4096, 1, low, rail)
    rests_module.apply_to_rests(
        g, mean, bits, rests, weights, lanes, first, 4096, 1, rail, shift, int(rounded)
    )
    store[:, first:] = want
    assert ((weights.astype(int) << shift) + rests == store).all()
    cut = [naive.used_weight(int(w), width, used, rounded) for w in store.reshape(-1)]
    assert weights.reshape(-1).tolist() == cut
    assert lanes[first:].tolist() == states
    assert not g.any()
