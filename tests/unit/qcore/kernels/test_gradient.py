"""Gradients and their dot products, on the processor's own instruction and on the plain loop."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewire.qcore.kernels import dot_product, gradient
from tests.reference import kernels as naive
from tests.unit.qcore.kernels.test_twins import FEW, SEEDS

LANES, PLACES, ROWS = dot_product.LANES, dot_product.PLACES, dot_product.ROWS
LOOPS = {"plain": dot_product.dot_plainly, "chosen": dot_product.dot_products}
PLACE_OF = {
    "plain": lambda q, k: LANES * q + k,
    "chosen": lambda q, k: int(dot_product.place_of(q, k)),
    "vectors": lambda q, k: PLACES * k + q,
    "pairs": lambda q, k: 2 * LANES * (q // 2) + 2 * k + q % 2,
}
PLANES = {"plain": np.uint8, "chosen": dot_product.plane_type, "vectors": np.uint8}
PLANES |= {"pairs": np.int16}
if dot_product.HAS_DOT_PRODUCT:
    LOOPS["vectors"] = dot_product.dot_vectors
if dot_product.HAS_PAIR_PRODUCT:
    LOOPS["pairs"] = dot_product.dot_pairs


@given(SEEDS, st.sampled_from(sorted(LOOPS)), st.integers(0, 9))
@FEW
def test_dot_products(seed: int, loop: str, count: int) -> None:
    rng = np.random.default_rng(seed)
    dot, place_of = LOOPS[loop], PLACE_OF[loop]
    # All bytes of both sides, and the sums that would saturate 16 bits.
    planes = rng.choice([0, 1, 127, 128, 255], 90).astype(PLANES[loop])
    bases = rng.integers(0, 40, ROWS)
    offsets = rng.integers(0, 40, count).astype(np.int32)
    group = rng.choice([-128, -1, 0, 127], (count, PLACES, LANES))
    errors = np.zeros(PLACES * LANES * count, np.int8)
    for n, q, k in np.ndindex(group.shape):
        errors[PLACES * LANES * n + place_of(q, k)] = group[n, q, k]
    sums = np.full(ROWS * LANES, 7, np.int32)
    dot(planes, bases, offsets, errors, count, sums)
    for j, k in np.ndindex(ROWS, LANES):
        wanted = sum(
            int(planes[bases[j] + offsets[n] + q]) * int(group[n, q, k])
            for n in range(count)
            for q in range(PLACES)
        )
        assert sums[LANES * j + k] == wanted


@given(SEEDS, st.integers(1, 3), st.integers(0, 3), st.sampled_from([3, 16, 37]), st.integers(0, 8))
@FEW
def test_gradients_of_convolutions(
    seed: int, stride: int, pad: int, channels: int, shift: int
) -> None:
    rng = np.random.default_rng(seed)
    rows_in, columns_in, c_in, kernel = (int(n) for n in rng.integers(1, (8, 13, 5, 6)))
    pad = min(pad, kernel - 1)
    rows = (rows_in + 2 * pad - kernel) // stride + 1
    columns = (columns_in + 2 * pad - kernel) // stride + 1
    if min(rows, columns) < 1:
        return
    delta = rng.choice([0, 0, 0, -128, 127, 5], (rows, columns, channels)).astype(np.int8)
    delta[:, rng.random(columns) < 0.5] = 0
    # Traces on both sides of what a byte holds, and channels without any.
    P = rng.choice([0, 255 << shift >> 1, 127, (256 << shift) - 1, 12], (rows_in, columns_in, c_in))
    P[..., rng.random(c_in) < 0.3] = 0
    P = (np.minimum(P, 32767) * rng.integers(1, 3)).clip(0, 32767).astype(np.int16)
    wanted = naive.gradient(delta, P, (c_in, kernel, kernel, channels), stride, pad, shift)
    for add in (gradient.conv_gradient, gradient.gradient_by_places):
        g = np.ones((c_in, kernel, kernel, channels), np.int32)
        add(delta, P, g, stride, pad, pad, shift)
        assert (g[:, :, ::-1] - 1 == wanted).all()


@given(SEEDS, st.sampled_from([np.int8, np.int16]))
@FEW
def test_planes_and_lists(seed: int, kind: type) -> None:
    rng = np.random.default_rng(seed)
    rows, columns, c_in, channels = (int(n) for n in rng.integers(1, (5, 11, 4, 40)))
    traces = (rng.integers(0, 128, (rows, columns, c_in)) * (rng.random(c_in) < 0.6)).astype(kind)
    planes = np.zeros((c_in, rows + 2, columns + 4 + PLACES - 1), dot_product.plane_type)
    live = np.zeros(c_in, np.uint8)
    bits = gradient.lay_planes(traces, planes, live, 1, 2, 1)
    assert (planes[:, 1 : rows + 1, 2 : columns + 2] == (traces >> 1).transpose(2, 0, 1)).all()
    assert int(planes.sum()) == int((traces >> 1).sum())
    assert bits == np.bitwise_or.reduce(traces.ravel() >> 1)
    assert (live > 0).tolist() == (traces >> 1).any((0, 1)).tolist()

    delta = rng.choice([0, 0, 0, 0, 9, -9], (rows, columns, channels)).astype(np.int8)
    first = LANES * int(rng.integers(0, -(-channels // LANES)))
    most = rows * -(-columns // PLACES)
    offsets, errors = np.zeros(most, np.int32), np.full(64 * most, 3, np.int8)
    wide = planes.shape[2]
    count = gradient.list_errors(delta, first, wide, 0, offsets, errors, 0)
    found = np.zeros((rows, columns + PLACES, LANES), np.int64)
    for n in range(count):
        y, x = divmod(int(offsets[n]), wide)
        for q, k in np.ndindex(PLACES, LANES):
            found[y, x + q, k] = errors[64 * n + int(dot_product.place_of(q, k))]
    some = delta[..., first : first + LANES]
    assert (found[:, :columns, : some.shape[2]] == some).all()
    assert abs(found).sum() == abs(some.astype(int)).sum()
    # Groups without an error are left out: they would cost as much as others.
    assert count == sum(
        bool(some[y, x : x + PLACES].any()) for y in range(rows) for x in range(0, columns, PLACES)
    )

    g = np.zeros((c_in * 2 * 3, channels), np.int32)
    gradient.add_products(
        planes.ravel(), live, rows + 2, wide, 2, 3, offsets, errors, count, g, first
    )
    for c, ky, kx in np.ndindex(c_in, 2, 3):
        seen = planes[c, ky : ky + rows, 2 - kx : 2 - kx + columns].astype(int)
        wanted = (seen[..., None] * some).sum((0, 1))
        assert (g[(c * 2 + ky) * 3 + kx, first : first + LANES] == wanted).all()
    assert not np.delete(g, range(first, min(first + LANES, channels)), 1).any()


@pytest.mark.parametrize(
    ("option", "value", "dots", "pairs"),
    [
        ("CPU_FEATURES", "+avx2,+avx512f", False, True),
        ("CPU_FEATURES", "+avx512f,+avx512vnni", True, False),
        ("CPU_FEATURES", "+avx512f,-avx512vnni,-avx2", False, False),
        ("ENABLE_AVX", 0, False, False),
        ("DISABLE_JIT", 1, False, False),
    ],
)
def test_instructions_are_used_only_where_numba_may_make_them(
    monkeypatch: pytest.MonkeyPatch, option: str, value: object, *, dots: bool, pairs: bool
) -> None:
    monkeypatch.setattr(numba.config, option, value)
    assert dot_product.has_feature("avx512vnni") is dots
    assert dot_product.has_feature("avx2") is pairs
