"""Prototypes: the kernels against their twin, the rails, and what the learner promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import Prototypes
from spikewire.qcore.kernels import metric
from spikewire.qcore.kernels.random import fill_lanes
from tests.reference.prototypes import NaivePrototypes, folded

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=40, deadline=None)


SHAPE = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))


@given(st.integers(0, 2**62), st.integers(1, 40), st.lists(SHAPE, max_size=2), SEEDS)
@FEW
def test_features_are_folded_as_by_the_twin(
    seed: int, size: int, shapes: list[tuple[int, int, int]], draw: int
) -> None:
    n = sum(rows * columns * channels for rows, columns, channels in shapes) + draw % 7
    f = np.random.default_rng(draw).integers(-1024, 1025, n).astype(np.int16)
    x = np.full(size, 7, np.int32)
    maps = np.array(shapes, np.int64).reshape(len(shapes), 3)
    metric.fold(f, maps, seed, x)
    assert x.tolist() == folded(f.tolist(), shapes, seed, size)


@given(
    SEEDS, st.integers(1, 9), st.integers(1, 4), st.integers(0, 20), st.sampled_from((4, 10, 19))
)
@FEW
def test_examples_and_answers_equal_the_twin(
    seed: int, size: int, classes: int, lessons: int, bits: int
) -> None:
    rng = np.random.default_rng(seed)
    twin = NaivePrototypes(classes, size, seed)
    sums, counts = np.zeros((classes, size), np.int32), np.zeros(classes, np.int64)
    moment, registers = np.zeros(size * (size + 1) // 2, np.int16), np.zeros(2, np.int64)
    lanes, scratch = np.zeros(64, np.uint32), np.zeros(size, np.int64)
    fill_lanes(lanes, seed, 1)
    for _ in range(lessons):
        x = rng.integers(-(2**bits), 2**bits, size).astype(np.int32)
        label = int(rng.integers(classes))
        metric.add_example(x, label, sums, counts, moment, registers, lanes, scratch)
        twin.learn(x.tolist(), label)
    assert sums.tolist() == twin.sums
    assert counts.tolist() == twin.counts
    assert moment.tolist() == [twin.moment[i][j] for i, j in twin.pairs()]
    assert registers[metric.SHIFT] == twin.shift
    assert lanes.tolist() == twin.lanes
    ridge = metric.ridge_of(moment, size)
    assert ridge == twin.ridge()
    weights, offsets = np.zeros((classes, size), np.int32), np.zeros(classes, np.int64)
    sweeps = int(rng.integers(1, 6))
    metric.solve(sums, counts, moment, ridge, sweeps, weights, offsets, scratch)
    wanted = twin.solve(ridge, sweeps)
    assert (weights.tolist(), offsets.tolist()) == wanted
    y = np.zeros(classes, np.int64)
    x = rng.integers(-(2**bits), 2**bits, size).astype(np.int32)
    metric.compare(x, counts, weights, offsets, y)
    assert y.tolist() == twin.compare(x.tolist(), *wanted)


def test_the_rails_hold() -> None:
    sums = np.full((1, 2), 2**31 - 5, np.int32)
    sums[0, 1] = -(2**31) + 5
    counts, moment = np.array([2**40]), np.array([32766, -32766, 32766], np.int16)
    registers, lanes = np.array([40, 0]), np.full(64, 1, np.uint32)
    x = np.array([2**20 - 1, -(2**20) + 1], np.int32)
    metric.add_example(x, 0, sums, counts, moment, registers, lanes, np.zeros(2, np.int64))
    assert sums.tolist() == [[2**31 - 1, -(2**31) + 1]]
    assert np.abs(moment.astype(np.int64)).max() <= 32767
    # A moment of no metric: off the diagonal more than on it. Weights stop at their rails.
    moment[:] = (0, 32767, 0)
    sums[:], counts[:] = (2**20, 2**20), 1
    weights, offsets = np.zeros((1, 2), np.int32), np.zeros(1, np.int64)
    metric.solve(sums, counts, moment, 1, 50, weights, offsets, np.zeros(2, np.int64))
    assert np.abs(weights.astype(np.int64)).max() == 2**31 - 1


def examples(classes: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of classes that differ less than their examples do, along other directions."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 150, (classes, 300))
    common = rng.integers(0, 300, (2, 300))
    labels = np.tile(np.arange(classes), count)
    spread = rng.integers(0, 4, (len(labels), 2)) @ common
    return (centres[labels] + spread + rng.integers(0, 30, spread.shape)).astype(np.int16), labels


def right(learner: Prototypes, features: np.ndarray, labels: np.ndarray) -> float:
    found = [int(learner.scores(f).argmax()) for f in features]
    return float(np.mean(np.array(found) == labels))


def test_the_shared_metric_finds_what_distance_alone_does_not() -> None:
    features, labels = examples(6, 40, 3)
    learner = Prototypes(6, size=60, seed=1)
    for f, label in zip(features[:120], labels[:120], strict=True):
        learner.learn(f, int(label))
    assert right(learner, features[120:], labels[120:]) >= 0.9
    means = np.stack([features[:120][labels[:120] == k].mean(0) for k in range(6)])
    away = ((features[120:, None] - means[None]) ** 2).sum(-1).argmin(1)
    assert np.mean(away == labels[120:]) < 0.6


def test_a_class_that_comes_later_takes_nothing_from_the_others() -> None:
    features, labels = examples(4, 40, 4)
    order = np.argsort(labels[:120], kind="stable")
    learner = Prototypes(2, size=60, seed=1)
    for n in order:
        while labels[n] >= learner.classes:
            assert learner.add_class() == labels[n]
        learner.learn(features[n], int(labels[n]))
    assert learner.counts.tolist() == [30] * 4
    assert right(learner, features[120:], labels[120:]) >= 0.9


def test_bytes_are_counted_and_bounded() -> None:
    for limit in (1_000, 16_384, 65_536):
        learner = Prototypes.within(limit, 10)
        assert learner.nbytes == Prototypes.bytes_of(10, learner.size) <= limit
        assert Prototypes.bytes_of(10, learner.size + 1) > limit
    learner.add_class()
    assert learner.nbytes == Prototypes.bytes_of(11, learner.size)
    mapped = Prototypes.within(16_384, 10, maps=((4, 4, 2), (2, 2, 8)))
    assert mapped.nbytes == Prototypes.bytes_of(10, mapped.size, 2) <= 16_384
    with pytest.raises(ValueError, match=r"10 prototypes take at least 526 bytes, not 100\."):
        Prototypes.within(100, 10)


def test_silence_teaches_nothing_and_says_nothing() -> None:
    learner = Prototypes(2, size=8)
    learner.learn(np.zeros(5, np.int16), 0)
    assert learner.counts.tolist() == [0, 0]
    learner.learn(np.array([1, 2, 3, 0, 0], np.int16), 1)
    assert learner.scores(np.zeros(5, np.int16)).tolist() == [0, 0]
    assert learner.scores(np.array([1, 0, 0, 4, 0], np.int16)).argmax() == 1


@pytest.mark.parametrize(
    ("name", "value", "allowed"), [("size", 0, "1 to 1024"), ("ridge_shift", 16, "0 to 15")]
)
def test_settings_out_of_range_are_refused(name: str, value: int, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}; allowed are {allowed}"):
        Prototypes(2, **{name: value})
    with pytest.raises(ValueError, match="3 features do not fill the maps"):
        Prototypes(2, maps=((2, 2, 1),)).learn(np.ones(3, np.int16), 1)
    with pytest.raises(ValueError, match="Label 2 is none of the 2 classes"):
        Prototypes(2).learn(np.ones(3, np.int16), 2)
