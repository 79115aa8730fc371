"""Going back to what was known, while the clock and the membranes go on."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.qcore import Network
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.state_views import dynamic_arrays
from tests.unit.qcore.network.test_network import build, draw
from tests.unit.qcore.network.variants import VARIANTS


def show(network: Network, ticks: int, label: int, rng: np.random.Generator) -> None:
    now = network.tick
    events = draw(rng, range(now, now + ticks), 12 * ticks, network.input_size)
    network.advance(events, now + ticks, label=label, learn=label >= 0)


def scores(network: Network, seed: int) -> list[list[int]]:
    network.reset_state()
    now = network.tick
    events = draw(np.random.default_rng(seed), range(now, now + 200), 2400, network.input_size)
    return network.advance(events, now + 200).scores.tolist()


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_was_learned_since_is_forgotten(variant: str) -> None:
    rng = np.random.default_rng(5)
    network = build(3, **VARIANTS[variant])
    show(network, 200, 0, rng)
    twin = Network.from_bytes(network.to_bytes())
    known = network.snapshot()
    show(network, 200, 1, rng)
    assert network.updates > twin.updates
    tick, updates, operations = network.tick, network.updates, network.synaptic_ops
    network.restore(known)
    assert (network.tick, network.updates, network.synaptic_ops) == (tick, updates, operations)
    # The same clock, and nothing in its way: both say the same, in every bit.
    twin.state.registers[at.TICK] = tick
    for register in sorted(at.STATE_REGISTERS - {at.READ_SHIFT, at.PENDING}):
        twin.state.registers[register] = network.state.registers[register]
    assert scores(network, 1) == scores(twin, 1)
    for n in range(len(network.spec.layers)):
        assert np.array_equal(network.layers[n].store, twin.layers[n].store)
    assert np.array_equal(network.read_store(), twin.read_store())


def test_what_goes_on_is_not_touched() -> None:
    rng = np.random.default_rng(6)
    network = build(3)
    known = network.snapshot()
    show(network, 150, 2, rng)
    before = [part.copy() for part in dynamic_arrays(network.state)]
    assert any(part.any() for part in before)
    network.restore(known)
    assert all(
        np.array_equal(a, b) for a, b in zip(before, dynamic_arrays(network.state), strict=True)
    )


def test_a_class_of_the_lesson_goes_with_it() -> None:
    rng = np.random.default_rng(7)
    network = build(3)
    show(network, 100, 0, rng)
    known = network.snapshot()
    before = network.read_store().copy()
    show(network, 50, network.add_class("new"), rng)
    membranes = network.layers[0].membrane.copy()
    network.restore(known)
    assert network.classes == ("a", "b", "c")
    assert np.array_equal(network.read_store(), before)
    assert np.array_equal(network.layers[0].membrane, membranes)
    show(network, 50, 2, rng)
    assert Network.from_bytes(network.to_bytes()).classes == ("a", "b", "c")


def test_a_snapshot_can_be_gone_back_to_twice() -> None:
    rng = np.random.default_rng(8)
    network = build(3)
    known = network.snapshot()
    for _ in range(2):
        show(network, 200, 1, rng)
        network.restore(known)
        assert not network.read_store().any()
