"""Seeded integer generators: xorshift lanes whose states are arrays, saved with the model."""

from __future__ import annotations

import numpy as np

from spikewire._jit import kernel
from spikewire.qcore.kernels.fixed_point import xorshift


@kernel("void(uint32[::1], int64, int64)")
def fill_lanes(lanes, seed, stream):
    """Seed each lane from (seed, stream, lane) by splitmix64 (Steele et al. 2014); none is 0."""
    state = np.uint64(seed) ^ (np.uint64(stream) * np.uint64(0x9E3779B97F4A7C15))
    for i in range(lanes.shape[0]):
        state = np.uint64(state + np.uint64(0x9E3779B97F4A7C15))
        z = state
        z = np.uint64((z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
        z = np.uint64((z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
        z = np.uint64(z ^ (z >> np.uint64(31)))
        lane = np.uint32(z >> np.uint64(32))
        lanes[i] = lane if lane != 0 else np.uint32(1)


@kernel("void(int16[::1], uint32[::1], int64)")
def fill_uniform(values, lanes, rail):
    """Fill with integers uniform in ``[-rail, rail]``, one lane per value in turn."""
    n = lanes.shape[0]
    span = np.int64(2 * rail + 1)
    for i in range(values.shape[0]):
        lane = i % n
        lanes[lane] = xorshift(lanes[lane])
        # The upper half of the product: unbiased to 2**-32, without a division.
        values[i] = np.int16(((np.int64(lanes[lane]) * span) >> 32) - rail)
