"""Neuron kernels against their naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import fixed_point, neuron
from tests.reference import kernels as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)

FIRE = {
    "coarse1": neuron.fire_coarse,
    "coarse2": neuron.fire_coarse,
    "coarse8": neuron.fire_coarse,
    "refractory": neuron.fire_refractory,
    "subtract": neuron.fire_subtract,
    "zero": neuron.fire_zero,
}


@given(
    SEEDS, st.sampled_from(sorted(FIRE)), st.booleans(), st.integers(0, 14), st.integers(0, 14),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_neurons(
    seed: int, kind: str, spilled: bool, exponent: int, slope: int, small: bool
) -> None:
    rng = np.random.default_rng(seed)
    places, channels = (int(n) for n in rng.integers(1, 6, 2))
    shape = (places, channels)
    edge = fixed_point.RAIL
    # A third of the values stand at the rails, so that both are reached in every example.

    def drawn() -> np.ndarray:
        rails = rng.choice([-edge, edge], shape)
        free = rng.integers(-edge, edge, shape)
        return np.where(rng.random(shape) < 0.3, rails, free).astype(np.int32)

    u, v = drawn(), drawn()
    traced = kind == "refractory" or kind.startswith("coarse")
    bits = int(kind[6:]) if kind.startswith("coarse") else 0
    r = rng.integers(0, 2**bits if bits else edge if traced else 4, shape).astype(np.int32)
    if small and kind not in ("refractory", "coarse8"):
        r = r.astype(np.int8)
    drive = rng.integers(-32640, 32641, shape).astype(np.int16)
    # Sums that overflow 32 bits when shifted are among them.
    spill = rng.integers(-(2**27), 2**27, shape) >> rng.integers(0, 20, shape)
    spill = spill.astype(np.int32) * int(spilled)
    table = np.zeros((8, channels), np.int32)
    table[neuron.KEEP_U] = rng.integers(0, 4097, channels)
    table[neuron.KEEP_V] = rng.integers(0, 4097, channels)
    table[neuron.THRESHOLD] = rng.integers(1, edge, channels)
    table[neuron.BIAS] = rng.integers(-(2**20), 2**20, channels)
    table[neuron.KEEP_R] = rng.integers(0, 4096, channels)
    table[neuron.KICK_R] = rng.integers(0, 5, channels) * (2**20 if traced else 1)
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
    moved = neuron.integrate(drive, spill, u, v, table, exponent, int(spilled))
    middle = v.copy()
    s = np.zeros(shape, np.int8)
    a = np.zeros(shape, np.int8)
    reset = {"zero": neuron.RESET_ZERO, "subtract": neuron.RESET_SUBTRACT}.get(
        kind, neuron.RESET_REFRACTORY
    )
    neuron.activate(v, r, table, a, slope, 63, reset, bits)
    also = FIRE[kind](v, r, table, s, *([bits, 0] if bits else []))
    found = [(int(u[i]), int(v[i]), int(r[i]), int(s[i]), int(a[i])) for i in np.ndindex(shape)]
    assert found == wanted
    assert not drive.any()
    assert not spill.any()
    assert moved == int((u != before[0]).any() or (middle != before[1]).any())
    assert also == int((v != middle).any() or (r != before[2]).any())


@given(SEEDS, st.integers(0, 12), st.integers(0, 12), st.integers(0, 14))
@settings(max_examples=200, deadline=None)
def test_even_decays_are_shifts(seed: int, leak_u: int, leak_v: int, exponent: int) -> None:
    rng = np.random.default_rng(seed)
    n, edge = int(rng.integers(1, 40)), fixed_point.RAIL
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
    moved = neuron.integrate_evenly(drive, u, v, exponent, leak_u, leak_v)
    assert list(zip(u.tolist(), v.tolist(), strict=True)) == wanted
    assert not drive.any()
    assert moved == int((u != before[0]).any() or (v != before[1]).any())
