"""Class means in a network: against the naive twin, lessons, undo, files, batches, refusals."""

from __future__ import annotations

from collections.abc import Callable
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
    count_operations,
)
from spikewire.qcore.kernels import answers
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network import engines
from spikewire.qcore.network.prototypes_view import PrototypesView
from tests.reference.network import NaiveNetwork
from tests.reference.temporal import NaiveTemporalNetwork
from tests.unit.qcore.network.test_temporal import BASE as TEMPORAL
from tests.unit.qcore.network.variants import MEANS, SMALL, TRAINED, build, draw, with_layers

FROZEN = with_layers(*[{"plastic": False}] * 3)
PLASTIC: dict[str, Any] = {
    "learning": {**SMALL["learning"], "feedback": "trained"}, **with_layers({}, {}, {}),
}  # fmt: skip
STILL: dict[str, Any] = {**SMALL["learning"], "period": 0}
KINDS: dict[str, dict[str, Any]] = {
    "frozen": FROZEN,
    "plastic": {**PLASTIC, **TRAINED},
    "temporal": TEMPORAL,
}


def network_of(kind: str = "frozen", seed: int = 0, **changes: Any) -> Network:
    base: dict[str, Any] = {"readout": TRAINED["readout"], "prototypes": MEANS}
    return build(seed, **{**base, **KINDS[kind], **changes})


def view(network: Network) -> PrototypesView:
    assert network.prototypes is not None
    return network.prototypes


def copies(network: Network) -> list[Any]:
    return [array.copy() for array in view(network).learned_arrays()]


def tuples(events: BinnedEvents) -> list[tuple[int, int, int, int]]:
    columns = (events.tick, events.x, events.y, events.p)
    return [(int(t), int(x), int(y), int(p)) for t, x, y, p in zip(*columns, strict=True)]


def moved(events: BinnedEvents, ticks: int) -> BinnedEvents:
    return BinnedEvents(events.tick + ticks, events.x, events.y, events.p)


def lesson(network: Network, seed: int, label: int, ticks: int = 40) -> Any:
    """Teach a recording from the present tick on, and return the result rows."""
    start = network.tick
    events = draw(np.random.default_rng(seed), range(ticks), 8 * ticks, (8, 7))
    events = moved(events, start)
    return network.advance(events, start + ticks, label=label, learn=label >= 0)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(KINDS)))
