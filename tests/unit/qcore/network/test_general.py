"""Networks of general layers: equal to their twin, kept in files, counted, and free for others."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import (
    Batch,
    BinnedEvents,
    FrontSpec,
    LayerArrays,
    LayerSpec,
    ModelError,
    Network,
    NetworkSpec,
    SpecError,
    build_network,
    bytes_by_kind,
    count_operations,
)
from spikewire.qcore.kernels import layout as at
from tests.reference.general import GeneralNetwork, shared_scores
from tests.unit.qcore.kernels.test_general import drawn_layer, pick

SEEDS = st.integers(0, 2**32 - 1)
WIRED: dict[str, Any] = {"plastic": False, "refractory_ticks": 0, "reset": "zero"}


def drawn_spec(rng: np.random.Generator) -> NetworkSpec:
    """Two general layers and one that answers, behind a front end or none."""
    front = FrontSpec(most=pick(rng, 1, 3), pool=pick(rng, 1, 2), flip_x=bool(rng.integers(2)))
    second = drawn_layer(
        rng, kind="dense", groups=1, channels=4, delay=pick(rng, 0, 1), read=True,
        recurrent=bool(rng.integers(2)), reset_every=pick(rng, 0, 6), reset_at=pick(rng, 0, 0),
    )  # fmt: skip
    first = drawn_layer(
        rng, kind="conv", delays=pick(rng, 0, 2), neuron_bias=bool(rng.integers(2)),
        pool=pick(rng, 1, 2), pool_kind=pick(rng, "or", "sum"), reset_every=pick(rng, 0, 5),
    )  # fmt: skip
    last = LayerSpec(
        pick(rng, "counts", "membranes"), 4, exponent=3, decay_u=pick(rng, 4096, 900),
        decay_v=pick(rng, 0, 500), plastic=False, read=False, delay=pick(rng, 0, 1),
    )  # fmt: skip
    spec = NetworkSpec.from_dict(
        {
            "name": "drawn", "width": 12, "height": 10, "result_every": 3,
            "polarities": 2 * first.groups, "front": front, "layers": [first, second, last],
            "readout": {"answer": "output", "every": 2, "slots": 2, "replays": 1},
        }
    )  # fmt: skip
    return dataclasses.replace(spec, learning=dataclasses.replace(spec.learning, burn_in=2))


def drawn_network(rng: np.random.Generator, spec: NetworkSpec) -> Network:
    network = Network.build(spec, ("a", "b", "c", "d"), int(rng.integers(100)))
    for layer, view in zip(spec.layers, network.layers, strict=True):
        view.recurrent[...] = rng.integers(-128, 128, view.recurrent.shape)
        view.neuron_bias[...] = rng.integers(-50, 50, view.neuron_bias.shape)
        if layer.delays:
            view.delays[...] = rng.integers(0, layer.delays + 1, view.delays.shape)
    return network


def drawn_events(rng: np.random.Generator, spec: NetworkSpec, ticks: int) -> BinnedEvents:
    n = int(rng.integers(1, 80))
    width, height = spec.plane
    # Some ticks are empty, so that the network may rest and be jumped over.
    tick = np.sort(rng.choice(np.arange(0, ticks, pick(rng, 1, 4)), n)).astype(np.int64)
    return BinnedEvents(
        tick, rng.integers(0, width, n).astype(np.uint16),
        rng.integers(0, height, n).astype(np.uint16),
        rng.integers(0, spec.polarities, n).astype(np.uint8),
    )  # fmt: skip


@given(SEEDS)
@settings(max_examples=12, deadline=None)
def test_a_general_network_equals_its_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spec = drawn_spec(rng)
    network, ticks = drawn_network(rng, spec), 24
    events = drawn_events(rng, spec, ticks)
    whole = Network.from_bytes(network.to_bytes())
    twin = GeneralNetwork(network)
    rows: list[tuple[int, list[int]]] = []
    for now in range(ticks):
        part = events[slice(*np.searchsorted(events.tick, [now, now + 1]).tolist())]
        steps = network.advance(part, now + 1)
        twin.step(list(zip(part.x.tolist(), part.y.tolist(), part.p.tolist(), strict=True)))
        for view, layer in zip(network.layers, twin.layers, strict=True):
            assert view.fired.tolist() == layer.fired.tolist()
            assert view.current.tolist() == layer.u.tolist()
            assert view.membrane.tolist() == layer.v.tolist()
        assert network.layers[0].spikes.tolist() == twin.layers[0].pooled().tolist()
        if len(steps.tick):
            assert steps.scores[-1].tolist() == twin.layers[-1].v.reshape(-1).tolist()
            rows.append((int(steps.tick[-1]), steps.scores[-1].tolist()))
    steps = whole.advance(events, ticks)
    assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
    for name in ("current", "membrane", "fired"):
        for one, other in zip(whole.layers, network.layers, strict=True):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_a_layer_that_uses_no_general_setting_is_the_same_on_both_kernels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain = {
        "plastic": False, "kernel": pick(rng, 1, 3), "stride": pick(rng, 1, 2),
        "reset": pick(rng, "zero", "subtract"), "refractory_ticks": pick(rng, 0, 1, 3),
        "decay_u": pick(rng, 4096, 512, (100, 900)), "decay_v": pick(rng, 0, 128, (300, 4)),
        "bias": pick(rng, 0, (-30, 50)), "threshold": pick(rng, 900, (400, 3000)),
        "pool": pick(rng, 1, 2), "pool_kind": pick(rng, "or", "sum"),
    }  # fmt: skip
    # No tick of these is one of the resets: the kernels differ, the numbers do not.
    both = [
        NetworkSpec.from_dict(
            {
                "name": "plain", "width": 10, "height": 9, "learning": {"period": 0},
                "readout": {"slots": 2, "replays": 1},
                "layers": [
                    {"kind": "conv", "channels": 5, **plain, **more},
                    {"kind": "dense", "channels": 6, **plain, "pool": 1, **more},
                ],
            }
        )
        for more in ({}, {"reset_every": 10_000, "reset_at": 9_000})
    ]  # fmt: skip
    events = drawn_events(rng, both[0], 40)
    results = []
    for spec in both:
        network = Network.build(spec, ("a", "b"), seed=3)
        assert [layer.general for layer in network.layers] == [spec is both[1]] * 2
        steps = network.advance(events, 40, label=1, learn=True)
        states = [(v.current.tolist(), v.membrane.tolist(), v.spikes.tolist())
                  for v in network.layers]  # fmt: skip
        results.append((steps.scores.tolist(), steps.spikes.tolist(), states, network.updates,
                        network.synaptic_ops, network.features.tolist()))  # fmt: skip
    assert results[0] == results[1]


def small(**more: Any) -> NetworkSpec:
    return NetworkSpec.from_dict(
        {
            "name": "small", "width": 4, "height": 3, "result_every": 2,
            "layers": [
                {"kind": "dense", "channels": 3, **WIRED, "threshold": 40, "fires": "reached",
                 "decay_u": 4096, "decay_v": 100, "exponent": 2},
                {"kind": "counts", "channels": 3, "exponent": 0, "decay_u": 4096, "decay_v": 0,
                 "plastic": False, "read": False},
            ],
            "learning": {"burn_in": 0, "period": 1}, "readout": {
                "answer": "output", "every": 1, "slots": 2, "replays": 1, "shift": 10,
                "target": 2**16},
            **more,
        }
    )  # fmt: skip


def test_classes_that_are_added_are_learned_beside_the_networks_own() -> None:
    network = Network.build(small(), ("a", "b", "c"), seed=1)
    rng = np.random.default_rng(0)
    events = drawn_events(rng, network.spec, 60)
    before = network.to_bytes()
    raw = Network.from_bytes(before).advance(events, 60).scores
    network.add_class("new")
    frozen = [view.table.copy() for view in network.layers]
    shared = Network.from_bytes(network.to_bytes()).advance(events, 60).scores
    target = network.spec.readout.target
    for one, other in zip(raw.tolist(), shared.tolist(), strict=True):
        assert other == [*shared_scores(one, target), 0]
    for n in range(6):
        again = BinnedEvents(events.tick + 60 * n, events.x, events.y, events.p)
        steps = network.advance(again, 60 * (n + 1), label=3, learn=n < 5)
    assert steps.scores[-1].argmax() == 3
    assert network.updates > 0
    # What was there before stays as it was, thresholds too.
    old = Network.from_bytes(before)
    for n, (view, was) in enumerate(zip(network.layers, old.layers, strict=True)):
        assert view.weights.tolist() == was.weights.tolist()
        assert view.table.tolist() == frozen[n].tolist() == was.table.tolist()


def test_a_batch_answers_with_the_last_answer_of_each_recording() -> None:
    network = Network.build(small(), ("a", "b", "c"), seed=1)
    rng = np.random.default_rng(4)
    samples = [drawn_events(rng, network.spec, 30) for _ in range(3)]
    shown = Batch(Network.from_bytes(network.to_bytes()), 3).show(samples, None, 30)
    for k, sample in enumerate(samples):
        single = Network.from_bytes(network.to_bytes())
        assert shown.scores[k].tolist() == single.advance(sample, 30).scores[-1].tolist()
        assert shown.spikes[k].tolist() == single.state.layers[:, at.SPIKES].tolist()


def test_every_byte_of_general_arrays_is_listed_and_every_operation_counted() -> None:
    rng = np.random.default_rng(11)
    layer = drawn_layer(rng, kind="conv", delays=2, neuron_bias=True, recurrent=True, groups=1,
                        read=True)  # fmt: skip
    spec = NetworkSpec.from_dict({"name": "b", "width": 9, "height": 8, "layers": [layer]})
    network = drawn_network(rng, spec)
    state = network.state
    items = bytes_by_kind(network)
    listed = {one.name: one.size for one in items}
    whole = sum(array.nbytes for array in (*state.arrays(), *network.scratch))
    assert sum(one.size for one in items) == whole
    assert listed["drive of ticks to come"] >= network.layers[0].drive_arrays()[0].nbytes
    for name in ("recurrent weights", "synaptic delays", "neurons' biases"):
        assert listed[name] > 0
    events = drawn_events(rng, spec, 20)
    counts = count_operations(network, [events], 20)
    network.layers[0].weights[...] = np.where(network.layers[0].weights == 0, 1,
                                              network.layers[0].weights)  # fmt: skip
    network.layers[0].recurrent[...] = 1
    dense = count_operations(network, [events], 20)
    copy = Network.from_bytes(network.to_bytes())
    copy.advance(events, 20)
    # Without a weight of zero both counts are the same.
    assert dense.effective[0] == copy.synaptic_ops
    assert counts.dense[0] == dense.dense[0] > dense.effective[0]


def test_arrays_are_checked_against_the_settings() -> None:
    spec = small()
    weights = np.zeros((2, 3, 4, 3), np.int8)
    network = build_network(spec, ("a", "b", "c"), [LayerArrays(weights), LayerArrays()])
    assert not network.layers[0].weights.any()
    assert (network.layers[1].weights == 1).all()
    extra = np.zeros((3, 3), np.int8)
    for arrays, classes, words in (
        ([LayerArrays(weights)], "abc", "2 layers"),
        ([LayerArrays(), LayerArrays()], "abc", "Layer 0 needs weights"),
        ([LayerArrays(weights, recurrent=extra), LayerArrays()], "abc", "no recurrent"),
        ([LayerArrays(weights), LayerArrays()], "ab", "3 outputs"),
    ):
        with pytest.raises(ModelError, match=words):
            build_network(spec, tuple(classes), arrays)
    delayed = dataclasses.replace(spec.layers[0], delays=3)
    spec = dataclasses.replace(spec, layers=(delayed, spec.layers[1]))
    for delays, words in (
        (None, "lacks an array"),
        (weights[:1], "shape"),
        (weights + 4, "from 0 to 3"),
        (weights.astype(float), "whole numbers"),
    ):
        with pytest.raises(ModelError, match=words):
            build_network(
                spec, ("a", "b", "c"), [LayerArrays(weights, delays=delays), LayerArrays()]
            )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delay": 64}, "delay is 64"),
        ({"delays": -1}, "delays is -1"),
        ({"delays_by": "input"}, "needs delays"),
        ({"groups": 2}, "does not divide the 3 channels"),
        ({"kind": "conv", "groups": 3}, "does not divide its 2 input channels"),
        ({"plastic": True}, "plastic = false"),
        ({"reset": "refractory"}, "not 'refractory'"),
        ({"reset": "none", "reset_late": True}, "not 'none'"),
        ({"refractory_ticks": 2, "most_spikes": 2}, "refractory_ticks = 0"),
        ({"refractory_ticks": 2, "reset_late": True}, "refractory_ticks = 0"),
        ({"most_spikes": 32, "pool": 2, "pool_kind": "sum"}, "allowed are 1 to 31"),
        ({"reset_every": 4, "reset_at": 4}, "allowed are 0 to 3"),
        ({"floor": (1, 2, 3, 4)}, "floor lists 4"),
        ({"dynamics": "traces"}, "not 'traces'"),
        ({"kind": "counts", "read": False}, "for the last layer"),
        ({"kind": "conv", "pad": 64, "kernel": 1, "channels": 1, "most_spikes": 128}, "is 128"),
        ({"threshold": 0}, "threshold is 0"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    spec = small().to_dict()
    spec["layers"][0] = {**spec["layers"][0], **settings}
    with pytest.raises(SpecError, match=words):
        Network.build(NetworkSpec.from_dict(spec), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"readout": {"answer": "trained"}}, "readout.answer = 'output'"),
        ({"readout": {"answer": "output", "local_gain": 1}}, "has to be 0"),
        ({"front": {"width": 3}}, "leaves 3, but the network takes 4"),
        ({"front": {"most": 128}}, "front.most is 128"),
        ({"front": {"flip_x": 1}}, "front.flip_x is 1"),
        ({"polarities": 257}, "1 to 256"),
    ],
)
def test_impossible_networks_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        NetworkSpec.from_dict({**small().to_dict(), **settings})


def test_a_layer_whose_sums_could_overflow_is_refused() -> None:
    spec = {"name": "wide", "width": 200, "height": 100, "layers": [
        {"kind": "dense", "channels": 1, **WIRED, "delay": 1}], "front": {"most": 127},
    }  # fmt: skip
    Network.build(NetworkSpec.from_dict({**spec, "polarities": 3}), ("a",))
    with pytest.raises(SpecError, match="could leave 32 bits"):
        Network.build(NetworkSpec.from_dict({**spec, "polarities": 7}), ("a",))


def test_events_of_no_channel_are_refused() -> None:
    network = Network.build(small(polarities=3), ("a", "b", "c"))
    events = BinnedEvents(np.zeros(1, np.int64), *(np.zeros(1, np.uint16),) * 2,
                          np.full(1, 3, np.uint8))  # fmt: skip
    with pytest.raises(ValueError, match="none of the model's 3 channels"):
        network.advance(events, 1)
    raw = np.zeros(1, [(name, "i8") for name in "txyp"])
    raw["p"] = 2
    assert len(network.run(raw).scores) > 0
    raw["p"] = 3
    with pytest.raises(ModelError, match="one of 3 channels"):
        network.run(raw)


def test_settings_at_their_defaults_are_not_written() -> None:
    layer = small().to_dict()["layers"][0]
    assert layer["fires"] == "reached"
    assert not {"delay", "floor", "groups", "recurrent"} & set(layer)
    assert "front" not in small().to_dict()
    spec = small(front={"pool": 2})
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
