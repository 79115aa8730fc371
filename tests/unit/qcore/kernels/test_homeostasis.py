"""Homeostasis against its naive twins, on drawn values and at the rails."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore.kernels import homeostasis, neuron
from tests.reference import kernels as naive

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=60, deadline=None)


@given(SEEDS, st.integers(0, 8), st.booleans())
@FEW
def test_regulation(seed: int, gain_shift: int, refractory: bool) -> None:
    rng = np.random.default_rng(seed)
    channels, chances = int(rng.integers(1, 9)), int(rng.integers(1, 5000))
    spikes = rng.integers(0, channels, (int(rng.integers(0, 50)), 3)).astype(np.int16)
    counts = rng.integers(0, chances + 1, channels).astype(np.int32)
    wanted_counts = [int(c) + int((spikes[:, 0] == k).sum()) for k, c in enumerate(counts)]
    homeostasis.count_channels(spikes, len(spikes), counts)
    assert counts.tolist() == wanted_counts
    table = np.zeros((8, channels), np.int32)
    # Both ends of the range are among the thresholds.
    table[neuron.THRESHOLD] = rng.choice([64, 65, 2**22, 2**22 - 1, 70_000], channels)
    low = int(rng.integers(0, 40_000))
    high = low + int(rng.integers(0, 20_000))
    wanted = [
        naive.regulated(int(t), c, chances, low, high, gain_shift)
        for t, c in zip(table[neuron.THRESHOLD], wanted_counts, strict=True)
    ]
    homeostasis.adapt_thresholds(counts, table, chances, low, high, gain_shift, int(refractory))
    assert table[neuron.THRESHOLD].tolist() == wanted
    assert table[neuron.KICK_R].tolist() == (wanted if refractory else [0] * channels)
    assert not counts.any()


def test_regulation_moves_thresholds_towards_the_wanted_activity() -> None:
    table = np.zeros((8, 3), np.int32)
    table[neuron.THRESHOLD] = 4096
    counts = np.array([0, 30, 900], np.int32)
    # 1,000 chances; 2 % to 6 % wanted: the first is too quiet, the last too loud.
    homeostasis.adapt_thresholds(counts, table, 1000, 1310, 3932, 3, 1)
    assert table[neuron.THRESHOLD].tolist() == [4096 - 512, 4096, 4096 + 512]
    assert table[neuron.KICK_R].tolist() == [4096 - 512, 0 + 4096, 4096 + 512]
    assert not counts.any()
    spikes = np.array([[1, 0, 0], [2, 5, 5], [1, 9, 9]], np.int16)
    homeostasis.count_channels(spikes, 3, counts)
    assert counts.tolist() == [0, 2, 1]
