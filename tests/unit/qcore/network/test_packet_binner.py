"""Packets to a network's input in one pass, beside one operation after the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import FrontSpec, Network, PacketBinner, TickClock, bin_events, load_preset
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.kernels.packet_bins import PACKED_EVENT

EDGE = load_preset("edge")
FRONTS = (
    FrontSpec(),
    FrontSpec(most=3),
    FrontSpec(merge=True, pool=2, top=1, left=2, most=2),
    FrontSpec(width=300, height=200, pool=2, pool_x=3, top=4, left=7, flip_x=True),
    FrontSpec(flip_y=True, swap_xy=True, pool_x=2),
)


def stream(seed, count, size, span_us, spots=6):
    """Events that crowd at a few spots, as moving edges do."""
    rng = np.random.default_rng(seed)
    events = np.zeros(count, PACKED_EVENT)
    events["t"] = 10**15 + np.sort(rng.integers(0, span_us, count))
    for name, pixels in zip("xy", size, strict=True):
        events[name] = rng.integers(0, pixels, spots)[rng.integers(0, spots, count)]
    events["p"] = rng.integers(0, 2, count)
    return events


def cut(events, seed):
    """The same events in packets, some of them empty."""
    borders = np.random.default_rng(seed).integers(0, len(events) + 1, 4)
    return np.split(events, np.sort(borders))


def naive(spec, events, size, clock):
    """Each event on its way: tick, plane, pool, crop, mirror, transpose, at most so many."""
    front, kept, seen, left_out = spec.front, [], Counter(), 0
    rows, columns = (spec.width, spec.height) if front.swap_xy else (spec.height, spec.width)
    for t, x, y, p in events.tolist():
        tick = clock.origin_tick + (t - clock.origin_us) // clock.tick_us
        column = x * spec.plane[0] // size[0] // (front.pool_x or front.pool) - front.left
        row = y * spec.plane[1] // size[1] // front.pool - front.top
        if not (0 <= column < columns and 0 <= row < rows):
            left_out += 1
            continue
        column = columns - 1 - column if front.flip_x else column
        row = rows - 1 - row if front.flip_y else row
        if front.swap_xy:
            column, row = row, column
        spike = tick, column, row, 0 if front.merge else p
        seen[spike] += 1
        if seen[spike] <= front.most:
            kept.append(spike)
    return kept, len(events) - left_out - len(kept)


@given(
    seed=st.integers(0, 2**32), count=st.integers(0, 120), front=st.sampled_from(FRONTS),
    size=st.tuples(st.integers(1, 1300), st.integers(1, 800)), span_us=st.integers(1, 9000),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_one_pass_gives_what_one_operation_after_the_other_gives(seed, count, front, size, span_us):
    spec = replace(EDGE, front=front)
    events = stream(seed, count, size, span_us)
    clock = TickClock(10**15 - 300, 40, 1000)
    binned, on = PacketBinner(spec, size).bin(cut(events, seed), clock, 20)
    kept, merged = naive(spec, events, size, clock)
    told = zip(binned.tick, binned.x, binned.y, binned.p, strict=True)
    assert [tuple(map(int, spike)) for spike in told] == kept
    assert (binned.merged, on) == (merged, int(events["p"].sum()))


@pytest.mark.parametrize("front", FRONTS)
def test_a_network_computes_the_same_bits_and_counts_the_same_events(front):
    spec, size = replace(EDGE, front=front), (346, 260)
    events = stream(3, 4000, size, 60_000, spots=40)
    first, second = (Network.build(spec, ("a", "b"), 1) for _ in range(2))
    origin = int(events["t"][0])
    columns = [np.ascontiguousarray(events[name]) for name in "txyp"]
    whole = bin_events(
        *columns, sensor_size=size, input_size=first.input_size, origin_us=origin, origin_tick=0,
        tick_us=1000,
    )  # fmt: skip
    slow = first.advance(whole, 60, label=1, learn=True)
    clock = TickClock(origin, 0, 1000)
    binned, _ = second.front_end.binner(size).bin(cut(events, 5), clock, 60)
    half, rest = binned.before(30)
    second.advance(half, 30, label=1, learn=True)
    fast = second.advance(rest, 60, label=1, learn=True)
    assert first.to_bytes() == second.to_bytes()
    assert first.state.registers[at.MERGED] > 0
    assert slow.scores[-1].tolist() == fast.scores[-1].tolist()


def test_events_outside_the_sensor_or_of_no_channel_are_refused():
    clock, binner = TickClock(0, 0, 1000), PacketBinner(EDGE, (30, 20))
    for name, value, words in (("x", 30, "30x20"), ("y", 20, "30x20"), ("p", 2, "2 channels")):
        events = np.zeros(3, PACKED_EVENT)
        events[name][2] = value
        with pytest.raises(ValueError, match=words):
            binner.bin([events], clock, 1)
