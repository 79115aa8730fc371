"""Recordings shown side by side: against the twin, and against one at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import Batch, BinnedEvents, Network
from spikewire.qcore.kernels import layout as at
from tests.reference.batch import NaiveBatch
from tests.unit.qcore.network.test_network import build, draw, tuples
from tests.unit.qcore.network.variants import SMALL, VARIANTS

SIDE: dict[str, Any] = {"learning": {**SMALL["learning"], "burn_in": 6}}


def recordings(rng: np.random.Generator, count: int, ticks: int) -> list[BinnedEvents]:
    return [draw(rng, range(ticks), int(rng.integers(0, 150)), (8, 7)) for _ in range(count)]


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from(["base", "sum-pooling"]))
@settings(max_examples=12, deadline=None)
def test_a_batch_equals_its_naive_twin(seed: int, count: int, variant: str) -> None:
    rng = np.random.default_rng(seed)
    network = build(**{**VARIANTS[variant], **SIDE})
    twin = NaiveBatch(network, count)
    samples = recordings(rng, count, 40)
    labels = [int(k) for k in rng.integers(0, 3, count)]
    shown = Batch(network, 4).show(samples, labels, 40, learn=True)
    scores = twin.show([tuples(s) for s in samples], labels, 40)
    assert (shown.scores == scores).all()
    for n, layer in enumerate(twin.last.layers):
        assert (network.layers[n].store == layer.store).all()
        assert (network.layers[n].weights == layer.weights).all()
        assert (network.layers[n].table == layer.table).all()
        assert network.layers[n].readout_mean.tolist() == layer.mean
    assert (network.read_store() == twin.last.read).all()
    assert network.state.lanes.tolist() == twin.last.lanes


def test_it_learns_and_regulates() -> None:
    network, rng = build(**SIDE), np.random.default_rng(0)
    before = [network.layers[n].store.copy() for n in range(3)]
    thresholds = network.layers[0].table.copy()
    Batch(network, 3).show(recordings(rng, 3, 100), [0, 1, 2], 100, learn=True)
    assert all((network.layers[n].store != w).any() for n, w in enumerate(before))
    assert (network.layers[0].table != thresholds).any()
    assert network.read_store().any()


def test_without_learning_nothing_lasting_changes() -> None:
    network, rng = build(**SIDE), np.random.default_rng(1)
    stores = [network.layers[n].store.copy() for n in range(3)]
    tables = [network.layers[n].table.copy() for n in range(3)]
    shown = Batch(network, 3).show(recordings(rng, 3, 60), None, 60)
    assert shown.spikes.any()
    assert shown.synaptic_ops.any()
    assert all((network.layers[n].store == w).all() for n, w in enumerate(stores))
    assert all((network.layers[n].table == t).all() for n, t in enumerate(tables))


def test_a_batch_scores_as_the_network_alone() -> None:
    rng = np.random.default_rng(2)
    taught, samples = build(**SIDE), recordings(rng, 5, 60)
    batch = Batch(taught, 5)
    batch.show(samples, [0, 1, 2, 0, 1], 60, learn=True)
    shown = batch.show(samples, None, 60)
    taught_spikes = taught.state.layers[:, at.SPIKES].copy()
    for b, sample in enumerate(samples):
        alone = Network.from_bytes(taught.to_bytes())
        alone.reset_state()
        shift = alone.tick
        assert shift == 0
        steps = alone.advance(sample, 60)
        assert (steps.scores[steps.tick >= 6].sum(0) == shown.scores[b]).all()
        # The last row may come before the last tick: what fired after it is told in no row.
        assert (steps.spikes.sum(0) <= shown.spikes[b]).all()
        assert (
            alone.state.layers[:, at.SPIKES].tolist() == (taught_spikes + shown.spikes[b]).tolist()
        )


def test_neighbours_in_a_batch_change_nothing_but_what_is_learned() -> None:
    rng = np.random.default_rng(3)
    network, samples = build(**SIDE), recordings(rng, 4, 60)
    together = Batch(network, 4).show(samples, None, 60)
    for b in range(4):
        alone = Batch(network, 4).show([samples[b]], None, 60)
        assert (alone.scores[0] == together.scores[b]).all()
        assert (alone.local[:, 0] == together.local[:, b]).all()


def test_what_lasts_is_in_the_network_alone() -> None:
    rng = np.random.default_rng(4)
    samples = recordings(rng, 6, 60)
    straight = build(**SIDE)
    batch = Batch(straight, 3)
    batch.show(samples[:3], [0, 1, 2], 60, learn=True)
    resumed = Network.from_bytes(straight.to_bytes())
    batch.show(samples[3:], [2, 1, 0], 60, learn=True)
    Batch(resumed, 3).show(samples[3:], [2, 1, 0], 60, learn=True)
    assert straight.to_bytes() == resumed.to_bytes()


def test_a_class_added_between_batches_is_taken_along() -> None:
    rng = np.random.default_rng(5)
    network = build(**SIDE)
    batch = Batch(network, 2)
    batch.show(recordings(rng, 2, 60), [0, 1], 60, learn=True)
    network.add_class("d")
    shown = batch.show(recordings(rng, 2, 60), [3, 1], 60, learn=True)
    assert shown.scores.shape == (2, 4)
    assert network.read_store()[3].any()


@pytest.mark.parametrize(
    ("samples", "labels", "words"),
    [(3, None, "up to 2"), (2, [0], "1 labels"), (2, [0, 3], "none of the 3"), (2, None, "labels")],
)
def test_wrong_calls_are_refused(samples: int, labels: list[int] | None, words: str) -> None:
    empty = BinnedEvents(*(np.zeros(0, t) for t in (np.int64, np.uint16, np.uint16, np.uint8)))
    with pytest.raises(ValueError, match=words):
        Batch(build(**SIDE), 2).show([empty] * samples, labels, 60, learn=True)


@pytest.mark.parametrize("size", [0, 1025])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 1024"):
        Batch(build(**SIDE), size)
