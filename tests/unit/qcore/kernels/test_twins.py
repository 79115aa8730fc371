"""No kernel without a twin: the ones the other files leave out, the rails, and the list itself."""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import KERNELS
from spikewire.qcore.kernels import binning, local_learning, readout, trace
from spikewire.qcore.kernels import neuron as neuron_kernels
from tests.reference import kernels as naive
from tests.unit.qcore.kernels.test_integers import called_kernels

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)
RAIL = 2**23 - 1

WHOLE_NETWORK = "test_the_engine_equals_its_naive_twin"
"""Runs the engine, and all it reaches, against a twin of the whole network."""

STEPS = {
    f"spikewire.qcore.kernels.{name}"
    for name in (
        "engine",
        "general_layer",
        "layer",
        "learning_step",
        "temporal_step",
        "traced_layer",
    )
}
"""Modules whose kernels only string others together: their twin is the naive network."""


def names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from names(part)


def drawn_tests() -> dict[str, set[str]]:
    """Every Hypothesis test of qcore, with the names that its body uses."""
    found = {}
    root = Path(__file__).parents[4]
    for path in sorted(Path(__file__).parents[1].rglob("test_*.py")):
        module = importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
        for name, value in vars(module).items():
            inner = getattr(getattr(value, "hypothesis", None), "inner_test", None)
            if name.startswith("test_") and inner is not None:
                used = set(names(inner.__code__))
                # Kernels may be picked from a table of them by name.
                for table in [vars(module).get(n) for n in used]:
                    if isinstance(table, dict):
                        used |= {getattr(k, "__name__", "") for k in table.values()}
                found[name] = used
    return found


def test_every_kernel_has_a_test_against_a_twin_on_drawn_inputs() -> None:
    tests = drawn_tests()
    assert "NaiveNetwork" in tests[WHOLE_NETWORK]
    used = set().union(*tests.values())
    for kernel in KERNELS:
        module, name = kernel.rsplit(".", 1)
        assert name in used or module in STEPS, f"{kernel} has no twin"
    # The engines for ordinary networks are parts of the one for all: networks use all of them.
    engines = ("advance", "advance_ordinary", "advance_reading", "advance_fixed")
    reached = set().union(*(called_kernels(f"spikewire.qcore.kernels.engine.{n}") for n in engines))
    assert {kernel for kernel in KERNELS if kernel.rsplit(".", 1)[0] in STEPS} <= reached


@given(st.integers(1, 2**62) | st.integers(1, 2**31).map(lambda root: root * root))
@FEW
def test_square_root(value: int) -> None:
    assert readout.square_root(value) == math.isqrt(value)


