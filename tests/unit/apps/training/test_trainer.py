"""The mean of late readouts and the phase of class means, in one go and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.training import resume
from spikewire.apps.training.binned_dataset import BinnedDataset, choose
from spikewire.apps.training.trainer import (
    KeptClasses,
    Progress,
    Trainer,
    TrainingPlan,
    averaged_passes,
    learned_passes,
)
from spikewire.qcore import LayerSpec, LearningSpec, Network, NetworkSpec, ReadoutSpec
from spikewire.qcore.kernels.answers import EXAMPLES, SHOWN
from spikewire.qcore.network.prototypes_spec import PrototypesSpec
from spikewire.qcore.network.prototypes_view import PrototypesView
from spikewire.qcore.network.spec import TrainingSpec
from spikewire.sensors import open_dataset

SPEC = NetworkSpec(
    "tiny", (LayerSpec("conv", 4, kernel=5, stride=4, pad=2, threshold=20_000, slope=9),),
    tick_us=4000, learning=LearningSpec(burn_in=5, cadence=5), readout=ReadoutSpec(every=5),
    training=TrainingSpec(4, 16, average=3),
)  # fmt: skip


class StoppedError(Exception):
    """A training that is killed."""


@pytest.fixture
def trainer(digits: Path) -> Trainer:
    data = open_dataset(digits)
    network = Network.build(SPEC, data.classes, 1)
    plan = TrainingPlan.best(SPEC, 8, None, None, 1)
    assert plan.average == 2  # a quarter of eight passes
    binned = BinnedDataset(data, SPEC, 80_000)
    return Trainer(network, binned, choose(data, "train"), (), plan)


def test_a_training_ends_with_the_mean_of_late_readouts(trainer: Trainer, tmp_path: Path) -> None:
    stores: list[np.ndarray] = []
    last = trainer.plan.passes * trainer.portions

    def keep(progress: Progress) -> None:
        stores.append(trainer.network.read_store().copy())

    trainer.run(Progress(), after_portion=keep, after_pass=lambda record: None)
    ended = trainer.network.to_bytes()
    plain = replace(
        trainer,
        network=Network.build(SPEC, trainer.network.classes, 1),
        plan=replace(trainer.plan, average=0),
    )
    kept: list[np.ndarray] = []
    plain.run(
        Progress(),
        after_portion=lambda now: kept.append(plain.network.read_store().copy()),
        after_pass=lambda record: None,
    )
    # All but the last are as without it, and the last is their mean over two passes.
    for was, now in zip(kept[:-1], stores[:-1], strict=True):
        assert np.array_equal(was, now)
    late = np.stack(kept[-2 * trainer.portions :]).astype(float)
    assert np.array_equal(stores[-1], np.floor(late.mean(0) + 0.5))
    assert not np.array_equal(stores[-1], kept[-1])

    # Killed in the last pass but one, and resumed.
    path = tmp_path / "m.unfinished"
    begun = replace(trainer, network=Network.build(SPEC, trainer.network.classes, 1))

    def stop(progress: Progress) -> None:
        resume.save(path, {}, progress, begun.network)
        if progress.number * begun.portions + progress.portion == last - begun.portions - 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        begun.run(Progress(), after_portion=stop, after_pass=lambda record: None)
    progress, network = resume.load(path, {"average": 0})
    assert progress.summed > 0
    replace(trainer, network=network).run(
        progress, after_portion=lambda now: None, after_pass=lambda record: None
    )
    assert network.to_bytes() == ended


def test_a_single_pass_averages_its_second_half(trainer: Trainer) -> None:
    once = replace(trainer, plan=TrainingPlan.best(SPEC, 1, 4, None, 1))
    assert (once.plan.average, once.portions % 2) == (0.5, 0)
    stores: list[np.ndarray] = []
    once.run(
        Progress(),
        after_portion=lambda now: stores.append(once.network.read_store().copy()),
        after_pass=lambda record: None,
    )
    plain = replace(
        once, network=Network.build(SPEC, once.network.classes, 1),
        plan=replace(once.plan, average=0),
    )  # fmt: skip
    kept: list[np.ndarray] = []
    plain.run(
        Progress(),
        after_portion=lambda now: kept.append(plain.network.read_store().copy()),
        after_pass=lambda record: None,
    )
    late = np.stack(kept[-(once.portions // 2) :]).astype(float)
    assert np.array_equal(stores[-1], np.floor(late.mean(0) + 0.5))
    assert not np.array_equal(stores[-1], kept[-1])


def test_short_trainings_average_half_a_pass() -> None:
    passes = (1, 3, 4, 8, 12, 100)
    assert [averaged_passes(SPEC, n) for n in passes] == [0.5, 0.5, 1, 2, 3, 3]
    none = replace(SPEC, training=TrainingSpec(4, 16))
    assert [averaged_passes(none, n) for n in passes] == [0] * 6
    assert SPEC.to_dict()["training"]["average"] == 3
    assert "average" not in replace(SPEC, training=TrainingSpec()).to_dict()["training"]
    assert NetworkSpec.from_dict(SPEC.to_dict()) == SPEC


def test_classes_that_are_kept_stay_bit_for_bit_and_the_others_learn(trainer: Trainer) -> None:
    def nothing(record: object) -> None:
        """Do without what is told."""

    frozen = replace(SPEC, layers=(replace(SPEC.layers[0], plastic=False),))
    network = Network.build(frozen, trainer.network.classes, 1)
    trainer = replace(trainer, network=network)
    trainer.run(Progress(), after_portion=nothing, after_pass=nothing)
    before = network.read_store().copy()
    kept = KeptClasses.all_but(network, ("3", "7"))
    more = replace(trainer, plan=TrainingPlan(1, 16, seed=2, average=1), kept=kept)
    more.run(Progress(), after_portion=nothing, after_pass=nothing)
    same = [np.array_equal(was, now) for was, now in zip(before, network.read_store(), strict=True)]
    assert [name for name, one in zip(network.classes, same, strict=True) if not one] == ["3", "7"]


def test_only_known_classes_learn_behind_layers_that_do_not(trainer: Trainer) -> None:
    with pytest.raises(UsageError, match="--only wave: the network has 0, 1"):
        KeptClasses.all_but(trainer.network, ("wave",))
    with pytest.raises(UsageError, match="whose layers do not learn"):
        KeptClasses.all_but(trainer.network, ("3",))


MEANS = replace(SPEC, prototypes=PrototypesSpec(size=20, sweeps=4))
FROZEN_MEANS = replace(MEANS, layers=(replace(SPEC.layers[0], plastic=False),))


def nothing(record: object) -> None:
    """Do without what is told."""


def means_of(trainer: Trainer) -> PrototypesView:
    means = trainer.network.prototypes
    assert means is not None
    return means


def with_means(trainer: Trainer, spec: NetworkSpec = MEANS, passes: int = 8) -> Trainer:
    network = Network.build(spec, trainer.network.classes, 1)
    return replace(trainer, network=network, plan=TrainingPlan.best(spec, passes, 4, None, 1))


def lessons_by_portion(trainer: Trainer, begin: Progress | None = None) -> list[int]:
    """Train, and return how many lessons the means held after each portion."""
    held: list[int] = []
    trainer.run(
        begin or Progress(),
        after_portion=lambda now: held.append(int(means_of(trainer).counts[:, SHOWN].sum())),
        after_pass=nothing,
    )
    return held


def test_class_means_learn_in_the_last_quarter_of_a_training() -> None:
    assert [learned_passes(n) for n in (1, 3, 4, 8, 12)] == [0.75, 0.75, 1, 2, 3]


@pytest.mark.parametrize(("passes", "phase"), [(8, 2.0), (1, 0.75)])
def test_class_means_learn_late_and_again_after_it(
    trainer: Trainer, passes: int, phase: float
) -> None:
    trainer = with_means(trainer, passes=passes)
    count = len(trainer.learn)
    assert count % 4 == 0
    held = lessons_by_portion(trainer)
    late = round(phase * trainer.portions)
    assert late < len(held)
    assert held == [0] * (len(held) - late) + [4 * n for n in range(1, late + 1)]
    assert means_of(trainer).learns


@pytest.mark.parametrize("spec", [MEANS, FROZEN_MEANS])
def test_a_second_training_forgets_means_of_layers_that_learn(
    trainer: Trainer, spec: NetworkSpec
) -> None:
    trainer = with_means(trainer, spec)
    first = lessons_by_portion(trainer)
    thresholds = trainer.network.layers[0].threshold.copy()
    again = lessons_by_portion(trainer)
    if spec is MEANS:
        assert again == first
        assert (trainer.network.layers[0].threshold != thresholds).any()
    else:
        assert again == [first[-1] + n for n in first]
        assert (trainer.network.layers[0].threshold == thresholds).all()


@pytest.mark.parametrize("before", [0, 1, -3])
def test_class_means_of_a_resumed_training_have_the_same_bits(
    trainer: Trainer, tmp_path: Path, before: int
) -> None:
    trainer = with_means(trainer)
    lessons_by_portion(trainer)
    ended = trainer.network.to_bytes()
    assert means_of(trainer).counts[:, EXAMPLES].all()
    path = tmp_path / "m.unfinished"
    begun = with_means(trainer)
    start = 6 * trainer.portions - before

    def stop(progress: Progress) -> None:
        resume.save(path, {}, progress, begun.network)
        if progress.number * begun.portions + progress.portion == start:
            raise StoppedError

    with pytest.raises(StoppedError):
        begun.run(Progress(), after_portion=stop, after_pass=nothing)
    progress, network = resume.load(path, {"average": 0})
    lessons_by_portion(replace(begun, network=network), progress)
    assert network.to_bytes() == ended


def test_class_means_belong_to_all_classes(trainer: Trainer) -> None:
    network = Network.build(FROZEN_MEANS, trainer.network.classes, 1)
    with pytest.raises(UsageError, match="--only needs a network without class means"):
        KeptClasses.all_but(network, ("3",))
