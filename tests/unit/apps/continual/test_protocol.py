"""Class-incremental protocol: nothing is revisited, whatever a learner keeps."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from spikewire.apps.continual import metrics
from spikewire.apps.continual.features import FeatureSet
from spikewire.apps.continual.protocol import TaskStream, prediction, run_tasks
from spikewire.apps.continual.strategies import (
    ONE_PASS,
    Online,
    StrategySettings,
    learn_jointly,
    make_learner,
)
from spikewire.qcore import ReadoutSpec

TASKS = [[0, 1], [2, 3], [4, 5]]
SPEC = ReadoutSpec(shift=14)


def features(count: int, seed: int) -> FeatureSet:
    """Recordings of six classes, two instants of 64 features each."""
    rng = np.random.default_rng(seed)
    draw = np.random.default_rng(99)
    centres = draw.integers(0, 2, 64) * 900 + draw.integers(0, 2, (6, 64)) * 400
    labels = np.tile(np.arange(6), count)
    shown = centres[labels][:, None] + rng.integers(0, 300, (len(labels), 2, 64))
    return FeatureSet(shown.astype(np.int16), labels)


def learner_of(strategy: str, memory: int = 8_192) -> Any:
    return make_learner(
        strategy, StrategySettings(memory=memory, online_shift=13), SPEC, [(1, 1, 64)], 6, 0
    )


def test_what_forgets_and_what_does_not() -> None:
    learn, held = features(20, 1), features(10, 2)
    found = {name: run_tasks(learner_of(name), learn, held, TASKS, 0) for name in ONE_PASS}
    assert metrics.forgetting(found["online"]) > 0.5
    assert found["online"][-1][-1] == 1.0
    for name in ("replay", "prototypes"):
        assert metrics.average_accuracy(found[name]) >= 0.95
        assert metrics.forgetting(found[name]) <= 0.1
    joint = learn_jointly(
        list(learn.features), learn.labels.tolist(), StrategySettings(), SPEC, 6, 0
    )
    assert np.mean([prediction(joint.scores(f)) for f in held.features] == held.labels) >= 0.95


def test_a_study_repeats_bit_for_bit() -> None:
    learn, held = features(8, 1), features(4, 2)
    for name in ONE_PASS:
        one, two = (learner_of(name) for _ in range(2))
        assert run_tasks(one, learn, held, TASKS, 5) == run_tasks(two, learn, held, TASKS, 5)
        assert pickle.dumps(one) == pickle.dumps(two)


class Hoarder(Online):
    """Keeps the recordings themselves, says so to nobody, and learns them again and again."""

    def __init__(self) -> None:
        super().__init__(64, SPEC, 13, 0)
        self.kept: list[tuple[Any, int]] = []

    def learn(self, shown: Any, label: int) -> None:
        self.kept.append((shown, label))
        for past, was in self.kept:
            super().learn(past, was)


class Copier(Hoarder):
    """As above, with copies, which cannot be spoiled."""

    def learn(self, shown: Any, label: int) -> None:
        super().learn(shown.copy(), label)


def hidden_bytes(learner: Any) -> int:
    """Bytes of a learner's whole state beyond those that it owns up to."""
    return len(pickle.dumps(learner)) - learner.extra_bytes - learner.readout_bytes


def test_who_revisits_old_tasks_is_found_out() -> None:
    learn, held = features(20, 1), features(10, 2)
    for name in ONE_PASS:
        learner = learner_of(name)
        run_tasks(learner, learn, held, TASKS, 0)
        assert hidden_bytes(learner) < 3_000, name  # names and shapes; a recording has 256 bytes
        assert learner.extra_bytes <= 8_192
    copier = Copier()
    honest = metrics.average_accuracy(run_tasks(learner_of("online"), learn, held, TASKS, 0))
    assert metrics.average_accuracy(run_tasks(copier, learn, held, TASKS, 0)) > honest + 0.3
    assert hidden_bytes(copier) > len(learn.labels) * 256
    hoarder = Hoarder()
    run_tasks(hoarder, learn, held, TASKS, 0)
    true = {shown.tobytes() for shown in learn.features}
    assert not any(shown.tobytes() in true for shown, _ in hoarder.kept)


def test_every_recording_is_lent_once_in_its_own_task() -> None:
    learn = features(5, 1)
    seen: list[tuple[bytes, int]] = []

    class Watcher(Online):
        def learn(self, shown: Any, label: int) -> None:
            seen.append((shown.tobytes(), label))

    stream = TaskStream(learn, TASKS, 3)
    for n, task in enumerate(TASKS):
        before = len(seen)
        stream.teach(Watcher(64, SPEC, 13, 0), n)
        assert {label for _, label in seen[before:]} == set(task)
    assert sorted(one for one, _ in seen) == sorted(shown.tobytes() for shown in learn.features)
    order = [label for _, label in seen[:10]]
    assert order != sorted(order)


def test_the_judged_know_no_class_that_has_not_come() -> None:
    learn, held = features(3, 1), features(3, 2)
    widths = []

    class Watcher(Online):
        def scores(self, shown: Any) -> Any:
            found = super().scores(shown)
            widths.append(len(found))
            return found

    rows = run_tasks(Watcher(64, SPEC, 13, 0), learn, held, TASKS, 0)
    assert [sum(value is not None for value in row) for row in rows] == [1, 2, 3]
    assert sorted(set(widths)) == [2, 4, 6]
