"""Continual-learning experiment: every strategy and every seed, on the same features."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from spikewire.apps.cli.errors import UsageError
from spikewire.apps.cli.models import open_network
from spikewire.apps.continual import metrics
from spikewire.apps.continual.features import INSTANTS, FeatureSet, extract, freeze
from spikewire.apps.continual.live import LiveNetwork, fitted, run_live, with_new_head
from spikewire.apps.continual.protocol import Rows, evaluate_tasks, run_tasks
from spikewire.apps.continual.strategies import (
    JOINT,
    LIVE,
    ONE_PASS,
    Learner,
    StrategySettings,
    learn_jointly,
    make_learner,
)
from spikewire.apps.continual.tasks import Parts, Tasks
from spikewire.apps.training.binned_dataset import BinnedDataset, check_shown
from spikewire.apps.training.evaluation import evaluate_batch
from spikewire.apps.training.split import epoch_order

if TYPE_CHECKING:
    from spikewire.qcore import Network, NetworkSpec
    from spikewire.sensors import Sample


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """Plan of an experiment.

    Attributes
    ----------
    model
        Name of a preset or a model file; its features are frozen.
    strategies
        Strategies to compare, of ``STRATEGIES``.
    seeds
        Seeds of weights, orders and foldings, one run for each.
    tasks
        Classes of each task.
    settings
        Settings of the strategies.
    show_us
        Duration shown of each recording, in microseconds; None for the data set's default.
    """

    model: str
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    tasks: Tasks
    settings: StrategySettings = field(default_factory=StrategySettings)
    show_us: int | None = None


class Experiment:
    """Experiment on one data set.

    Parameters
    ----------
    parts
        The data set.
    plan
        The plan.

    Raises
    ------
    UsageError
        If the memory is too small for a strategy.
    """

    def __init__(self, parts: Parts, plan: ExperimentPlan) -> None:
        from spikewire.qcore import Network, preset_names

        self.plan = plan
        self._parts = parts
        self._classes = tuple(name for task in plan.tasks for name in task)
        self._tasks = [[self._classes.index(name) for name in task] for task in plan.tasks]
        self._learn = self._of(parts.learn)
        self._validate = self._of(parts.validate)
        self._spec = _spec(plan.model)
        self._drawn = plan.model in preset_names()
        self._maps = Network.build(self._spec, ("none",)).read_maps
        self._binned = BinnedDataset(parts.dataset, self._spec, plan.show_us)
        check_shown(self._binned, (*parts.learn, *parts.validate))
        try:
            for name in plan.strategies:
                if name in ONE_PASS:
                    self._learner(name, 0, grown=True)
            if LIVE in plan.strategies:
                self._fitted = self._fit()
        except ValueError as error:
            raise UsageError(f"--memory {plan.settings.memory}: {error}") from None

    def _of(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample for sample in samples if sample.label in self._classes]

    def _learner(self, name: str, seed: int, *, grown: bool = False) -> Learner:
        learner = make_learner(
            name, self.plan.settings, self._spec.readout, self._maps, len(self._classes), seed
        )
        for _ in self._classes if grown else ():
            learner.add_class()
        return learner

    def facts(self) -> dict[str, Any]:
        """Return the facts that precede the results."""
        from spikewire.qcore import preset_names

        drawn = self.plan.model in preset_names()
        return {
            "model": self.plan.model,
            "features": "random, as drawn; thresholds from the first task, without labels"
            if drawn
            else "a model file's, as it is",
            "tasks": [list(task) for task in self.plan.tasks],
            "seeds": list(self.plan.seeds), "learn": len(self._learn), "judge": len(self._validate),
            "ticks": self._binned.ticks, **asdict(self.plan.settings),
        }  # fmt: skip

    def run(self, bar: Progress) -> Iterator[dict[str, Any]]:
        """Yield a record per seed and strategy."""
        plan = self.plan
        count = len(self._learn) + len(self._validate)
        on_features = [name for name in plan.strategies if name in (*ONE_PASS, "joint")]
        for seed in plan.seeds:
            if on_features:
                task = bar.add_task(f"seed {seed}: features", total=count)
                learn, held = self._extract(seed, partial(bar.advance, task))
                for name in on_features:
                    bar.update(task, description=f"seed {seed}: {name}")
                    if name == "joint":
                        yield self._joint_readout(seed, learn, held)
                    else:
                        yield self._one_pass(name, seed, learn, held)
                bar.remove_task(task)
            if LIVE in plan.strategies:
                yield self._live(seed, bar)
            if "joint-network" in plan.strategies:
                yield self._joint_network(seed, bar)

    def _extract(self, seed: int, after_each: Callable[[], None]) -> tuple[FeatureSet, FeatureSet]:
        network = freeze(self.plan.model, self._learn, self.plan.tasks[0], seed, self._binned)
        learn, held = (
            extract(network, self._binned, samples, self._classes, after_each)
            for samples in (self._learn, self._validate)
        )
        return learn, held

    def _one_pass(
        self, name: str, seed: int, learn: FeatureSet, held: FeatureSet
    ) -> dict[str, Any]:
        began = time.perf_counter()
        learner = self._learner(name, seed)
        rows = run_tasks(learner, learn, held, self._tasks, seed)
        sizes = (learner.extra_bytes, learner.readout_bytes)
        return _record(name, seed, rows, sizes, began)

    def _fit(self) -> NetworkSpec:
        """Return the network's specification with as much rehearsal as the memory allows."""
        s = self.plan.settings
        # The readout has as many lessons of a recording as with the strategy replay.
        every = self._binned.ticks // INSTANTS
        spec = fitted(self._spec, s.memory, len(self._classes), s.replays, every)
        return replace(spec, readout=replace(spec.readout, shift=s.replay_shift))

    def _live(self, seed: int, bar: Progress) -> dict[str, Any]:
        """Let the network itself learn, layers and all."""
        began = time.perf_counter()
        first = self.plan.tasks[0]
        mine = [sample for sample in self._learn if sample.label in first]
        learner = LiveNetwork(self._untaught(first, seed), self._binned)
        if self._drawn:
            learner.calibrate([mine[n] for n in epoch_order(seed, 0, len(mine))])
        task = bar.add_task(f"seed {seed}: {LIVE}", total=len(self._learn))
        rows = run_live(
            learner, self._learn, self._validate, self.plan.tasks, seed,
            partial(bar.advance, task),
        )  # fmt: skip
        bar.remove_task(task)
        sizes = (learner.extra_bytes, learner.readout_bytes)
        return _record(LIVE, seed, rows, sizes, began)

    def _untaught(self, classes: Sequence[str], seed: int) -> Network:
        from spikewire.qcore import Network

        if self._drawn:
            return Network.build(self._fitted, classes, seed)
        return with_new_head(Network.load(self.plan.model), self._fitted, classes)

    def _joint_readout(self, seed: int, learn: FeatureSet, held: FeatureSet) -> dict[str, Any]:
        """Train a new readout after each task, in passes over all tasks so far."""
        began = time.perf_counter()
        rows: Rows = []
        for n in range(len(self._tasks)):
            known = sum(len(task) for task in self._tasks[: n + 1])
            mine = learn.labels < known
            learner = learn_jointly(
                list(learn.features[mine]), learn.labels[mine].tolist(), self.plan.settings,
                self._spec.readout, known, seed,
            )  # fmt: skip
            rows.append(evaluate_tasks(learner, held, self._tasks, n))
        return _record("joint", seed, rows, (None, learner.readout_bytes), began)

    def _joint_network(self, seed: int, bar: Progress) -> dict[str, Any]:
        """Train the whole network on all classes, as `spikewire train` does."""
        from spikewire.apps.training.trainer import Progress as TrainingProgress
        from spikewire.apps.training.trainer import Trainer, TrainingPlan
        from spikewire.qcore import Batch

        began = time.perf_counter()
        network = open_network(self.plan.model, self._classes, seed)
        plan = TrainingPlan.best(network.spec, None, None, None, seed)
        trainer = Trainer(network, self._binned, self._learn, (), plan)
        task = bar.add_task(f"seed {seed}: joint-network", total=plan.passes * trainer.portions)
        trainer.run(
            TrainingProgress(),
            after_portion=lambda at: bar.advance(task),
            after_pass=lambda record: None,
        )
        bar.remove_task(task)
        batch = Batch(network, plan.batch)
        row: list[float | None] = []
        for group in self.plan.tasks:
            mine = [sample for sample in self._validate if sample.label in group]
            row.append(round(evaluate_batch(batch, self._binned, mine).accuracy, 4))
        return _record("joint-network", seed, [row], (None, None), began)

    def summary(self, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return means over seeds, the ceiling, and the best strategy within the memory."""
        rows: dict[str, dict[str, Any]] = {}
        for name in dict.fromkeys(run["strategy"] for run in runs):
            mine = [run for run in runs if run["strategy"] == name]
            accuracies = [run["average_accuracy"] for run in mine]
            rows[name] = {
                "average_accuracy": round(statistics.fmean(accuracies), 4),
                "average_accuracy_sd": round(statistics.pstdev(accuracies), 4),
                **{key: _mean([run[key] for run in mine]) for key in _MOVED},
                "extra_bytes": mine[0]["extra_bytes"],
                "readout_bytes": mine[0]["readout_bytes"],
            }

        def accuracy(name: str) -> float:
            return float(rows[name]["average_accuracy"])

        ceiling = max((n for n in rows if n in JOINT), key=accuracy, default=None)
        within = [n for n in rows if n in (*ONE_PASS, LIVE)]
        within = [n for n in within if rows[n]["extra_bytes"] <= self.plan.settings.memory]
        for name, row in rows.items():
            top = 0.0 if ceiling is None else accuracy(ceiling)
            row["of_joint"] = round(accuracy(name) / top, 4) if top else None
        return {
            "type": "summary", "seeds": list(self.plan.seeds),
            "memory": self.plan.settings.memory, "ceiling": ceiling,
            "best": max(within, key=accuracy, default=None), "strategies": rows,
        }  # fmt: skip


_MOVED = ("forgetting", "backward_transfer")


def _spec(model: str) -> NetworkSpec:
    from spikewire.qcore import Network, load_preset, preset_names

    if model in preset_names():
        return load_preset(model)
    return Network.load(model).spec


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.fmean(known), 4) if known else None


def _record(
    strategy: str, seed: int, rows: Rows, sizes: tuple[int | None, int | None], began: float
) -> dict[str, Any]:
    square = len(rows) == len(rows[0])
    return {
        "type": "run", "strategy": strategy, "seed": seed, "matrix": rows,
        "average_accuracy": round(metrics.average_accuracy(rows), 4),
        "accuracy_over_tasks":
            [round(value, 4) for value in metrics.accuracy_over_tasks(rows)] if square else None,
        "forgetting": round(metrics.forgetting(rows), 4) if square else None,
        "backward_transfer": round(metrics.backward_transfer(rows), 4) if square else None,
        "extra_bytes": sizes[0], "readout_bytes": sizes[1],
        "seconds": round(time.perf_counter() - began, 2),
    }  # fmt: skip
