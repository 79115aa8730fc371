"""The temporal layer: against its naive twin, over skips, in files, batches, accounts, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import (
    Batch,
    BinnedEvents,
    ModelError,
    Network,
    NetworkSpec,
    SpecError,
    bytes_by_kind,
    connection_sparsity,
    count_operations,
)
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network import engines
from tests.reference.temporal import NaiveTemporalNetwork
from tests.unit.qcore.network.variants import SMALL, build, draw

TEMPORAL: dict[str, Any] = {
    "units": 6, "delays": [0, 3, 10], "threshold": 900, "slope": 6, "period": 5, "shift": 2,
    "live_shift": 1,
}  # fmt: skip
FROZEN = [{**layer, "plastic": False} for layer in SMALL["layers"]]
READOUT = {"every": 2, "slots": 2, "replays": 2, "slow": 2, "kick": 4096, "shift": 12}
BASE: dict[str, Any] = {"layers": FROZEN, "readout": READOUT, "temporal": TEMPORAL}


def experienced(seed: int = 0, **changes: Any) -> Network:
    """Build a network whose units are read with weights of their whole range."""
    network = build(seed, **{**BASE, **changes})
    assert network.temporal is not None
    rng = np.random.default_rng(seed)
    for store in (network.temporal.read_store, network.temporal.store):
        store[...] = rng.integers(-32768, 32768, store.shape)
    network.layers[2].set_weights(np.abs(network.layers[2].weights.astype(int)) % 100)
    return network


def tuples(events: BinnedEvents) -> list[tuple[int, int, int, int]]:
    columns = (events.tick, events.x, events.y, events.p)
    return [(int(t), int(x), int(y), int(p)) for t, x, y, p in zip(*columns, strict=True)]


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([12, 30]))
@settings(max_examples=8, deadline=None)
def test_the_temporal_layer_equals_its_naive_twin(seed: int, plastic: bool, shift: int) -> None:
    rng = np.random.default_rng(seed)
    network = experienced(
        seed,
        temporal={**TEMPORAL, "plastic": plastic, "shift": int(rng.integers(0, 5))},
        readout={**READOUT, "shift": shift},
    )
    assert network.temporal is not None
    twin = NaiveTemporalNetwork(network)
    start = 0
    for learn in (True, False, True):
        stop = start + int(rng.integers(10, 40))
        events = draw(rng, range(start, start + 8), int(rng.integers(0, 120)), (8, 7))
        label = int(rng.integers(-1, 3))
        steps = network.advance(events, stop, label=label, learn=learn)
        rows = twin.advance(tuples(events), stop, label, learn)
        assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
        start = stop
    for mine, own in zip(
        (network.temporal.store, network.temporal.read_store, network.temporal.threshold),
        twin.weights(), strict=True,
    ):  # fmt: skip
        assert (mine == own).all()
    assert (network.read_store() == twin.read).all()
    assert network.temporal.counts.tolist() == [*twin.active, twin.lessons, twin.regulations]
    assert network.state.lanes.tolist() == twin.lanes


def test_the_twin_test_really_learns() -> None:
    network = experienced()
    assert network.temporal is not None
    before = [a.copy() for a in network.temporal.learned_arrays()]
    events = draw(np.random.default_rng(0), range(60), 900, (8, 7))
    network.advance(events, 60, label=1, learn=True)
    after = list(network.temporal.learned_arrays())
    assert all((a != b).any() for a, b in zip(after, before, strict=True))
    assert network.updates > network.state.registers[at.READ_UPDATES]


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 1500))
@settings(max_examples=10, deadline=None)
def test_idle_ticks_files_and_packets_change_no_bit(seed: int, learn: bool, gap: int) -> None:
    rng = np.random.default_rng(seed)
    whole, single = experienced(seed), experienced(seed)
    first = draw(rng, range(20), 120, (8, 7))
    last = draw(rng, range(20 + gap, 40 + gap), 60, (8, 7))
    events = BinnedEvents(*(np.concatenate(pair) for pair in zip(
        *((e.tick, e.x, e.y, e.p) for e in (first, last)), strict=True)))  # fmt: skip
    whole.advance(events, 40 + gap, label=1, learn=learn)
    for until in range(1, 41 + gap):
        part, events = events.before(until)
        single.advance(part, until, label=1, learn=learn)
        if until in (15, 30):
            single = Network.from_bytes(single.to_bytes())
    assert whole.to_bytes() == single.to_bytes()
    assert whole.state.registers[at.TICKS_SKIPPED] > 0 or gap < 1200


def test_delays_tell_what_the_present_does_not() -> None:
    def shown(network: Network, place: int, label: int, learn: bool) -> int:
        start = network.tick
        x, y = np.meshgrid(np.arange(4) + 4 * place, np.arange(7))
        ticks = np.repeat(np.arange(start, start + 6), x.size)
        xs, ys = (np.tile(v.ravel(), 6).astype(np.uint16) for v in (x, y))
        network.advance(
            BinnedEvents(ticks, xs, ys, np.ones(len(ticks), np.uint8)), start + 10, learn=learn
        )
        both = np.tile(np.arange(8), 7).astype(np.uint16), np.repeat(np.arange(7), 8)
        late = np.repeat(np.arange(start + 30, start + 36), 56)
        events = BinnedEvents(
            late, np.tile(both[0], 6), np.tile(both[1], 6).astype(np.uint16),
            np.ones(len(late), np.uint8),
        )  # fmt: skip
        steps = network.advance(events, start + 40, label=label if learn else -1, learn=learn)
        network.reset_state()
        return int(steps.scores[steps.tick >= start + 32].sum(0).argmax())

    def right(units: int) -> float:
        layers = [{"kind": "conv", "channels": 6, "kernel": 3, "pad": 1, "stride": 2, "slope": 9,
                   "threshold": 3000, "reset": "subtract", "plastic": False,
                   "decay_u": 4096, "decay_v": 2048}]  # fmt: skip
        temporal = {**TEMPORAL, "units": units, "delays": [0, 30], "slope": 7, "shift": 6}
        network = build(
            2, layers=layers, result_every=2, temporal=temporal,
            readout={**READOUT, "slots": 0, "shift": 13}, learning={"burn_in": 0, "period": 0},
        )  # fmt: skip
        for n in range(40):
            shown(network, n % 2, n % 2, True)
        return float(np.mean([shown(network, n, n, False) == n for n in (0, 1)]))

    assert right(24) == 1.0
    assert right(0) == 0.5


def test_classes_snapshots_and_files_keep_what_was_learned() -> None:
    network = experienced()
    assert network.temporal is not None
    events = draw(np.random.default_rng(1), range(60), 600, (8, 7))
    early, late = events.before(30)
    network.advance(early, 30, label=0, learn=True)
    before = network.snapshot()
    kept = [a.copy() for a in network.temporal.learned_arrays()]
    ring = network.temporal.ring.copy()
    network.add_class("d")
    now = list(network.temporal.learned_arrays())
    for old, new in zip(kept, now, strict=True):
        assert (new[tuple(slice(n) for n in old.shape)] == old).all()
    assert not network.temporal.read_store[3].any()
    assert (network.temporal.ring == ring).all()
    assert ring.any()
    network.advance(late, 60, label=3, learn=True)
    network.restore(before)
    restored = network.temporal.learned_arrays()
    assert all((a == b).all() for a, b in zip(restored, kept, strict=True))
    network.reset_state()
    assert not network.temporal.ring.any()
    assert network.temporal.ticks_live == 0


def test_a_batch_equals_the_network_and_learns_for_it() -> None:
    network = experienced()
    assert network.temporal is not None
    rng = np.random.default_rng(5)
    samples = [draw(rng, range(40), 500, (8, 7)) for _ in range(3)]
    scores = []
    for sample in samples:
        alone = Network.from_bytes(network.to_bytes())
        steps = alone.advance(sample, 40)
        scores.append(steps.scores[steps.tick >= alone.spec.learning.burn_in].sum(0))
    batch = Batch(network, 3)
    assert (batch.show(samples, None, 40).scores == np.array(scores)).all()
    assert network.temporal.operations > 0
    before = network.temporal.store.copy()
    batch.show(samples, [0, 1, 2], 40, learn=True)
    assert (network.temporal.store != before).any()
    assert network.temporal.counts[-1] > 0


def test_readout_only_leaves_the_layer_as_it_is() -> None:
    network = experienced()
    assert network.temporal is not None
    network.state.registers[at.LEARN_LAYERS] = 0
    store, threshold = network.temporal.store.copy(), network.temporal.threshold.copy()
    read = network.temporal.read_store.copy()
    events = draw(np.random.default_rng(0), range(60), 900, (8, 7))
    network.advance(events, 60, label=1, learn=True)
    assert (network.temporal.store == store).all()
    assert (network.temporal.threshold == threshold).all()
    assert (network.temporal.read_store != read).any()


def test_memory_and_operations_count_the_layer() -> None:
    network = experienced()
    assert network.temporal is not None
    listed = bytes_by_kind(network)
    state = network.state
    work = (
        sum(array.nbytes for array in network.scratch)
        + 2 * int(state.registers[at.FEATURES])
        + 4 * 3
    )
    assert sum(item.size for item in listed) == sum(a.nbytes for a in state.arrays()) + work
    names = {(item.name, item.dtype): item.size for item in listed}
    assert names["temporal layer", "int16"] >= 2 * (3 * 5 * 6 + 3 * 6)
    assert names["past features", "int8"] >= 11
    events = draw(np.random.default_rng(0), range(40), 500, (8, 7))
    network.temporal.store[network.temporal.store >> 8 == 0] = 256
    copy = Network.from_bytes(network.to_bytes())
    copy.advance(events, 40)
    assert copy.temporal is not None
    counts = count_operations(network, [events], 40)
    assert counts.effective[-2] == copy.temporal.operations > 0
    assert counts.effective[-2] <= counts.dense[-2]
    assert counts.binary.tolist()[-2:] == [True, False]
    network.temporal.store[...] = 0
    assert connection_sparsity(network) > connection_sparsity(copy)


def test_networks_without_it_are_as_they_were() -> None:
    plain = build(3, layers=FROZEN)
    assert plain.temporal is None
    assert "temporal" not in plain.spec.to_dict()
    assert plain.state.layers.shape[1] == at.LAYER_COLUMNS
    assert engines.advance not in engines.engines(plain.state.layers, 1)
    assert engines.engine(experienced().state.layers, 0) is engines.advance


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"units": -1}, "temporal.units is -1; allowed are whole numbers from 0 to 1024."),
        ({"delays": []}, "allowed is a list of 1 to 8 whole numbers of ticks, rising."),
        ({"delays": [3, 3]}, "temporal.delays is [3, 3]; each has to be above the last."),
        ({"delays": [0, 1001]}, "temporal.delays[1] is 1001"),
        ({"plastic": 1}, "temporal.plastic is 1; allowed are False and True."),
        ({"shift": 17}, "temporal.shift is 17"),
        ({"speed": 3}, "temporal has no setting 'speed'"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as refused:
        NetworkSpec.from_dict({**SMALL, **BASE, "temporal": {**TEMPORAL, **changes}})
    assert sentence in str(refused.value)


def test_it_needs_a_trained_readout_that_answers() -> None:
    learns = {"layers": SMALL["layers"], "temporal": TEMPORAL}
    with pytest.raises(SpecError, match="does not answer"):
        NetworkSpec.from_dict({**SMALL, **learns, "readout": {"answer": "local"}})
    with pytest.raises(SpecError, match="cannot be averaged"):
        NetworkSpec.from_dict({**SMALL, **learns, "training": {"average": 2}})


def test_damaged_files_are_refused() -> None:
    network = experienced()
    network.state.layers[0, at.T_LIVE] = 1000
    with pytest.raises(ModelError, match="ring of its temporal layer"):
        Network.from_bytes(network.to_bytes())
    network = experienced()
    assert network.temporal is not None
    network.temporal.counts[0] = -1
    with pytest.raises(ModelError, match="counts of its temporal layer"):
        Network.from_bytes(network.to_bytes())
