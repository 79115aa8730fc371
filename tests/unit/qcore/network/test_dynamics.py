"""Networks on traces: weights in use, rest, files, batches, accounts, answers, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import (
    Batch,
    BinnedEvents,
    Network,
    NetworkSpec,
    SpecError,
    bytes_by_kind,
    count_operations,
    load_preset,
    paper_bits,
)
from spikewire.qcore.kernels import layout as at
from tests.reference import traced as twin
from tests.unit.qcore.network.test_network import build, draw, same
from tests.unit.qcore.network.variants import SMALL, TRACES, VARIANTS, with_layers

ON_TRACES: dict[str, Any] = with_layers(*[{**TRACES, "refractory_rounding": "nearest"}] * 3)


def sums(network: Network, n: int) -> Any:
    layer, L = network.layers[n], network.state.layers[n]
    return twin.sums(
        layer.traces[1],
        layer.weights.astype(int),
        layer.neurons,
        int(L[at.STRIDE]),
        int(L[at.PAD_Y]),
    )


def test_membranes_are_the_traces_times_the_weights_whoever_sets_them() -> None:
    rng = np.random.default_rng(0)
    network = build(**ON_TRACES)
    network.advance(draw(rng, range(30), 300, (8, 7)), 30)
    for n in range(3):
        assert (network.layers[n].membrane == sums(network, n)).all()
        assert network.layers[n].membrane.any()
    network.layers[0].weights[...] = 1
    network.layers[1].set_weights(np.full(network.layers[1].weights.shape, -3))
    network.advance(draw(rng, range(30, 40), 30, (8, 7)), 40)
    for n in range(2):
        assert (network.layers[n].membrane == sums(network, n)).all()
    # Learned weights are used from the next tick on.
    network.advance(draw(rng, range(40, 82), 300, (8, 7)), 82, label=1, learn=True)
    assert network.updates > 0
    for n in range(3):
        assert (network.layers[n].membrane == sums(network, n)).all()


def test_traces_that_rest_above_zero_are_skipped_exactly_and_still_drive() -> None:
    # High thresholds: a neuron that fires without end never rests.
    layers = [{**layer, "threshold": 500_000} for layer in ON_TRACES["layers"]]
    changes = {"layers": layers, "widths": {"q": 6, "p": 6}}
    network, single = build(**changes), build(**changes)
    events = draw(np.random.default_rng(1), range(30), 400, (8, 7))
    for one in (network, single):
        one.advance(events, 30)
    network.advance(draw(np.random.default_rng(1), range(30), 0, (8, 7)), 5000)
    for tick in range(31, 5001):
        single.advance(draw(np.random.default_rng(1), range(30), 0, (8, 7)), tick)
    assert same(network, single)
    assert network.at_rest
    assert network.layers[0].traces[1].any()
    assert int(network.state.registers[at.TICKS_SKIPPED]) > 3000
    # Other weights are another drive: it is not at rest with them.
    network.layers[0].set_weights(np.full(network.layers[0].weights.shape, 127))
    assert not network.at_rest
    before = int(network.state.layers[0, at.SPIKES])
    network.advance(events[:0], 5004)
    assert int(network.state.layers[0, at.SPIKES]) > before


def test_a_network_on_traces_goes_on_from_its_file() -> None:
    rng = np.random.default_rng(2)
    network = build(**VARIANTS["paper"])
    network.advance(draw(rng, range(50), 500, (8, 7)), 50, label=2, learn=True)
    other = Network.from_bytes(network.to_bytes())
    more = draw(rng, range(50, 120), 500, (8, 7))
    a, b = (one.advance(more, 120, label=1, learn=True) for one in (network, other))
    assert a.scores.any()
    assert (a.scores == b.scores).all()
    assert same(network, other)
    network.reset_state()
    assert not any(trace.any() for layer in network.layers for trace in layer.traces)


@pytest.mark.parametrize("variant", ["on traces", "paper", "local answers"])
def test_recordings_side_by_side_score_as_they_do_alone(variant: str) -> None:
    rng = np.random.default_rng(3)
    network = build(**VARIANTS[variant])
    network.advance(draw(rng, range(90), 900, (8, 7)), 90, label=0, learn=True)
    samples = [draw(rng, range(60), 200 + 40 * n, (8, 7)) for n in range(3)]
    shown = Batch(network, 3).show(samples, None, 60)
    for n, sample in enumerate(samples):
        alone = Network.from_bytes(network.to_bytes())
        alone.reset_state()
        alone.state.registers[at.TICK] = 0
        steps = alone.advance(sample, 60)
        late = steps.tick >= network.spec.learning.burn_in
        assert (steps.scores[late].sum(0) == shown.scores[n]).all()
        spikes = alone.state.layers[:, at.SPIKES] - network.state.layers[:, at.SPIKES]
        assert shown.spikes[n].tolist() == spikes.tolist()
    assert shown.scores.any()


def test_the_last_local_readout_answers() -> None:
    rng = np.random.default_rng(4)
    network = build(**VARIANTS["paper"])
    network.advance(draw(rng, range(90), 900, (8, 7)), 90, label=0, learn=True)
    layer = network.layers[2]
    assert layer.readout_mean.all()
    # Result ticks are no learning ticks here: the activation is taken in them, too.
    assert network.spec.result_every % network.spec.learning.cadence
    for tick in range(90, 130, 4):
        steps = network.advance(draw(rng, range(tick, tick + 4), 20, (8, 7)), tick + 4)
        wanted = layer.readout.astype(int) @ layer.pooled_activation.reshape(-1)
        if len(steps.tick) and steps.tick[-1] == network.tick - 1:
            assert steps.scores[-1].tolist() == (wanted - (layer.readout_mean >> 4)).tolist()
    assert network.read_store().size == 0
    assert network.read_maps == ()


def test_the_ledger_counts_what_a_layer_on_traces_has() -> None:
    currents, traces = build(), build(**ON_TRACES)
    frozen = build(**with_layers(*[{**TRACES, "plastic": False}] * 3))
    kinds = {item.name: item for item in bytes_by_kind(traces)}
    assert not {"current", "drive buffers"} & set(kinds)
    assert not kinds["trace P"].learning
    assert {item.name: item for item in bytes_by_kind(currents)}["trace P"].learning
    total = sum(array.nbytes for array in traces.state.arrays())
    work = sum(array.nbytes for array in traces.scratch)
    extra = 2 * int(traces.state.registers[at.FEATURES]) + 4 * len(traces.classes)
    assert sum(item.size for item in bytes_by_kind(traces)) == total + work + extra
    counts = {item.name: item.numbers for item in paper_bits(frozen).items}
    inputs = sum(int(np.prod(layer.inputs)) for layer in frozen.layers)
    assert counts["P"] == counts["Q"] == inputs
    assert paper_bits(currents).bits_32 == paper_bits(traces).bits_32


def test_operations_of_traces_are_counted_one_by_one() -> None:
    network = build(**ON_TRACES)
    sample = draw(np.random.default_rng(5), range(12), 60, (8, 7))
    counts = count_operations(network, [sample], 12)
    assert counts.binary.tolist() == [False] * 4
    effective, reached = [0] * 3, 0
    alone = build(**ON_TRACES)
    for tick in range(12):
        now = sample[
            int(np.searchsorted(sample.tick, tick)) : int(np.searchsorted(sample.tick, tick + 1))
        ]
        alone.advance(now, tick + 1)
        for n, layer in enumerate(alone.layers):
            L = alone.state.layers[n]
            held = (layer.traces[1] != 0).astype(int)
            there = (layer.weights != 0).astype(int)
            shape = (layer.neurons[0], layer.neurons[1], there.shape[3])
            effective[n] += int(
                twin.sums(held, there, shape, int(L[at.STRIDE]), int(L[at.PAD_Y])).sum()
            )
            reached += there.shape[3] * twin.reached(
                held, there.shape[1:3], shape[:2], int(L[at.STRIDE]), int(L[at.PAD_Y])
            )
    assert counts.effective[:3].tolist() == effective
    assert 0 < alone.synaptic_ops <= reached


def test_a_trace_of_few_bits_that_never_moves_is_said() -> None:
    from spikewire.qcore.network.learnable import learning_fault

    spec = load_preset("paper")
    assert learning_fault(spec) is None
    data = spec.to_dict()
    data["widths"] = {"q": 4, "p": 4}
    fault = learning_fault(NetworkSpec.from_dict(data))
    assert fault is not None
    assert "never leaves zero" in fault


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({**TRACES, "reset": "zero"}, "dynamics 'traces' has no membrane"),
        ({**TRACES, "decay_u": [3, 4]}, r"decay_u is \(3, 4\).*1 to 4096 with dynamics 'traces'"),
        ({**TRACES, "decay_v": 0}, "decay_v is 0"),
        ({"dynamics": "membranes"}, "'currents' and 'traces'"),
        ({"trace_gain": 1}, "trace_gain needs dynamics = 'traces'"),
        ({"threshold": 0}, "threshold is 0; allowed are whole numbers from 1"),
        ({"refractory_rounding": "up"}, "'down' and 'nearest'"),
        ({"refractory_rounding": "nearest", "reset": "zero"}, "refractory_rounding needs reset"),
        ({"refractory_kick": 5, "reset": "subtract"}, "refractory_kick needs reset"),
        ({"refractory_kick": 2**22 + 1}, "refractory_kick is 4194305"),
    ],
)
def test_impossible_dynamics_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        NetworkSpec.from_dict({**SMALL, "layers": [{**SMALL["layers"][0], **changes}]})


def test_a_full_refractory_trace_is_rounded_only_on_traces() -> None:
    layer = {**SMALL["layers"][0], "refractory_rounding": "nearest", "read": True}
    data = {**SMALL, "layers": [layer], "widths": {"refractory": 24}}
    with pytest.raises(SpecError, match=r"needs widths\.refractory of 1 to 8, not 24"):
        NetworkSpec.from_dict(data)
    NetworkSpec.from_dict({**data, "layers": [{**layer, **TRACES}]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout": {"answer": "last"}}, "'trained', 'local', 'output'"),
        ({"readout": {"answer": "local", "local_gain": 2}}, "local_gain is 2"),
        ({"readout": {"local_gain": 2, "local_from": 3}}, "local_from is 3"),
        ({"readout": {"local_from": 2}}, "local_from is 2, but with readout.local_gain 0"),
        ({**with_layers(*[{"plastic": False}] * 3), "readout": {"answer": "local"}}, "plastic"),
    ],
)
def test_impossible_answers_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        NetworkSpec.from_dict({**SMALL, **changes})


def test_the_order_of_events_in_a_tick_does_not_matter() -> None:
    network, other = build(**ON_TRACES), build(**ON_TRACES)
    events = draw(np.random.default_rng(6), range(1), 40, (8, 7))
    mixed = BinnedEvents(
        events.tick, events.x[::-1].copy(), events.y[::-1].copy(), events.p[::-1].copy()
    )
    network.advance(events, 20)
    other.advance(mixed, 20)
    assert network.layers[0].membrane.any()
    assert all(
        (a.membrane == b.membrane).all() for a, b in zip(network.layers, other.layers, strict=True)
    )
