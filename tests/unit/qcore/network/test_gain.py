"""Gain control: thresholds that follow the rate of the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import Batch, BinnedEvents, Network, NetworkSpec, SpecError
from spikewire.qcore.kernels import layout as at
from tests.reference.network import NaiveNetwork
from tests.unit.qcore.network.test_network import tuples
from tests.unit.qcore.network.variants import SMALL, VARIANTS, build, draw

GAIN = VARIANTS["gain control"]


def bursts(seed: int, gap: int = 900) -> BinnedEvents:
    """Events of many rates, with idle ticks between."""
    rng = np.random.default_rng(seed)
    starts = (0, 9, gap, gap + 10)
    parts = [draw(rng, range(t, t + 8), int(rng.integers(0, 200)), (8, 7)) for t in starts]
    columns = ("tick", "x", "y", "p")
    return BinnedEvents(*(np.concatenate([getattr(part, c) for part in parts]) for c in columns))


def test_it_equals_its_naive_twin() -> None:
    network = build(3, **GAIN)
    twin, events = NaiveNetwork(network), bursts(3, gap=30)
    steps = network.advance(events, 60, label=1, learn=True)
    rows = twin.advance(tuples(events), 60, 1, True)
    assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
    assert int(network.state.registers[at.GAIN_MEAN]) == twin.input_mean > 0
    assert (network.layers[0].membrane == twin.layers[0].v).all()


def test_neither_packets_nor_files_change_a_bit() -> None:
    whole, cut, events = build(4, **GAIN), build(4, **GAIN), bursts(4)
    whole.advance(events, 930)
    for until in (1, 5, 17, 30, 904, 911, 930):
        part, events = events.before(until)
        cut.advance(part, until)
        cut = Network.from_bytes(cut.to_bytes())
    assert cut.to_bytes() == whole.to_bytes()
    assert whole.state.registers[at.TICKS_SKIPPED] > 0


def test_activity_stays_in_range_and_thresholds_come_back() -> None:
    rng = np.random.default_rng(5)
    busy = draw(rng, range(200), 6000, (8, 7))
    kept = rng.random(len(busy)) < 0.15
    thin = BinnedEvents(*(getattr(busy, name)[kept] for name in ("tick", "x", "y", "p")))
    falls = []
    for settings in ({**GAIN, "gain": {}}, {**GAIN, "gain": {"reference": 10}}):
        spikes = []
        for events in (busy, thin):
            network = build(5, **settings)
            before = network.layers[0].threshold.copy()
            network.advance(events, 200)
            assert (network.layers[0].threshold == before).all()
            spikes.append(int(network.state.layers[0, at.SPIKES]))
        falls.append(spikes[0] / max(spikes[1], 1))
    assert falls[1] < 0.7 * falls[0]


def test_a_batch_equals_the_network_alone() -> None:
    network, samples = build(6, **GAIN), [bursts(6), bursts(7), bursts(8)]
    shown = Batch(network, 3).show(samples, None, 930)
    for sample, spikes in zip(samples, shown.spikes, strict=True):
        alone = build(6, **GAIN)
        alone.advance(sample, 930)
        assert alone.state.layers[:, at.SPIKES].tolist() == spikes.tolist()


def test_rest_forgets_the_rate() -> None:
    network = build(7, **GAIN)
    network.advance(bursts(7), 930)
    network.reset_state()
    assert network.state.registers[at.GAIN_MEAN] == 0


def test_regulated_thresholds_do_not_follow_the_input() -> None:
    network = build(8, **{**GAIN, "learning": SMALL["learning"]})
    network.advance(bursts(8), 930)
    assert network.state.registers[[at.GAIN, at.GAIN_MEAN]].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gain": {"reference": -1}}, "gain.reference is -1"),
        ({"gain": {"reference": 4, "most": 0}}, "gain.most is 0"),
        ({"gain": {"reference": 4}}, "a first layer that does not learn"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        NetworkSpec.from_dict({**SMALL, **changes})
