"""Neurons stepped in vectors, against their naive twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import fixed_point, neuron
from spikewire.qcore.kernels import neuron_vectors as vectors
from tests.reference import kernels as naive

pytestmark = pytest.mark.skipif(not vectors.HAS_VECTORS, reason="Numba is switched off")

KINDS = {"zero": neuron.RESET_ZERO, "subtract": neuron.RESET_SUBTRACT}
KINDS |= {"refractory": neuron.RESET_REFRACTORY}
for bits in (1, 2, 3, 7, 8):
    KINDS |= {f"{name}{bits}": vectors.RESET_COARSE for name in ("coarse", "lingering")}
if vectors.HAS_VECTORS:
    STEPS = {
        neuron.RESET_ZERO: vectors.step_zero,
        neuron.RESET_SUBTRACT: vectors.step_subtract,
        neuron.RESET_REFRACTORY: vectors.step_refractory,
        vectors.RESET_COARSE: vectors.step_coarse_vectors,
    }


@given(
    st.integers(0, 2**32 - 1), st.sampled_from(sorted(KINDS)), st.sampled_from([0, 4, 14]),
    st.booleans(), st.sampled_from([1, 64]),
    st.sampled_from([100, vectors.FEW_LEAK, vectors.MOST_LEAK, vectors.MOST_LEAK + 1, 4096]),
    st.sampled_from([1, 3, 8, 12, 16, 24, 48]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_steps_equal_the_naive_twin(
    seed: int, kind: str, exponent: int, small: bool, unit: int, most_leak: int, channels: int
) -> None:
    rng = np.random.default_rng(seed)
    places = int(vectors.places_together(channels)) * int(rng.integers(1, 4))
    n, edge = places * channels, fixed_point.RAIL
    bits = int(kind[-1]) if KINDS[kind] == vectors.RESET_COARSE else 0

    def drawn() -> np.ndarray:
        special = rng.choice([-edge, edge, 0, 1, -1, 4095, -4096], n)
        return np.where(rng.random(n) < 0.4, special, rng.integers(-edge, edge, n)).astype(np.int32)

    u, v = drawn(), drawn()
    traced = kind == "refractory"
    r = rng.integers(0, 2**bits if bits else edge if traced else 4, n).astype(np.int32)
    if small and not traced and bits < 8:
        r = r.astype(np.int8)
    # Few neurons change in some examples: a neuron at rest must be told from one that moves.
    if rest := rng.random() < 0.3:
        u, v, r = np.zeros_like(u), np.zeros_like(v), np.zeros_like(r)
    drive = rng.choice([0, 0, 127, -128, 255 * 127, -255 * 128], n).astype(np.int16)
    drive *= rest == 0 or rng.random() < 0.5
    table = np.zeros((8, channels), np.int32)
    # Leaks on both sides of what one product holds, in units of their own or with a common factor.
    leaks = np.minimum(rng.integers(0, most_leak + 1, (2, channels)) * unit, 4096)
    leaks[:, 0] = min(most_leak * unit, 4096)
    table[neuron.KEEP_U], table[neuron.KEEP_V] = 4096 - leaks
    table[neuron.THRESHOLD] = rng.choice([1, 64, 60000, 2**22], channels)
    table[neuron.BIAS] = rng.choice([0, edge, -edge, 7], channels) * (rest == 0)
    table[neuron.KEEP_R] = rng.integers(0, 4096, channels)
    table[neuron.KICK_R] = rng.integers(0, 5, channels) * (2**20 if traced else 1)
    if bits:
        table[neuron.KICK_R] = table[neuron.THRESHOLD]
    wanted = []
    for i in range(n):
        p = [int(number) for number in table[:, i % channels]]
        un, vn = naive.integrate(
            int(u[i]), int(v[i]), int(drive[i]), p[neuron.KEEP_U], p[neuron.KEEP_V],
            p[neuron.BIAS], exponent,
        )  # fmt: skip
        left, rn, spike, _ = naive.fire(
            kind, vn, int(r[i]), p[neuron.THRESHOLD], p[neuron.KEEP_R], p[neuron.KICK_R], 0, 63
        )
        wanted.append((un, left, rn, spike, vn))
    moved = any(
        (un, vn, left, rn) != (int(u[i]), int(v[i]), vn, int(r[i]))
        for i, (un, left, rn, _, vn) in enumerate(wanted)
    )
    fired = np.full(n, 7, np.int8)
    step = STEPS[KINDS[kind]]
    down_u = vectors.decay_shift(table[neuron.KEEP_U], vectors.MOST_LEAK)
    down_v = vectors.decay_shift(table[neuron.KEEP_V], vectors.FEW_LEAK)
    if min(down_u, down_v) < 0:
        down_u = down_v = -1
    changed = step(
        drive, u, v, r, vectors.repeated(table, channels, down_u, down_v), fired, exponent,
        max(bits, 1), 2048 * kind.startswith("lingering"), down_u, down_v,
    )  # fmt: skip
    found = list(zip(u.tolist(), v.tolist(), r.tolist(), fired.tolist(), strict=True))
    assert found == [step[:4] for step in wanted]
    assert not drive.any()
    assert changed == int(moved)


@given(st.lists(st.integers(0, 4096), min_size=1, max_size=4), st.sampled_from([255, 511]))
@settings(max_examples=60, deadline=None)
def test_leaks_are_taken_in_lowest_terms(leaks: list[int], most: int) -> None:
    down = vectors.decay_shift(4096 - np.array(leaks, np.int32), most)
    whole = [n for n in range(13) if all(leak % 2 ** (12 - n) == 0 for leak in leaks)]
    fits = max(leaks) / 2 ** (12 - min(whole)) <= most
    assert down == (min(whole) if fits else -1)


def test_places_are_taken_in_groups_that_sixteen_divides() -> None:
    for channels in range(1, 200):
        together = int(vectors.places_together(channels))
        assert together * channels % vectors.LANES == 0
        assert together == 1 or (together // 2) * channels % vectors.LANES
        assert vectors.whole_places(50, channels) == 50 // together * together
