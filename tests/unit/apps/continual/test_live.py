"""The strategy `network`: memory within its bytes, and layers that learn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spikewire.apps.continual.live import LiveNetwork, fitted, slot_bytes, with_new_head
from spikewire.qcore import BinnedEvents, Network, NetworkSpec
from spikewire.qcore.network.prototypes_spec import PrototypesSpec
from tests.unit.qcore.network.test_temporal import BASE, experienced
from tests.unit.qcore.network.variants import SMALL, draw

SPEC = NetworkSpec.from_dict({**SMALL, **BASE})


def test_as_much_is_remembered_as_the_memory_holds() -> None:
    spec = fitted(SPEC, 2000, 4, 100, 0)
    network = Network.build(spec, "abcd")
    assert (spec.readout.replays, spec.readout.every) == (64, 1)
    assert 2000 - 4 * slot_bytes(network) < LiveNetwork(network, None).extra_bytes <= 2000  # type: ignore[arg-type]
    assert network.temporal is not None
    # 21 features are remembered in 3 bytes.
    assert network.temporal.slots.nbytes == 4 * spec.readout.slots * (slot_bytes(network) - 3)
    with pytest.raises(ValueError, match="20 bytes hold no vector for each of 9 classes"):
        fitted(SPEC, 20, 9, 1, 45)


def test_a_new_head_keeps_the_layers_and_knows_nothing() -> None:
    old = experienced()
    old.layers[1].threshold[...] = 1234
    spec = dataclasses.replace(old.spec, readout=dataclasses.replace(old.spec.readout, slots=7))
    new = with_new_head(old, spec, ("x", "y"))
    assert new.classes == ("x", "y")
    for one, other in zip(new.layers, old.layers, strict=True):
        assert (one.weights == other.weights).all()
        assert (one.table == other.table).all()
    assert new.temporal is not None
    assert old.temporal is not None
    assert (new.temporal.store == old.temporal.store).all()
    assert not new.temporal.read_store.any()
    assert not new.read_store().any()


def test_each_recording_teaches_layers_and_new_classes() -> None:
    class Binned:
        ticks = 40

        def events(self, sample: Sample) -> BinnedEvents:
            return sample.shown

    @dataclasses.dataclass(frozen=True)
    class Sample:
        label: str
        shown: BinnedEvents

    rng = np.random.default_rng(2)
    learner = LiveNetwork(experienced(), Binned())  # type: ignore[arg-type]
    assert learner.network.temporal is not None
    before = learner.network.temporal.store.copy()
    for label in "acd":
        learner.learn(Sample(label, draw(rng, range(40), 400, (8, 7))))  # type: ignore[arg-type]
    assert learner.network.classes == ("a", "b", "c", "d")
    assert (learner.network.temporal.store != before).any()
    assert learner.readout_bytes > learner.network.read_store().nbytes


def test_class_means_are_bytes_of_the_readout() -> None:
    plain, means = (
        LiveNetwork(Network.build(spec, "ab"), None)  # type: ignore[arg-type]
        for spec in (SPEC, dataclasses.replace(SPEC, prototypes=PrototypesSpec(size=10)))
    )
    # Sums, weights and three counts of each class, the triangle of the metric, eight of the state.
    own = 2 * 4 * (10 + 10 + 3) + 2 * 55 + 4 * 8
    assert means.readout_bytes == plain.readout_bytes + own