@settings(max_examples=12, deadline=None)
def test_live_lessons_equal_the_naive_twin(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    network = network_of(
        kind, seed, prototypes={**MEANS, "readout_gain": int(rng.integers(0, 600))}
    )
    twin: Any = (NaiveTemporalNetwork if kind == "temporal" else NaiveNetwork)(network)
    start = 0
    # Lessons follow one another, with and without time between, and results come in between.
    for step in range(9):
        learn = bool(rng.random() < 0.75)
        label = int(rng.integers(-1, 3))
        stop = start + int(rng.integers(10, 45))
        if step == 5:
            twin.means.shown[1] = 31
            view(network).counts[1, answers.SHOWN] = 31
            most = max(twin.means.twin.counts[1], 31)
            twin.means.twin.counts[1] = most
            view(network).counts[1, answers.EXAMPLES] = most
        events = draw(rng, range(start, stop), int(rng.integers(0, 300)), (8, 7))
        steps = network.advance(events, stop, label=label, learn=learn)
        rows = twin.advance(tuples(events), stop, label, learn)
        assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
        start = stop
    assert [array.tolist() for array in copies(network)] == twin.means.arrays()
    assert (network.read_store() == twin.read).all()
    assert network.state.lanes.tolist() == twin.lanes
    for n, layer in enumerate(twin.layers):
        assert (network.layers[n].table == layer.table).all()
        assert (network.layers[n].membrane == layer.v).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_class_that_is_added_equals_the_twin_with_it(kind: str) -> None:
    network = network_of(kind)
    twin: Any = (NaiveTemporalNetwork if kind == "temporal" else NaiveNetwork)(network)

    def both(seed: int, label: int) -> Any:
        start, learn = network.tick, label >= 0
        events = moved(draw(np.random.default_rng(seed), range(30), 250, (8, 7)), start)
        steps = network.advance(events, start + 30, label=label, learn=learn)
        rows = twin.advance(tuples(events), start + 30, label, learn)
        assert list(zip(steps.tick.tolist(), steps.scores.tolist(), strict=True)) == rows
        return steps.scores

    for n, label in enumerate((0, 1, 0, 2, -1)):
        both(n, label)
    before = copies(network)
    assert network.add_class("d") == 3
    for old, new in zip(before, copies(network), strict=True):
        assert (new[tuple(slice(n) for n in old.shape)] == old).all()
        assert not new[3:].any() or old.ndim == 1
    twin.classes += 1
    twin.read = np.vstack([twin.read, 0 * twin.read[:1]])
    if kind == "temporal":
        twin.V = np.vstack([twin.V, 0 * twin.V[:1]])
    twin.seen.append(0)
    twin.memory.append([])
    twin.means.add_class()
    scores = both(10, -1)
    # It has no examples, and is behind the last of the others.
    assert len(scores)
    assert (scores[:, 3] < scores[:, :3].min(1)).all()
    both(11, 3)
    assert (both(12, -1)[:, 3] > 0).any()
    assert [array.tolist() for array in copies(network)] == twin.means.arrays()


def test_the_readout_answers_until_lessons_of_two_classes_have_ended() -> None:
    network = network_of()

    def by_readout() -> list[int]:
        rows = network.read_store().astype(np.int64) >> 8
        f = network.state.i16[network.state.registers[at.AT_NORMAL] :][: rows.shape[1]]
        return [int(y) for y in rows @ f]

    # The last tick of each has a result row.
    for n, (label, ticks) in enumerate(((0, 41), (-1, 40), (1, 40))):
        steps = lesson(network, n, label, ticks)
        assert steps.tick[-1] == network.tick - 1
        assert any(by_readout())
        assert steps.scores[-1].tolist() == by_readout()
        assert view(network).state[answers.MARGIN] == 0
    steps = lesson(network, 7, -1)
    assert steps.tick[-1] == network.tick - 1
    assert steps.scores[-1].tolist() != by_readout()
    assert view(network).state[answers.MARGIN] > 0


def test_the_solution_stays_in_a_lesson_and_is_renewed_after_it() -> None:
    network = network_of()
    for n, label in enumerate((0, 1, -1)):
        lesson(network, n, label)
    before = view(network).weights.copy()
    assert before.any()
    assert view(network).state[answers.STALE] == 0
    steps = lesson(network, 3, 1)
    assert len(steps.tick) > 0
    assert (view(network).weights == before).all()
    assert view(network).state[answers.STALE] == 1
    lesson(network, 4, -1)
    assert (view(network).weights != before).any()
    assert view(network).state[answers.STALE] == 0


@pytest.mark.parametrize("between", [(3, False), (2, False), (-1, True)])
def test_a_lesson_begins_from_rest(between: tuple[int, bool]) -> None:
    fresh, late = network_of(learning=STILL), network_of(learning=STILL)
    late.add_class("d")
    fresh.add_class("d")
    label, learn = between
    events = draw(np.random.default_rng(5), range(60), 600, (8, 7))
    # What was seen before, under whatever label, is no part of the lesson.
    late.advance(events, 60, label=label, learn=learn)
    for one in (late, fresh):
        lesson(one, 6, 2)
    assert view(late).counts[2, 0] > 0
    for old, new in zip(copies(fresh), copies(late), strict=True):
        assert (old == new).all()


def test_each_lesson_is_counted_once() -> None:
    network = network_of()
    for n, label in enumerate((1, 1, -1, 1, 2)):
        lesson(network, n, label)
    # The first two follow each other under the same label: they are one.
    assert view(network).counts[:, answers.SHOWN].tolist() == [0, 2, 1]
    view(network).forget()
    lesson(network, 7, 2)
    assert view(network).counts[:, answers.SHOWN].tolist() == [0, 0, 1]
    assert view(network).learns
    view(network).learns = False
    before = copies(network)
    lesson(network, 8, 0)
    assert all((a == b).all() for a, b in zip(copies(network), before, strict=True))


def test_thresholds_stay_once_means_hold_examples() -> None:
    network, plain = network_of(), build(**{**FROZEN, "readout": TRAINED["readout"]})
    for one in (network, plain):
        before = one.layers[0].threshold.copy()
        view(network).learns = False
        lesson(one, 0, 0)
        assert (one.layers[0].threshold != before).any()
    view(network).learns = True
    lesson(network, 1, 0)
    kept = [layer.table.copy() for layer in network.layers]
    counts = [layer.spike_counts.copy() for layer in network.layers]
    ticks = int(network.state.registers[at.PERIOD_TICKS])
    plain_before = plain.layers[0].threshold.copy()
    for n in range(2, 5):
        lesson(network, n, n % 3)
        lesson(plain, n, n % 3)
    assert (plain.layers[0].threshold != plain_before).any()
    for layer, table, count in zip(network.layers, kept, counts, strict=True):
        assert (layer.table == table).all()
        # Spikes that no period would hold are not counted either.
        assert (layer.spike_counts == count).all()
    assert network.state.registers[at.PERIOD_TICKS] == ticks
    view(network).forget()
    lesson(network, 6, 0)
    assert any((layer.table != one).any() for layer, one in zip(network.layers, kept, strict=True))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_undo_and_files_keep_every_bit(kind: str) -> None:
    network = network_of(kind)
    for n, label in enumerate((0, 1, -1)):
        lesson(network, n, label)
    kept, before = network.snapshot(), copies(network)
    copy = Network.from_bytes(network.to_bytes())
    assert copy.to_bytes() == network.to_bytes()
    assert all((a == b).all() for a, b in zip(copies(copy), before, strict=True))
    lesson(network, 3, 2)
    middle = Network.from_bytes(network.to_bytes())
    assert view(network).counts[2, answers.SHOWN] == 1
    for one in (network, middle):
        lesson(one, 4, 2)
        lesson(one, 5, -1)
    assert middle.to_bytes() == network.to_bytes()
    network.add_class("d")
    lesson(network, 6, 3)
    network.restore(kept)
    assert network.classes == ("a", "b", "c")
    assert all((a == b).all() for a, b in zip(copies(network), before, strict=True))
    # A lesson of the same label after the undo is a new one.
    lesson(network, 7, 2)
    assert view(network).counts[2, answers.SHOWN] == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(KINDS)), st.integers(1, 1500))
