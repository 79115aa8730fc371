"""Ticks with so many spikes that they are summed by place: against the naive twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import BinnedEvents, Network
from spikewire.qcore.kernels import place_sums
from tests.reference import kernels as naive
from tests.reference.network import NaiveNetwork
from tests.reference.traced import TracedLayer
from tests.unit.qcore.network.variants import VARIANTS, build, draw, with_layers

# A kernel of 13x13 sees more than 255 of two channels' places: they are summed in parts.
WIDE = {"width": 16, "height": 15, **with_layers({"kernel": 13, "pad": 0, "pool": 1}, {}, {})}
CASES: dict[str, dict[str, Any]] = {
    "base": {},
    "sum-pooling": VARIANTS["sum-pooling"],
    "wide kernel": WIDE,
    "wide kernel, large exponent": {
        **WIDE,
        "layers": [{**layer, "exponent": 12} for layer in WIDE["layers"]],
    },
}


def _spikes_of(network: Network, n: int, now: BinnedEvents) -> list[tuple[int, int, int]]:
    """List the input spikes of a layer, as channel, row and column."""
    if n == 0:
        columns = (now.p, now.y, now.x)
        return list({(int(p), int(y), int(x)) for p, y, x in zip(*columns, strict=True)})
    before = network.layers[n - 1].spikes
    return [
        (int(c), int(y), int(x)) for y, x, c in np.argwhere(before) for _ in range(before[y, x, c])
    ]


@pytest.mark.parametrize("case", CASES)
def test_dense_ticks_equal_the_naive_twin(case: str) -> None:
    network = build(5, **CASES[case])
    twin = NaiveNetwork(network, TracedLayer)
    rng = np.random.default_rng(5)
    width, height = network.input_size
    taken = np.zeros(2, int)
    for tick in range(12):
        count = width * height * 2 * (1 + tick % 3)
        events = draw(rng, range(tick, tick + 1), count, (width, height))
        before = network.synaptic_ops
        steps = network.advance(events, tick + 1)
        tuples = [
            (tick, int(x), int(y), int(p))
            for x, y, p in zip(events.x, events.y, events.p, strict=True)
        ]
        rows = twin.advance(tuples, tick + 1, -1, False)
        assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
        operations = 0
        for n, layer in enumerate(twin.layers):
            assert (network.layers[n].membrane == layer.v).all()
            spikes = _spikes_of(network, n, events)
            weights, spec = network.layers[n].weights, network.spec.layers[n]
            if spec.kind == "dense":
                operations += len(spikes) * spec.channels
                continue
            shape = network.layers[n].membrane.shape
            operations += naive.drive(spikes, weights, shape, spec.stride, (spec.pad, spec.pad))[1]
            drive = np.empty(shape, np.int16)
            taken[n] += place_sums.is_dense(len(spikes), weights, drive, spec.stride)
        assert network.synaptic_ops - before == operations
    assert taken[0] > 5
