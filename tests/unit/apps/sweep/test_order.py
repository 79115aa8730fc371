"""The order of a sweep: bases, ends of curves, middles; later seeds beside earlier ranks."""

from __future__ import annotations

from spikewire.apps.sweep.grid import Variation, expand_all
from spikewire.apps.sweep.order import halvings, telling_first
from spikewire.qcore import LayerSpec, NetworkSpec


def test_a_row_is_halved() -> None:
    assert [halvings(n) for n in range(6)] == [
        [], [1], [1, 1], [1, 2, 1], [1, 2, 3, 1], [1, 3, 2, 3, 1],
    ]  # fmt: skip


def test_the_most_telling_come_first() -> None:
    spec = NetworkSpec("tiny", (LayerSpec("conv", 8),))
    variation = Variation({"weight": (2, 3, 4, 5, 8)}, ("regulation",), frozen=True)
    points, _ = expand_all({"tiny": spec}, variation)
    trials = [(f"{p.model} {p}", seed) for p, seed in telling_first(points, (7, 8))]
    assert len(trials) == len(set(trials)) == 2 * len(points)
    assert trials[:2] == [("tiny base", 7), ("tiny frozen base", 7)]
    ends = {(f"{m} weight={n}", 7) for m in ("tiny", "tiny frozen") for n in (2, 8)}
    assert set(trials[2:7]) == ends | {("tiny without=regulation", 7)}
    assert trials[7:9] == [("tiny base", 8), ("tiny frozen base", 8)]
    assert {seed for _, seed in trials[9:11]} == {7}
    assert trials[9][0] == "tiny weight=4"
    # A curve is whole in one seed before its thinnest parts are known in the next.
    assert trials.index(("tiny weight=5", 7)) < trials.index(("tiny weight=4", 8))
