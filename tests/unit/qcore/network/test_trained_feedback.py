"""Layers that learn by the errors of the trained readout: files, classes, accounts, refusals.

Errors come back to them from the readout, and with ``carry_shift`` from the next layer.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from spikewire.qcore import (
    Batch,
    Network,
    NetworkSpec,
    SpecError,
    bytes_by_kind,
    load_preset,
    paper_bits,
)
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.allocate import lay_out
from tests.reference.batch import NaiveBatch
from tests.reference.network import NaiveNetwork
from tests.reference.temporal import NaiveTemporalNetwork
from tests.unit.qcore.network.test_temporal import TEMPORAL, tuples
from tests.unit.qcore.network.variants import (
    SMALL,
    TRACES,
    TRAINED,
    VARIANTS,
    build,
    draw,
    with_layers,
)

LEARNING = {**SMALL["learning"], "feedback": "trained"}
CARRY = {**LEARNING, "carry_shift": 3}
UNREAD = with_layers({}, {"read": False}, {})
"""Only the last of three layers that learn is read."""


def network(seed: int = 0, **changes: Any) -> Network:
    return build(seed, **{"learning": LEARNING, **TRAINED, **changes})


def taught(net: Network, label: int, ticks: int = 60) -> Network:
    events = draw(np.random.default_rng(label), range(net.tick, net.tick + ticks), 900, (8, 7))
    net.advance(events, net.tick + ticks, label=label, learn=True)
    return net


def stores(net: Network) -> list[np.ndarray]:
    return [net.layers[n].store.copy() for n in range(len(net.layers))]


def test_layers_learn_where_they_may_and_have_no_readout_of_their_own() -> None:
    net = network()
    before = stores(net)
    assert [net.layers[n].has_readout for n in range(3)] == [False] * 3
    assert net.layers[2].readout.size == net.layers[2].feedback.size == 0
    taught(taught(net, 0), 1)
    moved = [bool((a != b).any()) for a, b in zip(before, stores(net), strict=True)]
    assert moved == [False, True, True]
    assert build(learning=SMALL["learning"], **TRAINED).layers[2].has_readout


def test_without_an_error_layers_stay() -> None:
    net = network(readout={**TRAINED["readout"], "target": 0, "dead_zone": 2**30})
    before = stores(net)
    taught(net, 1)
    assert all((a == b).all() for a, b in zip(before, stores(net), strict=True))


def test_carried_errors_change_all_layers_but_the_last() -> None:
    first = [taught(network(learning={**one, "apply_every": 0}), 1) for one in (LEARNING, CARRY)]
    gradients = [[net.layers[n].gradient for n in (1, 2)] for net in first]
    assert gradients[0][1].any()
    assert (gradients[0][1] == gradients[1][1]).all()
    assert (gradients[0][0] != gradients[1][0]).any()


def test_layers_that_are_not_read_learn_by_carried_errors() -> None:
    net = network(learning=CARRY, **UNREAD)
    before = stores(net)
    taught(taught(net, 0), 1)
    assert all((a != b).any() for a, b in zip(before, stores(net), strict=True))
    # All errors come from the readout.
    quiet = {**TRAINED["readout"], "target": 0, "dead_zone": 2**30}
    net = network(learning=CARRY, **UNREAD, readout=quiet)
    before = stores(net)
    taught(net, 1)
    assert all((a == b).all() for a, b in zip(before, stores(net), strict=True))


def test_a_layer_at_rest_carries_nothing() -> None:
    """The first layer never fires, and the second by its bias alone: its traces rest."""
    layers = with_layers(
        {"read": True, "threshold": 2**22, "slope": 20},
        {"bias": [4000, 2500, 900, 0]},
        {"slope": 12},
    )
    net = network(learning={**CARRY, "period": 0}, **layers)
    rng = np.random.default_rng(2)
    net.read_store()[...] = rng.integers(-9000, 9000, net.read_store().shape)
    twin, before = NaiveNetwork(net), stores(net)
    for label in (0, 1):
        events = draw(rng, range(net.tick, net.tick + 60), 900, (8, 7))
        until = net.tick + 60
        net.advance(events, until, label=label, learn=True)
        twin.advance(tuples(events), until, label, True)
    assert net.state.layers[:, at.TRACE_LIVE].tolist() == [1, 0, 1]
    moved = [bool((a != b).any()) for a, b in zip(before, stores(net), strict=True)]
    assert moved == [True, False, True]
    assert all((net.layers[n].store == twin.layers[n].store).all() for n in range(3))


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.startswith("carried")])
@pytest.mark.parametrize("count", [1, 3])
def test_recordings_side_by_side_equal_their_twin(name: str, count: int) -> None:
    variant = VARIANTS[name]
    net = build(3, **{**variant, "learning": {**variant["learning"], "burn_in": 6}})
    net.read_store()[...] = np.random.default_rng(1).integers(-9000, 9000, net.read_store().shape)
    twin, rng = NaiveBatch(net, count), np.random.default_rng(count)
    samples = [draw(rng, range(30), 200, (8, 7)) for _ in range(count)]
    labels = [1, 2, 0][:count]
    before = stores(net)
    shown = Batch(net, count).show(samples, labels, 30, learn=True)
    assert (shown.scores == twin.show([tuples(one) for one in samples], labels, 30)).all()
    for n, layer in enumerate(twin.last.layers):
        assert (net.layers[n].store == layer.store).all()
        assert (net.layers[n].store != before[n]).any() == layer.spec.plastic
    assert net.state.lanes.tolist() == twin.last.lanes


def test_files_without_carried_errors_are_as_before_there_were_any() -> None:
    """Expected values come from the version before."""
    net = network(seed=3)
    assert net.state.layers[:, at.ERROR_SHIFT].tolist() == [4, 4, 4]
    digests = [hashlib.sha256(taught(net, label).to_bytes()).hexdigest() for label in (1, 2)]
    assert digests == [
        "16362321e4774938ce60bfe8a6ebbdeebb81b9f978b79f790cda523dc979530c",
        "c509dd2564e760ad377ac9002ed3643310bf45c9aa42c51e271087b495ab2a54",
    ]
    assert b"carry_shift" not in net.to_bytes()
    spec = json.loads(json.dumps(net.spec.to_dict()))
    assert NetworkSpec.from_dict(spec).learning.carry_shift == 30


def test_the_layer_table_holds_the_shift() -> None:
    def held(**changes: Any) -> list[int]:
        spec = {**SMALL, **TRAINED, "learning": CARRY, **changes}
        column: list[int] = (
            lay_out(NetworkSpec.from_dict(spec), 3).layers[:, at.ERROR_SHIFT].tolist()
        )
        return column

    assert held() == [-4] * 3
    assert held(learning={**CARRY, "carry_shift": 0}) == [-1] * 3
    assert held(learning={**CARRY, "carry_shift": 29}) == [-30] * 3
    # Sums of narrower weights and deltas are smaller, those of narrower errors are to be.
    assert held(widths={"weight": 7}) == [-3] * 3
    assert held(widths={"delta": 6}) == [-2] * 3
    assert held(widths={"error": 4}) == [-6] * 3
    assert held(widths={"weight": 3}) == [-1] * 3
    assert held(learning={**CARRY, "carry_shift": 29}, widths={"error": 2}) == [-31] * 3


@pytest.mark.parametrize(
    "changes", [{}, {"learning": CARRY}, {"learning": CARRY, **UNREAD}], ids=["", "carry", "alone"]
)
def test_a_file_a_class_and_a_batch_keep_it(changes: dict[str, Any]) -> None:
    net = taught(network(**changes), 1)
    again = Network.from_bytes(net.to_bytes())
    assert again.spec == net.spec
    net.add_class("d")
    again.add_class("d")
    assert taught(net, 3).to_bytes() == taught(again, 3).to_bytes()
    events = draw(np.random.default_rng(5), range(40), 500, (8, 7))
    shown = [Batch(one, 2).show([events, events], [0, 3], 40, learn=True) for one in (net, again)]
    assert (shown[0].scores == shown[1].scores).all()
    assert not shown[0].local.any()
    assert net.to_bytes() == again.to_bytes()


@pytest.mark.parametrize(("learning", "first"), [(LEARNING, 2), (CARRY, 0)])
def test_a_temporal_layer_takes_part_in_the_errors(learning: dict[str, Any], first: int) -> None:
    layers = [{**layer, "plastic": n >= first} for n, layer in enumerate(SMALL["layers"])]
    readout = {"every": 2, "slots": 2, "replays": 2, "slow": 2, "kick": 4096, "shift": 12}
    net = build(layers=layers, learning=learning, readout=readout, temporal=TEMPORAL)
    assert net.temporal is not None
    rng = np.random.default_rng(3)
    net.temporal.read_store[...] = rng.integers(-32768, 32768, net.temporal.read_store.shape)
    twin = NaiveTemporalNetwork(net)
    before = stores(net)
    for label, start in ((1, 0), (2, 40)):
        events = draw(rng, range(start, start + 30), 400, (8, 7))
        steps = net.advance(events, start + 40, label=label, learn=True)
        rows = twin.advance(tuples(events), start + 40, label, True)
        assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
    for n in range(first, 3):
        assert (net.layers[n].store != before[n]).any()
        assert (net.layers[n].store == twin.layers[n].store).all()


def test_the_ledger_counts_no_readout_of_the_layers() -> None:
    plain, net = build(learning=SMALL["learning"], **TRAINED), network()
    found, own = ({item.name for item in bytes_by_kind(one)} for one in (net, plain))
    assert own - found == {"readout matrices"}
    held = sum(item.size for item in bytes_by_kind(net) if item.name != "work space")
    assert held == sum(array.nbytes for array in net.state.arrays())
    numbers = {item.name: item.numbers for item in paper_bits(net).items}
    assert (numbers["readout matrices"], numbers["errors"]) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"readout": {**TRAINED["readout"], "local_gain": 3}}, "readout.local_gain is 3"),
        ({"readout": {**TRAINED["readout"], "answer": "local"}}, "readout.answer is 'local'"),
        ({"learning": {**LEARNING, "delta_scale": "largest"}}, "learning.delta_scale is 'largest'"),
        ({"learning": {**LEARNING, "error_scale": "largest"}}, "learning.error_scale is 'largest'"),
        ({"layers": SMALL["layers"]}, r"layers\[0\] has plastic = true and read = false"),
        ({"learning": {**CARRY, "carry_shift": 31}}, "whole numbers from 0 to 30"),
        (
            {"learning": {**CARRY, "feedback": "readout"}},
            "carry_shift is 3, but errors .* 'readout'",
        ),
        (
            {"learning": CARRY, **with_layers({}, {"plastic": False}, {})},
            "carry_shift is 3, but no layer with plastic = true follows another",
        ),
        (
            {"learning": CARRY, **with_layers({}, {}, {"read": False})},
            r"layers\[2\] has plastic = true and read = false",
        ),
        (
            {"learning": CARRY, **with_layers({}, TRACES, {"plastic": False})},
            r"layers\[1\].dynamics is 'traces'",
        ),
        (
            {"learning": CARRY, **with_layers({}, {"channels": 4096, "kernel": 11}, {})},
            r"layers\[1\] has 147,456 synapses for each input",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        NetworkSpec.from_dict({**SMALL, **TRAINED, "learning": LEARNING, **changes})


@pytest.mark.parametrize("name", ["edge10l", "nmnist"])
def test_presets_whose_layers_learn_by_it(name: str) -> None:
    spec = load_preset(name)
    assert spec.learning.feedback == "trained"
    net = Network.build(spec, ("a", "b", "c"))
    assert not any(net.layers[n].has_readout for n in range(3))
