"""Drawn weights, readouts and feedback: numbers of one purpose tell nothing of another's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import load_preset
from spikewire.qcore.network.initialise import FEEDBACK_STREAM, stream_of
from tests.unit.qcore.network.test_network import build

LAYER = {"kind": "conv", "channels": 16, "kernel": 5, "pad": 2}
FIRST_LANES = 64


def closest(a: Any, b: Any) -> float:
    """Correlation of two rows where one is moved by as many places as brings it to its highest."""
    count = min(a.size, b.size) - FIRST_LANES
    moved = range(-FIRST_LANES // 2, FIRST_LANES // 2)
    a = a.reshape(-1).astype(float)[FIRST_LANES // 2 :][:count]
    rows = (b.reshape(-1).astype(float)[FIRST_LANES // 2 + d :][:count] for d in moved)
    return max(abs(float(np.corrcoef(a, row)[0, 1])) for row in rows)


@pytest.mark.parametrize(
    ("version", "seed", "alike"), [(1, 0, True), *((2, seed, False) for seed in (0, 1, 2, 6))]
)
def test_no_draw_is_another_moved(version: int, seed: int, alike: bool) -> None:
    plain = {"version": version, "layers": [LAYER, LAYER, LAYER]}
    network = build(seed, **plain, learning={"cadence": 1, "feedback": "concordant"})
    first, second = network.layers[0], network.layers[1]
    pairs = [
        (first.readout[0], first.readout[1]),
        (first.readout[0], second.readout[0]),
        (first.weights, second.weights),
        (network.layers[2].weights, second.weights),
        (np.abs(first.feedback[0]), np.abs(first.feedback[1])),
        (np.abs(first.feedback[0]), np.abs(first.readout[0])),
    ]
    # 64 places of at least 500 numbers: by chance none comes near a half.
    assert (max(closest(a, b) for a, b in pairs) > 0.5) == alike


def test_streams_of_version_2_are_far_apart() -> None:
    numbers = {*range(70), *(1000 + 1000 * n + k for n in range(64) for k in range(64))}
    numbers |= {FEEDBACK_STREAM * (1 + 1000 * n + k) for n in range(64) for k in range(64)}
    spec = load_preset("nmnist")
    assert spec.version == 2
    streams = sorted(stream_of(spec, number) for number in numbers)
    assert len(streams) == len(numbers)
    assert streams[0] >= 0
    assert streams[-1] < 2**63
    assert min(np.diff(np.array(streams, object))) > 10**6
    assert stream_of(load_preset("edge"), 7) == 7