@settings(max_examples=10, deadline=None)
def test_idle_ticks_packets_and_files_change_no_bit(seed: int, kind: str, gap: int) -> None:
    whole, single = network_of(kind, seed % 100), network_of(kind, seed % 100)
    for one in (whole, single):
        lesson(one, seed, 0)
        lesson(one, seed + 1, 1)
    rng = np.random.default_rng(seed)
    start = whole.tick
    first = moved(draw(rng, range(20), 120, (8, 7)), start)
    last = moved(draw(rng, range(20 + gap, 40 + gap), 60, (8, 7)), start)
    label = int(rng.integers(-1, 3))
    events = BinnedEvents(*(np.concatenate(pair) for pair in zip(
        *((e.tick, e.x, e.y, e.p) for e in (first, last)), strict=True)))  # fmt: skip
    stop = start + 40 + gap
    rows, steps = [], whole.advance(events, stop, label=label, learn=label >= 0)
    for until in range(start + 1, stop + 1):
        part, events = events.before(until)
        one = single.advance(part, until, label=label, learn=label >= 0)
        rows += one.scores.tolist()
        if until in (start + 15, start + 30):
            single = Network.from_bytes(single.to_bytes())
    assert steps.scores.tolist() == rows
    assert whole.to_bytes() == single.to_bytes()
    assert whole.state.registers[at.TICKS_SKIPPED] > 0 or gap < 1200


def test_every_recording_of_a_batch_is_one_lesson() -> None:
    network = network_of()
    rng = np.random.default_rng(1)
    samples = [draw(rng, range(60), 500, (8, 7)) for _ in range(4)]
    batch = Batch(network, 4)
    batch.show(samples, [0, 1, 1, 2], 60, learn=True)
    assert view(network).counts[:, answers.SHOWN].tolist() == [1, 2, 1]
    assert (view(network).counts[:, answers.EXAMPLES] > 1).all()
    # Thresholds stay as they are from then on.
    tables = [layer.table.copy() for layer in network.layers]
    batch.show(samples[:2], [0, 1], 60, learn=True)
    assert view(network).counts[:, answers.SHOWN].tolist() == [2, 3, 1]
    assert all((n.table == was).all() for n, was in zip(network.layers, tables, strict=True))
    shown = batch.show(samples, None, 60)
    burn_in = network.spec.learning.burn_in
    for sample, scores in zip(samples, shown.scores, strict=True):
        alone = Network.from_bytes(network.to_bytes())
        alone.reset_state()
        steps = alone.advance(sample, 60)
        assert (steps.scores[steps.tick >= burn_in].sum(0) == scores).all()


