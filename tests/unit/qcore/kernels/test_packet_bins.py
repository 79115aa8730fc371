"""Packets to spikes in ticks, against plain Python, on drawn inputs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import packet_bins as at

WIDTH, HEIGHT = 7, 5


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from([(1, 0), (2, 0), (2, 1)]),
    st.sampled_from([1, 2, 255]), st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_spikes_of_packets(
    seed: int, packets: int, channels: tuple[int, int], most: int, faulty: bool
) -> None:
    rng = np.random.default_rng(seed)
    (depth, merged), tick_us, origin_us = channels, int(rng.integers(1, 40)), 500
    columns = [c // 2 for c in range(WIDTH)]
    cropped = int(rng.integers(HEIGHT))  # a row outside the crop
    to_x = np.array([depth * c for c in columns], np.int32)
    to_y = np.array([depth * 4 * r for r in range(HEIGHT)], np.int32)
    to_y[cropped] = -(10**6)
    held = np.zeros(depth * 4 * HEIGHT, np.uint8)
    how = np.array([origin_us, 3, tick_us, depth, merged, most, 4], np.int64)
    state = np.zeros(7, np.int64)
    state[at.END_US] = np.iinfo(np.int64).min
    places, tick = np.zeros(200, np.int32), np.zeros(200, np.int64)
    wanted: list[tuple[int, int, int, int]] = []
    left_out, on, fault, now = 0, 0, 0, origin_us
    for _ in range(packets):
        events = np.zeros(int(rng.integers(1, 40)), at.PACKED_EVENT)
        events["t"] = now + np.sort(rng.integers(0, 90, len(events)))
        events["x"], events["y"] = (
            rng.integers(0, WIDTH, len(events)),
            rng.integers(0, HEIGHT, len(events)),
        )
        events["p"] = rng.integers(0, 2, len(events))
        now = int(events["t"][-1])
        if faulty:
            events["y"][rng.integers(len(events))] = HEIGHT
        for t, x, y, p in events.tolist():
            if y >= HEIGHT:
                fault = 1
                break
            on += p
            if y == cropped:
                left_out += 1
                continue
            spike = (
                3 + (t - origin_us) // tick_us,
                columns[x],
                y,
                0 if depth == 1 or merged else p,
            )
            if wanted.count(spike) < most:
                wanted.append(spike)
        at.bin_packet(events, how, to_x, to_y, held, state, places, tick)
        if fault:
            assert state[at.FAULT] == fault
            return
    x, y, p = np.zeros(200, np.uint16), np.zeros(200, np.uint16), np.zeros(200, np.uint8)
    at.list_spikes(how, held, state, places, tick, x, y, p)
    n = int(state[at.COUNT])
    assert list(zip(*(a[:n].tolist() for a in (tick, x, y, p)), strict=True)) == wanted
    assert (int(state[at.LEFT_OUT]), int(state[at.ON]), int(state[at.FAULT])) == (left_out, on, 0)
    assert not held.any()