@given(SEEDS, st.integers(1, 5), st.integers(1, 4), st.integers(1, 30))
@FEW
def test_memory(seed: int, places: int, classes: int, offers: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 20))
    lanes = np.array(naive.splitmix_lanes(seed, 0, 64), np.uint32)
    state = int(lanes[0])
    slots = np.zeros((classes, places, -(-n // 8)), np.int8)
    seen = np.zeros(classes, np.int64)
    kept: list[list[list[int]]] = [[] for _ in range(classes)]
    count = [0] * classes
    for _ in range(offers):
        f = rng.choice([0, 3, 4, 508, 511, 512, 1024], n).astype(np.int16)
        f[rng.integers(n)] = 7
        k = int(rng.integers(classes))
        readout.remember(f, k, slots, seen, lanes)
        row = naive.remembered([int(v) for v in f])
        count[k] += 1
        if len(kept[k]) < places:
            kept[k].append(row)
        else:
            state = naive.xorshift(state)
            if state % count[k] < places:
                kept[k][state % count[k]] = row
        past = np.zeros(n, np.int16)
        was = readout.recall(slots, seen, past, lanes)
        known = [c for c in range(classes) if count[c]]
        state = naive.xorshift(state)
        wanted = known[state % len(known)]
        state = naive.xorshift(state)
        assert was == wanted
        assert past.tolist() == naive.recalled(kept[was][state % len(kept[was])])
        assert int(lanes[0]) == state
    assert seen.tolist() == count
    for k in range(classes):
        bits = np.unpackbits(slots[k, : len(kept[k])].view(np.uint8), axis=1, bitorder="little")
        assert bits[:, :n].tolist() == kept[k]
        assert not bits[:, n:].any()


@given(SEEDS, st.integers(1, 5000))
@FEW
def test_binning(seed: int, tick_us: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 40))
    width, height, columns, rows = (int(v) for v in rng.integers(1, 700, 4))
    origin, first = int(rng.integers(0, 2**40)), int(rng.integers(0, 2**31))
    t = origin + np.sort(rng.integers(0, 2**33, n))
    x, y = (rng.integers(0, size, n).astype(np.uint16) for size in (width, height))
    binned = binning.bin_events(
        t, x, y, np.zeros(n, np.uint8), sensor_size=(width, height), input_size=(columns, rows),
        origin_us=origin, origin_tick=first, tick_us=tick_us,
    )  # fmt: skip
    assert binned.tick.tolist() == [first + (int(v) - origin) // tick_us for v in t]
    assert binned.x.tolist() == [int(v) * columns // width for v in x]
    assert binned.y.tolist() == [int(v) * rows // height for v in y]
    binning._bin(t, x, y, origin, first, tick_us, np.arange(width), np.arange(height),
                  binned.tick, binned.x, binned.y)  # fmt: skip
    assert binned.x.tolist() == x.tolist()


# -- the rails, one by one ----------------------------------------------------------------------


def neuron(**rows: int) -> tuple[Any, ...]:
    table = np.zeros((8, 1), np.int32)
    for name, value in rows.items():
        table[getattr(neuron_kernels, name)] = value
    return (*(np.zeros((1, 1), np.int32) for _ in range(3)), table)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("spilled", [0, 1])
@pytest.mark.parametrize("exponent", [0, 8, 16])
def test_currents_and_membranes_stop_at_both_rails(sign: int, spilled: int, exponent: int) -> None:
    u, v, _, table = neuron(KEEP_U=4096, KEEP_V=4096)
    for tick in range(1000):
        drive = np.full((1, 1), sign * 32640 * (1 - spilled), np.int16)
        spill = np.full((1, 1), sign * (2**30) * spilled, np.int32)
        before = int(u[0, 0]), int(v[0, 0])
        neuron_kernels.integrate(drive, spill, u, v, table, exponent, spilled)
        total = sign * (2**30 if spilled else 32640)
        assert (int(u[0, 0]), int(v[0, 0])) == naive.integrate(
            *before, total, 4096, 4096, 0, exponent
        )
        assert tick < 999
        if abs(int(u[0, 0])) == abs(int(v[0, 0])) == RAIL:
            break
    assert (int(u[0, 0]), int(v[0, 0])) == (sign * RAIL, sign * RAIL)


@pytest.mark.parametrize("bias", [RAIL, -RAIL])
def test_the_largest_bias_stops_at_the_rails(bias: int) -> None:
    u, v, _, table = neuron(KEEP_U=4096, KEEP_V=4096, BIAS=bias)
    u[:] = v[:] = int(np.sign(bias)) * RAIL
    neuron_kernels.integrate(
        np.zeros((1, 1), np.int16), np.zeros((1, 1), np.int32), u, v, table, 0, 0
    )
    assert int(v[0, 0]) == int(np.sign(bias)) * RAIL


def test_the_refractory_trace_stops_at_its_rails() -> None:
    fired, activation = (np.zeros((1, 1), np.int8) for _ in range(2))
    _, v, r, table = neuron(THRESHOLD=-RAIL, KEEP_R=4095, KICK_R=RAIL)
    v[:] = RAIL
    neuron_kernels.fire_refractory(v, r, table, fired)
    assert r[0, 0] == RAIL
    table[neuron_kernels.THRESHOLD] = -3 * RAIL
    neuron_kernels.fire_refractory(v, r, table, fired)
    assert (r[0, 0], fired[0, 0]) == (RAIL, 1)
    for bits in range(1, 9):
        r[:] = 0
        table[neuron_kernels.THRESHOLD] = -3 * RAIL
        table[neuron_kernels.KICK_R] = RAIL - 1
        for _ in range(4):
            neuron_kernels.fire_coarse(v, r, table, fired, bits, 0)
            assert fired[0, 0] == 1
        assert r[0, 0] == 2**bits - 1
        # The largest trace times the largest kick stays inside 32 bits.
        table[neuron_kernels.THRESHOLD] = 1
        v[:] = -RAIL
        neuron_kernels.activate(
            v, r, table, activation, 20, 127, neuron_kernels.RESET_REFRACTORY, bits
        )
        over = -RAIL - (2**bits - 1) * (RAIL - 1) // 2 ** (bits - 1) - 1
        assert activation[0, 0] == max(0, over // 2**20 + 64)
        v[:] = RAIL


@pytest.mark.parametrize("bits", range(1, 9))
def test_a_coarse_refractory_trace_halves_its_kick_and_then_lets_go(bits: int) -> None:
    _, v, r, table = neuron(THRESHOLD=1000, KEEP_R=2662, KICK_R=1000)
    fired = np.zeros((1, 1), np.int8)
    v[:] = 1001
    taken = []
    for _ in range(12):
        neuron_kernels.fire_coarse(v, r, table, fired, bits, 0)
        taken.append(int(r[0, 0]) * 1000 // 2 ** (bits - 1))
        v[:] = 0
    assert taken[0] == 1000
    # Each tick keeps 0.65 of it, less what truncation to the grid takes.
    for before, after in itertools.pairwise(taken):
        assert after <= before * 0.65
        assert after > before * 0.65 - 1000 / 2 ** (bits - 1) - 1
    assert taken[-1] <= 1000 * 0.65**11 + 1
    if bits == 2:
        assert taken[:4] == [1000, 500, 0, 0]


@pytest.mark.parametrize("width", [6, 8, 10, 12, 15])
def test_a_trace_of_any_width_is_the_wide_one_more_coarsely(width: int) -> None:
    """Its scale is kept; what is smaller than its steps vanishes."""
    spikes = np.random.default_rng(3).random(400) < 0.1
    ends = {}
    for bits in (width, 15):
        Q, P = np.zeros(1, np.int16), np.zeros(1, np.int16)
        kick = 120 * 2**bits // 2**10
        ends[bits] = []
        for s in spikes:
            trace.advance_traces(np.array([s], np.int8), Q, P, kick, 3, 3, 2**bits - 1, 0)
            ends[bits].append((int(Q[0]), int(P[0])))
    coarse, fine = (np.array(ends[b]) / 2**b for b in (width, 15))
    # At the least a tick costs Q one step by rounding, and P up to 2**3 - 1 steps of lag.
    assert np.abs(coarse - fine).max() < 20 / 2**width
    assert (coarse.max(0) > fine.max(0) / 4).all()


@pytest.mark.parametrize("bits", [4, 10, 15])
def test_counts_drive_a_trace_to_its_rail_and_no_further(bits: int) -> None:
    Q, P = np.zeros(1, np.int16), np.zeros(1, np.int16)
    most = np.array([121], np.int8)
    for _ in range(300):
        trace.advance_traces(most, Q, P, 120 * 2**bits // 2**10, 3, 3, 2**bits - 1, 15 - bits)
    assert Q[0] == 2**bits - 1
    assert 0 <= (int(Q[0]) << (15 - bits)) - P[0] < 2**3
    F = np.array([32767], np.int16)
    trace.advance_features(most, F, 4096, 10)
    assert F[0] == 32767


@pytest.mark.parametrize("sign", [1, -1])
def test_errors_come_back_clipped_to_eight_bits(sign: int) -> None:
    G = np.full((8, 1), sign * 127, np.int8)
    found = np.zeros(1, np.int8)
    inside = np.array([5], np.int8)
    local_learning.local_delta(
        G, np.full(8, 127, np.int32), inside, found, np.zeros(1, np.int32), 0, 63, 127
    )
    assert found[0] == sign * 127
