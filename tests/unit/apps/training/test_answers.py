"""Answers to whole recordings: shares by class, and calibration of a network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from spikewire.apps.training.answers import answers_table, calibrate, results, shares_by_class
from spikewire.qcore import BinnedEvents, Network
from tests.unit.qcore.network.variants import build, draw

TICKS = 800


def dataset(ticks: int = TICKS) -> Any:
    def events(sample: Any, *_: Any) -> BinnedEvents:
        return draw(np.random.default_rng(sample.number), range(ticks), 8 * ticks, (8, 7))

    network = build(1)
    return SimpleNamespace(
        spec=network.spec, ticks=ticks, events=events, shifted=events, distorted=events
    )


SAMPLES: Any = [SimpleNamespace(number=n, label="abc"[n % 3]) for n in range(3)]


def test_results_are_those_of_the_network_with_their_events() -> None:
    network, binned = build(1), dataset()
    told = list(results(network, binned.events(SAMPLES[0]), TICKS))
    again = list(results(network, binned.events(SAMPLES[0]), TICKS))
    assert told[1:] == again[1:]
    assert [row[0] for row in told] == list(range(1_000, 800_000, 4_000))
    assert sum(row[3] for row in told) == int((binned.events(SAMPLES[0]).tick < 797).sum())


def test_a_network_is_calibrated_and_judged_without_being_changed() -> None:
    network, binned = build(1), dataset()
    before = network.to_bytes()
    network.calibration = found = calibrate(network, binned, SAMPLES)
    # An untrained readout scores nothing, and names no class wrongly.
    assert (found.enter, found.keep) == (25, 8)
    shares = shares_by_class(network, binned, SAMPLES)
    assert shares is not None
    assert shares["a"] == {"named": 0.0, "wrong": 0.0, "unknown": 1.0, "nothing": 0.0}
    assert answers_table(shares).row_count == 3
    assert Network.from_bytes(network.to_bytes()).calibration == found
    network.calibration = type(found)()
    assert network.to_bytes() == before


def test_short_recordings_say_nothing() -> None:
    network, binned = build(1), dataset(200)
    assert calibrate(network, binned, SAMPLES) == network.calibration
    assert shares_by_class(network, binned, SAMPLES) is None
