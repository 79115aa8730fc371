"""Kernels of layers on traces, against their slow twins and at their rails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import neuron as rows
from spikewire.qcore.kernels import traced
from tests.reference import kernels as naive
from tests.reference import traced as twin

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=80, deadline=None)
WIDTHS = st.integers(4, 15)


def kick(decay: int, width: int, gain: int) -> int:
    return min(decay << (width + gain), 2**29)


@given(SEEDS, WIDTHS, WIDTHS, st.integers(1, 4096), st.integers(1, 4096), st.integers(0, 8))
@FEW
def test_traces_follow_their_inputs(
    seed: int, q: int, p: int, decay_q: int, decay_p: int, gain: int
) -> None:
    rng = np.random.default_rng(seed)
    n = 12
    Q = rng.integers(0, 2**q, n).astype(np.int16)
    P = rng.integers(0, 2**p, n).astype(np.int16)
    Q[:2], P[:2] = (0, 2**q - 1), (2**p - 1, 0)
    by = kick(decay_q, q, gain)
    change = np.full(n, 77, np.int32)
    for tick in range(4):
        fired = rng.choice([0, 0, 1, 2, 121], n).astype(np.int8)
        before = list(zip(Q.tolist(), P.tolist(), strict=True))
        stale = int(tick == 2)
        told = traced.follow_inputs(
            fired, Q, P, change, decay_q, by, decay_p, p - q, 2**q - 1, 2**p - 1, stale
        )
        wanted = [
            twin.follow(a, b, int(s), (decay_q, decay_p), by, (q, p))
            for (a, b), s in zip(before, fired, strict=True)
        ]
        assert list(zip(Q.tolist(), P.tolist(), strict=True)) == wanted
        grown = [new[1] - (0 if stale else old[1]) for new, old in zip(wanted, before, strict=True)]
        assert change.tolist() == grown
        assert told & 1 == (wanted != before)
        assert told >> 1 == any(one != (0, 0) for one in wanted)


def geometry(rng: np.random.Generator) -> tuple[Any, tuple[int, int, int], int, int, Any]:
    kernel, stride = (int(v) for v in rng.integers(1, 4, 2))
    pad = int(rng.integers(0, kernel))
    columns_in = rows_in = int(rng.integers(kernel, kernel + 4))
    rows_in += int(rng.integers(0, 2))
    inputs, channels = int(rng.integers(1, 7)), int(rng.integers(1, 20))
    shape = (
        (rows_in + 2 * pad - kernel) // stride + 1,
        (columns_in + 2 * pad - kernel) // stride + 1,
        channels,
    )
    weights = rng.integers(-128, 128, (inputs, kernel, kernel, channels)).astype(np.int8)
    P = rng.integers(0, 2**15, (rows_in, columns_in, inputs)) * rng.integers(0, 2, inputs)
    return weights, shape, stride, pad, P


@given(SEEDS)
@FEW
def test_changes_of_traces_are_added_to_the_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, shape, stride, pad, P = geometry(rng)
    later = np.where(rng.random(P.shape) < 0.5, P, rng.integers(0, 2**15, P.shape))
    # In memory a kernel's columns lie from the last to the first.
    mirrored = np.ascontiguousarray(weights[:, :, ::-1])
    total = np.zeros(shape, np.int32)
    for change in (P, later - P):
        scratch = change.astype(np.int32)
        traced.add_changes(scratch, mirrored, total, stride, pad, pad)
        assert not scratch.any()
    assert (total == twin.sums(later, weights.astype(int), shape, stride, pad)).all()
    kernel = weights.shape[1:3]
    count = traced.count_reached(
        later.astype(np.int16), *kernel, shape[0], shape[1], stride, pad, pad
    )
    assert count == twin.reached(later, kernel, shape[:2], stride, pad)


def test_sums_wrap_and_come_back() -> None:
    weights = np.full((600, 1, 1, 1), -128, np.int8)
    total = np.zeros((1, 1, 1), np.int32)
    P = np.full((1, 1, 600), 32767, np.int32)
    traced.add_changes(P.copy(), weights, total, 1, 0, 0)
    assert total[0, 0, 0] == twin.wrap32(-128 * 600 * 32767)
    traced.add_changes(1 - P, weights, total, 1, 0, 0)
    assert total[0, 0, 0] == -128 * 600


@given(
    SEEDS, st.integers(-7, 24), st.integers(0, 20), st.sampled_from([*range(1, 9), 24]),
    st.booleans(), st.integers(2, 7),
)  # fmt: skip
@FEW
def test_traced_neurons_fire_and_activate(
    seed: int, lift: int, slope: int, bits: int, rounded: bool, width: int
) -> None:
    rng = np.random.default_rng(seed)
    n, rail, coarse = 6, 2**width - 1, bits if bits < 24 else 0
    table = np.zeros((8, n), np.int32)
    table[rows.THRESHOLD] = rng.choice([0, 1, 900, 2**20, 2**23 - 2], n)
    table[rows.BIAS] = rng.choice([0, 5, -800, 2**23 - 1, -(2**23) + 1], n)
    table[rows.KEEP_R] = rng.choice([0, 1, 2662, 4095], n)
    table[rows.KICK_R] = rng.choice([0, 1000, 2**22], n)
    total = rng.integers(-(2**31), 2**31, (4, n)).astype(np.int32)
    total[1:3] >>= rng.integers(0, 31)
    r = rng.integers(0, 2**bits - 1 if coarse else 2**23, (4, n)).astype(np.int32)
    fired, activation = (np.zeros((4, n), np.int8) for _ in range(2))
    before = r.copy()
    traced.activate_traced(total, r, table, activation, lift, slope, rail, coarse)
    changed = traced.fire_traced(total, r, table, fired, lift, slope, coarse, int(rounded))
    for i, c in np.ndindex(4, n):
        t = [int(v) for v in table[:, c]]
        wanted = twin.fire(
            int(total[i, c]), int(before[i, c]), t[3], t[2], t[4], t[5],
            lift=lift, slope=slope, rail=rail, bits=bits, rounded=rounded,
        )  # fmt: skip
        assert (r[i, c], fired[i, c], activation[i, c]) == wanted
    assert bool(changed) == bool((r != before).any())
    # A spike is what the membrane's own width says.
    assert ((activation >= (rail + 1) // 2) == (fired == 1)).all()


@given(SEEDS, st.integers(1, 8))
@FEW
def test_a_rounded_refractory_trace(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    v = rng.integers(-3000, 3000, (5, 4)).astype(np.int32)
    r = rng.integers(0, 2**bits, (5, 4)).astype(np.int32)
    table = np.zeros((8, 4), np.int32)
    table[rows.THRESHOLD], table[rows.KICK_R] = 400, rng.integers(0, 2000, 4)
    table[rows.KEEP_R] = rng.choice([0, 2662, 4095], 4)
    fired, before = np.zeros((5, 4), np.int8), r.copy()
    changed = rows.fire_coarse(v, r, table, fired, bits, 1)
    for i, c in np.ndindex(5, 4):
        _, wanted, spike, _ = naive.fire(
            f"lingering{bits}", int(v[i, c]), int(before[i, c]), 400,
            int(table[rows.KEEP_R, c]), int(table[rows.KICK_R, c]), 8, 63,
        )  # fmt: skip
        assert (r[i, c], fired[i, c]) == (wanted, spike)
    assert bool(changed) == bool((r != before).any())


@pytest.mark.parametrize(("rounded", "taken"), [(1, [2, 1, 1, 1, 1]), (0, [2, 1, 0, 0, 0])])
def test_with_two_bits_a_rounded_trace_lingers(rounded: int, taken: list[int]) -> None:
    table = np.zeros((8, 1), np.int32)
    table[rows.KEEP_R], table[rows.KICK_R] = 2662, 1000
    total, r = np.full((1, 1), 10, np.int32), np.zeros((1, 1), np.int32)
    fired = np.zeros((1, 1), np.int8)
    seen = []
    for _ in taken:
        traced.fire_traced(total, r, table, fired, 0, 0, 2, rounded)
        seen.append(int(r[0, 0]))
        total[:] = -5000
    assert seen == taken


@pytest.mark.parametrize(("bits", "lasting"), [(6, 16), (12, 16)])
def test_a_rounded_trace_stops_sixteen_steps_above_zero(bits: int, lasting: int) -> None:
    """What decays by less than half a step a tick stays: a quarter of the range with 6 bits."""
    Q, P = np.zeros(1, np.int16), np.full(1, 2**bits - 1, np.int16)
    change = np.zeros(1, np.int32)
    for _ in range(400):
        told = traced.follow_inputs(
            np.zeros(1, np.int8), Q, P, change, 614, 614 << 10, 123, bits - 10, 1023, 2**bits - 1, 0
        )
    assert (told, P[0]) == (2, lasting)


def followed(spikes: Any, q: int, p: int) -> Any:
    """Run traces over spikes [ticks, inputs]; return P in parts of its range, every tenth tick."""
    n = spikes.shape[1]
    Q, P, change = np.zeros(n, np.int16), np.zeros(n, np.int16), np.zeros(n, np.int32)
    seen = []
    for tick, fired in enumerate(spikes):
        traced.follow_inputs(
            np.ascontiguousarray(fired), Q, P, change, 614, 614 << q, 123, p - q, 2**q - 1,
            2**p - 1, 0,
        )  # fmt: skip
        if tick % 10 == 9 and tick > 50:
            seen.append(P / 2**p)
    return np.array(seen)


def test_what_traces_tell_of_digits_falls_below_ten_bits(data_dir: Path) -> None:
    """As in docs/sweep.md: correlation with traces of 15 bits, on digits scaled to 32 x 32."""
    from spikewire.sensors import open_recording

    kept: dict[int, list[float]] = {bits: [] for bits in (6, 8, 10, 12)}
    for path in sorted((data_dir / "nmnist" / "Train").glob("*/*.bin"))[::50]:
        events = np.concatenate(list(open_recording(path).chunks()))
        tick = (events["t"] - events["t"][0]) // 1000
        spikes = np.zeros((310, 32, 32, 2), np.int8)
        on = tick < 310
        x, y = (events[name][on].astype(int) * 32 // 34 for name in "xy")
        spikes[tick[on], y, x, events["p"][on].astype(int)] = 1
        flat = spikes.reshape(310, -1)
        fine = followed(flat, 15, 15).ravel()
        for bits, found in kept.items():
            found.append(float(np.corrcoef(followed(flat, bits - 2, bits).ravel(), fine)[0, 1]))
    means = [float(np.mean(found)) for found in kept.values()]
    print({bits: round(mean, 3) for bits, mean in zip(kept, means, strict=True)})
    assert means == sorted(means)
    assert means[0] < 0.75 < 0.9 < means[2]
    assert means[3] > 0.98
