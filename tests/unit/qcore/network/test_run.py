"""`Network.run`: the same bits as tick by tick, for event arrays of every layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import BinnedEvents, ModelError, Network, NetworkSpec, RunResult
from tests.reference.network import NaiveNetwork
from tests.reference.traced import TracedLayer
from tests.unit.qcore.network.test_network import build
from tests.unit.qcore.network.variants import VARIANTS

SIZE = (16, 21)  # twice and three times the small network's plane
DTYPE = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])
SEEDS = st.integers(0, 2**32 - 1)

Events = npt.NDArray[np.void]


def drawn(seed: int, count: int = 300, span_us: int = 60_000, start_us: int = 5_000_000) -> Events:
    rng = np.random.default_rng(seed)
    events = np.zeros(count, DTYPE)
    events["t"] = start_us + np.sort(rng.integers(0, span_us, count))
    events["x"] = rng.integers(0, SIZE[0], count)
    events["y"] = rng.integers(0, SIZE[1], count)
    events["p"] = rng.integers(0, 2, count)
    return events


def same(a: RunResult, b: RunResult) -> bool:
    pairs = ("time_us", "tick", "scores", "winners", "spike_counts", "synaptic_ops")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in pairs)


@given(seed=SEEDS, variant=st.sampled_from(sorted(VARIANTS)), learn=st.booleans())
@settings(max_examples=12, deadline=None)
def test_a_run_equals_the_naive_network(seed: int, variant: str, learn: bool) -> None:
    network = build(seed, **VARIANTS[variant])
    twin = NaiveNetwork(network, TracedLayer)
    label = "b" if learn else None
    first, every = 0, network.spec.result_every
    for part in range(2):
        events = drawn(seed + part, span_us=25_000)
        result = network.run(
            events, size=SIZE, label=label, learn=learn, spikes=[0, 2], membranes=[1]
        )
        assert result.first_tick == first
        start = int(events["t"][0])
        assert result.start_us == start
        binned = [
            (first + (int(t) - start) // 1000, int(x) * 8 // SIZE[0], int(y) * 7 // SIZE[1], int(p))
            for t, x, y, p in events.tolist()
        ]
        end = -(-binned[-1][0] // every) * every + 1
        rows, membranes = [], []
        for tick in range(first, end):
            now = [event for event in binned if event[0] == tick]
            rows += twin.advance(now, tick + 1, 1 if learn else -1, learn)
            membranes.append(twin.layers[1].v.reshape(-1).copy())
        assert list(zip(result.tick.tolist(), result.scores.tolist(), strict=True)) == rows
        assert result.time_us.tolist() == [start + (t + 1 - first) * 1000 for t, _ in rows]
        assert np.array_equal(result.membranes[1], membranes)
        assert result.spikes[0].shape == (end - first, network.layers[0].spikes.size)
        # The next run begins at the next result tick; until then the network goes on unlabelled.
        first = -(-end // every) * every
        twin.advance([], first, -1, learn)


def test_recorded_spikes_are_those_of_single_ticks() -> None:
    events = drawn(3)
    network, single = build(3), build(3)
    result = network.run(events, size=SIZE, spikes=[0, 1, 2])
    assert set(result.spikes) == {0, 1, 2}
    assert result.membranes == {}
    columns = [events["t"] - events["t"][0], events["x"] * 8 // SIZE[0], events["y"] * 7 // SIZE[1]]
    for tick, rows in enumerate(zip(*result.spikes.values(), strict=True)):
        part = columns[0] // 1000 == tick
        single.advance(
            _binned(tick, columns[1][part], columns[2][part], events["p"][part]), tick + 1
        )
        for layer, row in zip(single.layers, rows, strict=True):
            assert np.array_equal(layer.spikes.reshape(-1), row)
    assert network.to_bytes() == single.to_bytes()
    totals = [int(spikes.sum()) for spikes in result.spikes.values()]
    assert result.spike_counts.sum(0).tolist() == totals
    assert result.synaptic_ops.sum() == network.synaptic_ops > 0


def _binned(tick: int, x: Any, y: Any, p: Any) -> BinnedEvents:
    ticks = np.full(len(x), tick, np.int64)
    return BinnedEvents(ticks, x.astype(np.uint16), y.astype(np.uint16), np.ascontiguousarray(p))


def test_recording_changes_no_bit() -> None:
    events = drawn(4, 2000, 400_000)
    plain, recorded = build(4), build(4)
    a = plain.run(events, size=SIZE, label="a", learn=True)
    b = recorded.run(events, size=SIZE, label="a", learn=True, spikes=[1], membranes=[0, 2])
    assert same(a, b)
    assert plain.to_bytes() == recorded.to_bytes()


def _padded(events: Events) -> Events:
    kind = np.dtype(
        {"names": ["p", "x", "more", "y", "t"], "formats": ["u1", "<u2", "<f4", "<u2", "<i8"],
         "offsets": [3, 8, 12, 20, 30], "itemsize": 41}
    )  # fmt: skip
    out = np.zeros(len(events), kind)
    for name in "txyp":
        out[name] = events[name]
    return out


def _of_types(*kinds: str) -> Callable[[Events], Events]:
    return lambda events: events.astype(list(zip("txyp", kinds, strict=True)))


def _strided(events: Events) -> Events:
    out = np.zeros((len(events), 3), events.dtype)
    out[:, 1] = events
    return out[:, 1]


def _fortran(events: Events) -> Events:
    out = np.zeros((2, len(events)), events.dtype, order="F")
    out[0] = events
    return out[0]


def _readonly(events: Events) -> Events:
    events = events.copy()
    events.flags.writeable = False
    return events


LAYOUTS: dict[str, Callable[[Events], Events]] = {
    "packed": lambda events: events,
    "strided": _strided,
    "reversed twice": lambda events: events[::-1].copy()[::-1],
    "fortran": _fortran,
    "padded, other order, more fields": _padded,
    "big-endian": lambda events: events.astype(events.dtype.newbyteorder(">")),
    "wide": _of_types("<i8", "<i8", "<i8", "<i8"),
    "unsigned": _of_types("<u8", ">u4", "<u4", "<u8"),
    "narrow": _of_types(">i4", "i1", "u1", "?"),
    "signed": _of_types("<u4", "<i2", ">i2", "i1"),
    "records": lambda events: events.view(np.recarray),
    "read-only": _readonly,
}


@given(
    SEEDS, st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(LAYOUTS)), st.integers(0, 80)
)
@settings(max_examples=60, deadline=None)
def test_memory_layout_changes_no_bit(seed: int, outer: str, inner: str, count: int) -> None:
    events = drawn(seed, count, start_us=1_000_000)
    plain, other = build(seed % 5), build(seed % 5)
    kinds = "padded, other order, more fields"
    # A layout of a layout: strided big-endian, padded records, and so on.
    arranged = LAYOUTS[outer](LAYOUTS["packed" if kinds in (outer, inner) else inner](events))
    a = plain.run(events, size=SIZE, label="c", learn=True)
    b = other.run(arranged, size=SIZE, label="c", learn=True)
    assert same(a, b)
    assert plain.to_bytes() == other.to_bytes()


def test_a_long_pause_is_skipped_at_once() -> None:
    events = drawn(5, 20)
    events["t"][10:] += 3_600_000_000
    network = build(5)
    result = network.run(events, size=SIZE)
    assert network.tick > 3_600_000
    assert len(result) < 5000


def test_no_events_compute_nothing() -> None:
    network = build(6)
    before = network.to_bytes()
    result = network.run(drawn(0, 0), spikes=[1], membranes=[0])
    assert len(result) == 0
    assert result.labels == []
    assert result.scores.shape == (0, 3)
    assert result.spikes[1].shape == (0, network.layers[1].spikes.size)
    assert result.membranes[0].shape == (0, network.layers[0].membrane.size)
    assert network.to_bytes() == before


def test_winning_labels_are_names_or_none() -> None:
    result = build(7).run(drawn(7), size=SIZE)
    # Untrained, all scores are 0 unless the local readouts speak.
    for scores, winner, label in zip(result.scores, result.winners, result.labels, strict=True):
        if scores.min() == scores.max():
            assert (winner, label) == (-1, None)
        else:
            assert (winner, label) == (scores.argmax(), "abc"[scores.argmax()])
    alone = Network.build(build().spec, ("only",), 7).run(drawn(7), size=SIZE)
    assert [k >= 0 for k in alone.winners] == [s > 0 for s in alone.scores[:, 0]]


def test_the_networks_own_plane_is_the_default_size() -> None:
    events = drawn(8)
    events["x"] //= 2
    events["y"] //= 3
    assert same(build(8).run(events), build(8).run(events, size=(8, 7)))


def _set(name: str, at: int, value: int) -> Callable[[Events], Any]:
    def change(events: Events) -> Events:
        events = events.astype([("t", "<i8"), ("x", "<i4"), ("y", "<i4"), ("p", "i1")])
        events[name][at] = value
        return events

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda e: e[["t", "x", "p"]], "fields t, x, y and p; y is missing"),
        (lambda e: np.zeros((4, 4)), "fields t, x, y and p; t is missing"),
        (lambda e: e.tolist(), "fields t, x, y and p; t is missing"),
        (lambda e: e.reshape(2, -1), "of one dimension, not of 2"),
        (lambda e: _of_types("<f8", "<u2", "<u2", "u1")(e), "field t holds float64"),
        (_set("x", 7, 16), "Event 7 has x = 16, which is not a column of the sensor's 16x21"),
        (_set("x", 7, -1), "Event 7 has x = -1"),
        (_set("y", 0, 21), "Event 0 has y = 21, which is not a row"),
        (_set("p", 9, -1), r"Event 9 has p = -1, which is not a polarity \(1 for on, 0 for off\)"),
        (_set("t", 5, 0), "Event 5 has the time 0 us, before event 4 at 5"),
        (_set("t", 299, 2**63 - 1), "Event 299 has t = .* not a time in microseconds"),
    ],
)
def test_unusable_events_are_refused_in_sentences(change: Any, says: str) -> None:
    network = build()
    before = network.to_bytes()
    with pytest.raises(ModelError, match=says):
        network.run(change(drawn(9)), size=SIZE)
    assert network.to_bytes() == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"label": "z"}, "no class 'z'; it has a, b, c"),
        ({"learn": True}, "Learning needs the label"),
        ({"spikes": [3]}, "There is no layer 3 to record; layers are 0 to 2"),
        ({"membranes": [-1]}, "There is no layer -1 to record"),
        ({"size": (0, 4)}, "1 to 65536 columns and rows, not 0x4"),
    ],
)
def test_impossible_options_are_refused_in_sentences(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        build().run(drawn(9), **{"size": SIZE, **options})


def test_a_state_that_input_held_decays_when_it_ends() -> None:
    layer = {"kind": "dense", "channels": 1, "decay_u": 410, "decay_v": 410, "threshold": 8_000_000}
    layer |= {"reset": "zero", "plastic": False, "exponent": 4}
    spec = {"name": "held", "width": 1, "height": 1, "polarities": 1, "layers": [layer]}
    network = Network.build(NetworkSpec.from_dict(spec), ("a",))
    network.layers[0].set_weights(np.full((1, 1, 1, 1), 10))
    tick = np.arange(400, dtype=np.int64)
    place = np.zeros(400, np.uint16)
    network.advance(BinnedEvents(tick, place, place, np.zeros(400, np.uint8)), 400)
    held = network.layers[0].membrane.item()
    assert held > 10_000
    nothing = BinnedEvents(tick[:0], place[:0], place[:0], np.zeros(0, np.uint8))
    network.advance(nothing, 600)
    assert network.layers[0].membrane.item() == 0