def test_a_batch_of_one_learns_the_means_of_the_network() -> None:
    # Regulation differs in a batch, and live steps spare known classes.
    live, batched = network_of(learning=STILL), network_of(learning=STILL)
    live.protects_known = False
    rng = np.random.default_rng(2)
    batch = Batch(batched, 1)
    for label in (0, 1, 1, 2):
        sample = draw(rng, range(60), 500, (8, 7))
        live.reset_state()
        start = live.tick
        # Ticks of a recording count from 0 in a batch: here from a multiple of all cadences.
        start = -(-start // 60) * 60
        live.advance(BinnedEvents(*(a[:0] for a in (
            sample.tick, sample.x, sample.y, sample.p))), start)  # fmt: skip
        live.advance(moved(sample, start), start + 60, label=label, learn=True)
        batch.show([sample], [label], 60, learn=True)
    assert (live.read_store() == batched.read_store()).all()
    for mine, other in zip(copies(live), copies(batched), strict=True):
        assert (mine == other).all()


def test_memory_and_operations_count_them() -> None:
    network = network_of("temporal")
    listed = bytes_by_kind(network)
    state = network.state
    work = (
        sum(array.nbytes for array in network.scratch)
        + 2 * int(state.registers[at.FEATURES])
        + 4 * 3
    )
    assert sum(item.size for item in listed) == sum(a.nbytes for a in state.arrays()) + work
    sizes = {(item.name, item.dtype): (item.size, item.learning) for item in listed}
    assert sizes["class means", "int32"] >= (4 * 3 * (9 + 3), False)
    assert sizes["learning of class means", "int32"] >= (4 * (3 * 9 + 8), True)
    assert sizes["learning of class means", "int16"] >= (2 * 45, True)
    events = draw(np.random.default_rng(0), range(40), 500, (8, 7))
    before = count_operations(network, [events], 40)
    for n, label in enumerate((0, 1, -1)):
        lesson(network, n, label)
    after = count_operations(network, [events], 40)
    assert after.dense[-1] - before.dense[-1] == 10 * 3 * 9
    assert (after.effective <= after.dense).all()


def test_networks_without_them_are_as_they_were() -> None:
    plain = build(3, **FROZEN)
    assert plain.prototypes is None
    assert "prototypes" not in plain.spec.to_dict()
    assert plain.state.layers.shape[1] == at.LAYER_COLUMNS
    assert engines.advance not in engines.engines(plain.state.layers, 1)
    assert build(3, **TEMPORAL).state.layers.shape[1] == at.TEMPORAL_COLUMNS
    none = network_of(prototypes={**MEANS, "size": 0})
    assert none.prototypes is None
    network = network_of()
    assert network.temporal is None
    assert engines.engine(network.state.layers, 0) is engines.advance
    assert NetworkSpec.from_dict(network.spec.to_dict()) == network.spec


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": 1025}, "prototypes.size is 1025; allowed are whole numbers from 0 to 1024."),
        ({"ridge_shift": 16}, "prototypes.ridge_shift is 16; allowed are whole numbers"),
        ({"doubt": -1}, "prototypes.doubt is -1; allowed are whole numbers from 0 to 1024."),
        ({"sweeps": 0}, "prototypes.sweeps is 0; allowed are whole numbers from 1 to 1000."),
        ({"readout_gain": 1.5}, "prototypes.readout_gain is 1.5"),
        ({"speed": 3}, "prototypes has no setting 'speed'"),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as refused:
        network_of(prototypes={**MEANS, **changes})
    assert sentence in str(refused.value)


def test_they_need_a_trained_readout_that_answers_alone() -> None:
    with pytest.raises(SpecError, match=r"prototypes.size is 9, but .*answer 'local'"):
        build(**{**SMALL, "prototypes": MEANS, "readout": {"answer": "local"}})
    with pytest.raises(SpecError, match=r"readout.local_gain is 3, .* it has to be 0\."):
        build(prototypes=MEANS)


def spoil(part: str, place: Any, value: int) -> Callable[[Network], None]:
    def change(network: Network) -> None:
        getattr(view(network), part)[place] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (spoil("counts", (1, answers.EXAMPLES), -1), "counts of its class means are negative"),
        (spoil("counts", (1, answers.SHOWN), -1), "counts of its class means are negative"),
        (spoil("state", answers.HELD, -1), "counts of its class means are negative"),
        (spoil("state", answers.STALE, -1), "counts of its class means are negative"),
        (spoil("state", answers.LEARNS, -2), "counts of its class means are negative"),
        (spoil("state", answers.MARGIN, -1), "counts of its class means are negative"),
        (spoil("counts", (1, answers.SHOWN), 10**6), "more lessons than examples"),
        (spoil("state", answers.POWER, 41), "unit of its class means is out of range"),
        (spoil("state", answers.CUT, 63), "unit of its class means is out of range"),
        (spoil("sums", (1, 3), -(2**31)), "sums of its class means are larger than their examples"),
        (spoil("sums", (2, 3), 1), "sums of its class means are larger than their examples"),
        (spoil("moment", 1, -32768), "metric of its class means is out of range"),
        (spoil("moment", 2, -1), "metric of its class means is out of range"),
    ],
)
def test_damaged_files_are_refused(change: Callable[[Network], None], sentence: str) -> None:
    network = network_of()
    lesson(network, 0, 1)
    Network.from_bytes(network.to_bytes())
    change(network)
    with pytest.raises(ModelError, match=sentence):
        Network.from_bytes(network.to_bytes())
