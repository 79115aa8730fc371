"""Who fired in each tick: as one sees it who computes tick by tick."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import BinnedEvents, Network, SpikeProbe
from tests.unit.qcore.network.test_network import build, draw, same
from tests.unit.qcore.network.variants import VARIANTS


def everyone(network: Network) -> list[np.ndarray]:
    sizes = (layer.spikes.size for layer in network.layers)
    return [np.arange(size, dtype=np.int64) for size in sizes]


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(VARIANTS)), st.integers(0, 60))
@settings(max_examples=20, deadline=None)
def test_probed_spikes_are_those_that_fire(seed: int, variant: str, ticks: int) -> None:
    rng = np.random.default_rng(seed)
    plain, probed, slow = (build(seed, **VARIANTS[variant]) for _ in range(3))
    units = tuple(rng.permutation(of)[: rng.integers(0, of.size + 1)] for of in everyone(plain))
    # Then nothing comes for a while: the engine jumps over ticks in which nothing can fire.
    for start, stop, count in ((0, 40, 200), (40, 45, 0), (45, 400, 3), (400, 420, 90)):
        events = draw(rng, range(start, min(stop, start + 40)), count, (8, 7))
        steps = probed.advance(events, stop, label=1, learn=True, probe=SpikeProbe(units, ticks))
        plain.advance(events, stop, label=1, learn=True)
        seen: list[list[np.ndarray]] = []
        for tick in range(start, stop):
            part = slice(*np.searchsorted(events.tick, [tick, tick + 1]))
            now = BinnedEvents(events.tick[part], events.x[part], events.y[part], events.p[part])
            slow.advance(now, tick + 1, label=1, learn=True)
            seen.append([slow.layers[n].spikes.reshape(-1)[units[n]].copy() for n in range(3)])
        looked = min(ticks, stop - start)
        for n, fired in enumerate(steps.fired):
            assert fired.shape == (looked, units[n].size)
            expected = [one[n] for one in seen[len(seen) - looked :]]
            assert not looked or (fired == np.array(expected)).all()
        assert same(plain, probed)


def test_something_fires_at_all() -> None:
    network = build(3)
    events = draw(np.random.default_rng(3), range(40), 300, (8, 7))
    steps = network.advance(events, 40, probe=SpikeProbe(tuple(everyone(network)), 40))
    assert all(fired.any() and not fired.all() for fired in steps.fired)
    nothing = draw(np.random.default_rng(0), range(41), 0, (8, 7))
    assert network.advance(nothing, 41).fired == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda units: units[:2], "2 layers are probed; there are 3"),
        (lambda units: [units[0], units[1], units[2] + 1], "Layer 2 has units 0 to 4"),
        (lambda units: [units[0] - 1, *units[1:]], "Layer 0 has units 0 to"),
    ],
)
def test_units_that_are_none_are_refused(change, says) -> None:
    network = build()
    nothing = draw(np.random.default_rng(0), range(1), 0, (8, 7))
    with pytest.raises(ValueError, match=re.escape(says)):
        network.advance(nothing, 5, probe=SpikeProbe(tuple(change(everyone(network))), 5))
    assert network.tick == 0


def test_the_same_units_are_probed_after_a_class_was_added() -> None:
    network, twin = build(3), build(3)
    probe = SpikeProbe(tuple(everyone(network)), 20)
    rng = np.random.default_rng(3)
    for start in (0, 20):
        events = draw(rng, range(start, start + 20), 200, (8, 7))
        fired = network.advance(events, start + 20, probe=probe).fired
        again = twin.advance(events, start + 20, probe=SpikeProbe(probe.units, 20)).fired
        for one, other in zip(fired, again, strict=True):
            assert one.any()
            assert (one == other).all()
        for one in (network, twin):
            one.add_class(f"another {start}")
