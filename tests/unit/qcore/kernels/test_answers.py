"""Kernels of the class means that answer in a network: against their twin, and at the rails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikewire.qcore import Network
from spikewire.qcore.kernels import answers, metric
from spikewire.qcore.kernels import layout as at
from spikewire.qcore.network.prototypes_view import PrototypesView
from tests.reference.answers import NaiveMeans, trace
from tests.reference.prototypes import NaivePrototypes
from tests.unit.qcore.network.variants import MEANS, TRAINED, build

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=30, deadline=None)


def arrays(network: Network) -> tuple[Any, ...]:
    state = network.state
    return state.registers, state.layers, state.i16, state.i32


def view(network: Network) -> PrototypesView:
    assert network.prototypes is not None
    return network.prototypes


def features(network: Network) -> Any:
    R = network.state.registers
    return network.state.i16[R[at.AT_NORMAL] : R[at.AT_NORMAL] + R[at.FEATURES]]


def with_means(seed: int = 0, **changes: Any) -> Network:
    return build(seed, **{**TRAINED, "prototypes": {**MEANS, **changes}})


def equal(network: Network, twin: NaiveMeans) -> bool:
    own = [array.tolist() for array in view(network).learned_arrays()]
    return own == twin.arrays()


def answered(network: Network, y: Any, learning: int = 0) -> list[int]:
    scores = np.array(y, np.int32)
    answers.answer_by_means(*arrays(network), scores, learning)
    return [int(one) for one in scores]


@given(
    SEEDS,
    st.integers(1, 30),
    st.sampled_from([1, 60, 1024, 32767]),
    st.sampled_from([0, 1, 76, 1024]),
    st.integers(0, 120),
)
@FEW
def test_means_and_answers_equal_the_twin(
    seed: int, size: int, high: int, doubt: int, lessons: int
) -> None:
    rng = np.random.default_rng(seed)
    network = with_means(
        seed % 1000, size=size, doubt=doubt, sweeps=int(rng.integers(1, 6)),
        ridge_shift=int(rng.integers(0, 16)), readout_gain=int(rng.integers(0, 4097)),
    )  # fmt: skip
    twin = NaiveMeans(network)
    lanes = [int(n) for n in network.state.lanes]
    f, R = features(network), network.state.registers
    classes = int(rng.integers(1, 4))
    for lesson in range(lessons):
        R[at.LABEL_SINCE] = lesson // int(rng.integers(1, 3))
        f[:] = rng.integers(-high, high + 1, len(f)) * (rng.random() < 0.95)
        label = int(rng.integers(classes))
        answers.learn_means(*arrays(network), network.state.lanes, label)
        twin.learn([int(v) for v in f], label, int(R[at.LABEL_SINCE]), lanes)
    assert network.state.lanes.tolist() == lanes
    assert equal(network, twin)
    if rng.random() < 0.5:
        answers.solve_means(*arrays(network))
        twin.solve()
        assert equal(network, twin)
    y = [int(n) for n in rng.integers(-(2**31), 2**31, 3) >> int(rng.integers(0, 20))]
    f[:] = rng.integers(-high, high + 1, len(f)) * (rng.random() < 0.9)
    for learning in (1, 0):
        scores = np.array(y, np.int32)
        answers.answer_by_means(*arrays(network), scores, learning)
        assert scores.tolist() == twin.answer([int(v) for v in f], y, bool(learning))
    assert equal(network, twin)


@given(SEEDS, st.integers(1, 25), st.integers(1, 2**12), st.integers(1, 6))
@FEW
def test_the_trace_equals_its_twin(seed: int, size: int, ridge: int, sweeps: int) -> None:
    rng = np.random.default_rng(seed)
    twin = NaivePrototypes(1, size, seed)
    moment = rng.integers(-32767, 32768, size * (size + 1) // 2).astype(np.int16)
    moment[np.arange(1, size + 1).cumsum() - 1] = rng.integers(0, 32768, size)
    for value, (i, j) in zip(moment, twin.pairs(), strict=True):
        twin.moment[i][j] = int(value)
    assert answers.trace_in_metric(moment, size, ridge, sweeps) == trace(twin, ridge, sweeps)


def test_the_trace_is_that_of_floating_point() -> None:
    rng = np.random.default_rng(7)
    size, found, exact = 60, [], []
    for _ in range(8):
        spread = rng.normal(size=(size, size)) * rng.uniform(0.1, 1, size)
        whole = np.rint(spread @ spread.T * 100).astype(np.int64)
        moment = whole[np.tril_indices(size)].astype(np.int16)
        ridge = int(metric.ridge_of(moment, size)) >> 3
        found.append(answers.trace_in_metric(moment, size, ridge, 200) / 256)
        exact.append(np.trace(np.linalg.solve(whole + ridge * np.eye(size), whole)))
    assert np.abs(np.array(found) / exact - 1).max() < 0.2
    assert abs(np.mean(found) / np.mean(exact) - 1) < 0.06


def taught(network: Network, counts: dict[int, int], seed: int = 0) -> NaiveMeans:
    """Teach so many lessons of two examples of each class, far apart; return the twin."""
    rng = np.random.default_rng(seed)
    f, R = features(network), network.state.registers
    twin = NaiveMeans(network)
    centres = rng.integers(0, 120, (8, len(f)))
    lanes = [int(n) for n in network.state.lanes]
    lesson = 0
    for label, lessons in counts.items():
        for _ in range(lessons):
            R[at.LABEL_SINCE] = lesson = lesson + 1
            for _ in range(2):
                f[:] = centres[label] + rng.integers(0, 40, len(f))
                answers.learn_means(*arrays(network), network.state.lanes, label)
                twin.learn([int(v) for v in f], label, lesson, lanes)
    return twin


def test_few_lessons_get_half_of_their_doubt_back() -> None:
    without, once = with_means(doubt=0), with_means(doubt=128)
    for network in (without, once):
        taught(network, {0: 40, 1: 1, 2: 4})
        answers.solve_means(*arrays(network))
    assert view(without).state[answers.CUT] == view(once).state[answers.CUT]
    back = view(without).counts[:, answers.OFFSET] - view(once).counts[:, answers.OFFSET]
    # The whole trace, in the unit of the scores: its half belongs to one lesson.
    means = view(once)
    ridge = max(int(metric.ridge_of(means.moment, means.size)) >> 3, 1)
    T = answers.trace_in_metric(means.moment, means.size, ridge, MEANS["sweeps"]) / 256
    examples = means.counts[:, answers.EXAMPLES].astype(np.int64)
    up = 24 + ridge.bit_length() - int(np.abs(
        (means.sums.astype(np.int64) << metric.MEAN_BITS) // examples[:, None]
    ).max()).bit_length()  # fmt: skip
    unit = 2.0 ** (12 + up + means.state[answers.POWER] - means.state[answers.CUT])
    assert back[1] == pytest.approx(T / 2 * unit / means.state[answers.HELD], rel=0.01)
    assert back[1] > 50
    assert back[2] == pytest.approx(back[1] / 4, abs=1)
    assert back[0] == pytest.approx(back[1] / 40, abs=1)


def test_classes_of_few_lessons_share_the_readout_of_the_best_known() -> None:
    network = with_means(readout_gain=256)
    assert answers.KNOWN == 32
    taught(network, {0: 32, 1: 31, 2: 32})
    near = answered(network, [0, 0, 0])
    # The second class has one lesson too few: its own readout does not count.
    for own in (-(2**28), 0, 2**28):
        scores = answered(network, [10_000, own, -(2**20)])
        assert scores == [near[0] + 10_000, near[1] + 10_000, near[2] - 2**20]
    # The best is found by means and readout together.
    scores = answered(network, [0, 7, 2**25])
    assert scores == [near[0], near[1] + 2**25, near[2] + 2**25]
    network.state.registers[at.LABEL_SINCE] = 10**6
    answers.learn_means(*arrays(network), network.state.lanes, 1)
    near = answered(network, [0, 0, 0])
    assert answered(network, [1, 2, 3]) == [near[0] + 1, near[1] + 2, near[2] + 3]


def test_without_a_known_class_the_means_decide_alone() -> None:
    network = with_means()
    taught(network, {0: 2, 1: 2})
    assert answered(network, [2**28, 5, -9]) == answered(network, [0, 0, 0])


def test_a_class_without_examples_never_wins() -> None:
    network = with_means()
    taught(network, {1: 33, 2: 33})
    # The readout outweighs the means, for the class that is farther by them.
    near = answered(network, [0, 0, 0])
    far = 1 + int(near[2] < near[1])
    y = [2**28, 0, 0]
    y[far] = 2**26
    scores = answered(network, y)
    assert scores.index(max(scores)) == far
    assert scores[0] == scores[far] - 1
    # One class alone cannot be compared: the readout answers.
    alone = with_means()
    taught(alone, {2: 3})
    assert answered(alone, [5, 6, 7]) == [5, 6, 7]
    assert view(alone).state[answers.MARGIN] == 0


def test_the_own_mean_scores_the_target_more_than_the_others() -> None:
    network = with_means(doubt=0, sweeps=60, readout_gain=0)
    twin = taught(network, {0: 40, 1: 40, 2: 40})
    twin.solve()
    leads = []
    for k in range(3):
        mean = [round(s / twin.twin.counts[k]) for s in twin.twin.sums[k]]
        y = twin.near(mean)
        leads += [y[k] - y[j] for j in range(3) if j != k]
    target = int(network.state.registers[at.READ_TARGET])
    assert np.mean(leads) == pytest.approx(target, rel=0.05)
    answered(network, [0, 0, 0])
    assert view(network).state[answers.MARGIN] == twin.margin


def test_silence_is_no_example_and_no_answer() -> None:
    network = with_means()
    taught(network, {0: 2, 1: 2})
    answered(network, [0, 0, 0])
    before = [a.copy() for a in view(network).learned_arrays()]
    features(network)[:] = 0
    answers.learn_means(*arrays(network), network.state.lanes, 1)
    after = view(network).learned_arrays()
    assert all((a == b).all() for a, b in zip(after, before, strict=True))
    assert answered(network, [3, 4, 5]) == [0, 0, 0]


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_whatever_a_file_may_hold_ends_in_scores_inside_their_rails(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = with_means(size=7, ridge_shift=15, doubt=1024, readout_gain=4096)
    means, f = view(network), features(network)
    extremes = [-(2**31), -(2**31) + 1, -1, 0, 1, 2**30, 2**31 - 1]
    means.weights[...] = rng.choice(extremes, means.weights.shape)
    counts = rng.choice([0, 1, 32, 2**16, 2**31 - 1], (3, 2))
    means.counts[:, :2] = np.sort(counts)[:, ::-1]
    means.counts[:, answers.OFFSET] = rng.choice(extremes, 3)
    most = np.minimum(means.counts[:, :1].astype(np.int64) << 20, 2**31 - 1)
    means.sums[...] = rng.integers(-most, most + 1, means.sums.shape)
    means.moment[...] = rng.choice([-32767, 0, 32767], means.moment.shape)
    diagonal = np.arange(1, 8).cumsum() - 1
    means.moment[diagonal] = rng.choice([0, 1, 32767], 7)
    means.state[...] = (
        rng.choice([0, 13, 40]), rng.choice([0, 1, 2**31 - 1]), rng.choice([0, 1, 2**31 - 1]),
        rng.choice([0, 20, 62]), rng.choice([0, 1, 2**31 - 1]), rng.choice([0, 1, 2**31 - 1]), 0, 0,
    )  # fmt: skip
    network = Network.from_bytes(network.to_bytes())
    means, f = view(network), features(network)
    for label in (0, 1, 2):
        f[:] = rng.choice([0, 1024, -1024], len(f))
        network.state.registers[at.LABEL_SINCE] = label
        answers.learn_means(*arrays(network), network.state.lanes, label)
        scores = answered(network, rng.choice(extremes, 3), int(rng.integers(0, 2)))
        assert max(map(abs, scores)) <= 2**30 or means.state[answers.MARGIN] == 0
    answers.solve_means(*arrays(network))
    assert max(map(abs, answered(network, [0, 0, 0]))) <= 2**30
    assert (means.moment > -32768).all()
