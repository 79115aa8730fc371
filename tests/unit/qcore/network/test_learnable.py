"""Widths at which no weight can move: proved, and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewire.qcore import BinnedEvents, learning_fault
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.learnable import highest_trace
from tests.unit.qcore.network.test_network import build
from tests.unit.qcore.network.variants import SMALL, with_layers

TRACES = [(4, 4), (4, 5), (4, 6), (5, 5), (6, 6), (8, 5), (10, 5), (10, 6), (10, 12), (15, 15)]


def flooded(**changes: Any) -> Any:
    """Show all places in every tick, the most that a trace can be driven with."""
    network = build(**changes)
    places = [(t, x, y, p) for t in range(200) for y in range(7) for x in range(8) for p in (0, 1)]
    t, x, y, p = (np.ascontiguousarray(column) for column in np.array(places).T)
    events = BinnedEvents(t, x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8))
    before = [layer.store.copy() for layer in network.layers]
    network.advance(events, 200, label=1, learn=True)
    moved = [(a != b.store).any() for a, b in zip(before, network.layers, strict=True)]
    return network, any(moved)


@pytest.mark.parametrize(("q", "p"), TRACES)
@pytest.mark.parametrize("slow", [3, 5])
def test_no_weight_moves_where_that_is_proved(q: int, p: int, slow: int) -> None:
    learning = {**SMALL["learning"], "slow": slow}
    network, moved = flooded(learning=learning, widths={"q": q, "p": p})
    assert moved == (learning_fault(network.spec) is None)
    L = [int(value) for value in network.state.layers[0]]
    size = L[at.IN_ROWS] * L[at.IN_COLUMNS] * L[at.IN_CHANNELS]
    trace = network.state.i16[L[at.AT_P] : L[at.AT_P] + size]
    assert trace.max() <= highest_trace(L, 1)


def test_the_sentence_names_layer_widths_and_remedy() -> None:
    spec = build(widths={"p": 5, "q": 4}).spec
    fault = learning_fault(spec)
    assert fault is not None
    assert fault.startswith("layers[0] can never learn: its trace P of 5 bits, behind a Q of 4, ")
    assert "never leaves zero" in fault
    deep = build(learning={**SMALL["learning"], "trace_shift": 13}).spec
    assert "which a gradient shifts to 0" in str(learning_fault(deep))
    dead = build(learning={**SMALL["learning"], "dead_zone": 31}).spec
    assert "an error of 6 bits is at most 31, inside the dead zone of 31" in str(
        learning_fault(dead)
    )


def test_frozen_layers_need_no_widths() -> None:
    frozen = with_layers(*({"plastic": False},) * 3)
    assert learning_fault(build(**frozen, widths={"p": 4, "q": 4}).spec) is None
    one = with_layers({"plastic": False}, {"plastic": False}, {})
    assert "layers[2]" in str(learning_fault(build(**one, widths={"p": 4, "q": 4}).spec))


def test_counts_lift_a_trace_that_single_spikes_cannot() -> None:
    # Single spikes take Q to half its range, so that P loses its only bit to the shift.
    widths = {"p": 12, "q": 4}
    frozen, pooled = {"plastic": False}, {"plastic": False, "pool_kind": "sum", "pool": 3}
    learning = {**SMALL["learning"], "trace_shift": 11}
    single = with_layers(frozen, {}, frozen)
    counted = with_layers(pooled, {}, frozen)
    assert learning_fault(build(**single, widths=widths, learning=learning).spec) is not None
    assert learning_fault(build(**counted, widths=widths, learning=learning).spec) is None
