"""The trained readout against its naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import readout
from tests.reference import kernels as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


@given(SEEDS)
@FEW
def test_normalise_features(seed: int) -> None:
    rng = np.random.default_rng(seed)
    F = (rng.integers(0, 32768, int(rng.integers(1, 60))) >> rng.integers(0, 16)).astype(np.int16)
    f = np.ones(F.shape, np.int16)
    root = readout.normalise_features(F, f)
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
    readout.choose_shifts(seen, taught, shift, found)
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
    readout.read_scores(store, f, y)
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
    readout.delta_rule(y, label, target, f, store, lanes, shifts, dead)
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
            readout.remember(f, 1, slots, seen, lanes)
        for value in slots[1, :, 0]:
            kept[value - 1] += 1
    assert seen.tolist() == [0, 100]
    # 16 of 100 kept in each of 400 runs: 64 expected per value, standard deviation 7.3.
    assert kept.sum() == 6400
    assert kept.min() > 64 - 5 * 7.3
    assert kept.max() < 64 + 5 * 7.3
    past = np.zeros(7, np.int16)
    assert readout.recall(slots, seen, past, lanes) == 1
    assert ((past > 0) << bits).sum() in slots[1, :, 0]
    assert readout.recall(slots, np.zeros(2, np.int64), past, lanes) == -1
