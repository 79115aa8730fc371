"""The delta rule's head and the memory it rehearses from."""

from __future__ import annotations

import numpy as np
import pytest

from spikewire.qcore import (
    DeltaReadout,
    LayerSpec,
    Network,
    NetworkSpec,
    ReadoutSpec,
    RehearsalMemory,
)
from tests.reference import kernels as naive


def vectors(count: int, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2000, (count, n)).astype(np.int16)


def test_the_head_learns_what_it_is_shown_and_grows() -> None:
    head = DeltaReadout(2, 40, ReadoutSpec(shift=13))
    one, two, three = vectors(3, 40, 0)
    assert head.add_class() == 2
    assert head.classes == 3
    for _ in range(60):
        for n, f in enumerate((one, two, three)):
            head.learn(f, n)
    assert [int(head.scores(f).argmax()) for f in (one, two, three)] == [0, 1, 2]
    assert head.nbytes == 3 * 40 * 2 + 256
    with pytest.raises(ValueError, match="Label 3 is none of the 3 classes"):
        head.learn(one, 3)


def test_the_head_scores_as_the_network_does() -> None:
    layer = LayerSpec("dense", 12, threshold=40_000, plastic=False)
    spec = NetworkSpec("small", (layer,), width=4, height=4)
    network = Network.build(spec, ("a", "b"), 3)
    network.features[...] = np.arange(12) * 50
    network.read_store()[...] = vectors(2, 12, 1) * 16
    head = DeltaReadout(2, 12, spec.readout)
    head._store[...] = network.read_store()
    f = naive.normalise([int(v) for v in network.features])
    weights = [[int(w) >> 8 for w in row] for row in network.read_store()]
    wanted = [sum(a * b for a, b in zip(row, f, strict=True)) for row in weights]
    assert head.scores(network.features).tolist() == wanted


def test_memory_shares_its_bytes_among_the_classes() -> None:
    memory = RehearsalMemory(2_000, 64, seed=1)  # 8 bytes a vector
    shown = vectors(900, 64, 2)
    places = []
    for label in range(3):
        assert memory.add_class() == label
        places.append(memory.places)
        assert memory.nbytes <= 2_000
        for f in shown[300 * label : 300 * (label + 1)]:
            memory.remember(f, label)
    assert places == [(2_000 - 256 - 8 * n) // (8 * n) for n in (1, 2, 3)]
    bits = [tuple(b > 0 for b in naive.remembered([int(v) for v in f])) for f in normal(shown)]
    drawn = [memory.recall() for _ in range(900)]
    found = [bits.index(tuple(bool(v) for v in f)) for f, _ in drawn]
    # Every memory is one of its own class, from early on to late, each class alike often.
    assert all(n // 300 == label for n, (_, label) in zip(found, drawn, strict=True))
    for label in range(3):
        own = [n - 300 * label for n in found if n // 300 == label]
        assert len(own) == pytest.approx(300, abs=60)
        assert np.mean(own) == pytest.approx(150, abs=30)
        assert len(set(own)) > 0.9 * places[-1]


def normal(shown: np.ndarray) -> list[list[int]]:
    return [naive.normalise([int(v) for v in f]) for f in shown]


def test_an_empty_memory_recalls_nothing_and_a_small_one_is_refused() -> None:
    memory = RehearsalMemory(300, 64)
    assert memory.recall()[1] == -1
    memory.add_class()
    memory.remember(np.zeros(64, np.int16), 0)
    assert memory.recall()[1] == -1
    with pytest.raises(ValueError, match=r"One vector to rehearse takes 272 bytes, not 271\."):
        RehearsalMemory(271, 64)
    memory.add_class()
    with pytest.raises(ValueError, match=r"300 bytes hold no vector for each of 3 classes\."):
        memory.add_class()
