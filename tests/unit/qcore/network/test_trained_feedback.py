"""Layers that learn by the errors of the trained readout: files, classes, accounts, refusals."""

from __future__ import annotations

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
from tests.reference.temporal import NaiveTemporalNetwork
from tests.unit.qcore.network.test_temporal import TEMPORAL, tuples
from tests.unit.qcore.network.variants import SMALL, TRAINED, build, draw

LEARNING = {**SMALL["learning"], "feedback": "trained"}


def network(seed: int = 0, **changes: Any) -> Network:
    return build(seed, learning=LEARNING, **{**TRAINED, **changes})


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


def test_a_file_a_class_and_a_batch_keep_it() -> None:
    net = taught(network(), 1)
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


def test_a_temporal_layer_takes_part_in_the_errors() -> None:
    layers = [{**layer, "plastic": n == 2} for n, layer in enumerate(SMALL["layers"])]
    readout = {"every": 2, "slots": 2, "replays": 2, "slow": 2, "kick": 4096, "shift": 12}
    net = build(layers=layers, learning=LEARNING, readout=readout, temporal=TEMPORAL)
    assert net.temporal is not None
    rng = np.random.default_rng(3)
    net.temporal.read_store[...] = rng.integers(-32768, 32768, net.temporal.read_store.shape)
    twin = NaiveTemporalNetwork(net)
    before = net.layers[2].store.copy()
    for label, start in ((1, 0), (2, 40)):
        events = draw(rng, range(start, start + 30), 400, (8, 7))
        steps = net.advance(events, start + 40, label=label, learn=True)
        rows = twin.advance(tuples(events), start + 40, label, True)
        assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
    assert (net.layers[2].store != before).any()
    assert (net.layers[2].store == twin.layers[2].store).all()


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
