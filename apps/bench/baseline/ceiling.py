"""`spikewire bench twin gestures`: what floats reach on the simulated people of a gesture network.

Five ways are compared on people that none has seen, as recorded and with distorted sensors: ridge
regression without a network, a float network of convolutions and a recurrent unit, the spiking
network learned through time (then 8 bits), the same layers learned by the integer rule, and the
integer network that comes with the package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from spikewire.apps.bench.machine import command_line, machine, now
from spikewire.apps.cli.errors import CommandError
from spikewire.apps.cli.output import console, stderr_console

if TYPE_CHECKING:
    from spikewire.apps.training.binned_dataset import BinnedDataset
    from spikewire.apps.training.trainer import TrainingPlan
    from spikewire.qcore import Network
    from spikewire.sensors import Sample

PEOPLE, LEARNED, SEED, SECONDS = 158, 128, 401, 1.5
PRESET, LOCAL, SHIPPED = "edge10", "edge10l", "gestures"


@dataclass(frozen=True, slots=True)
class CeilingPlan:
    """A comparison.

    Attributes
    ----------
    data
        Folder of simulated people, with lists of both parts; None: they are simulated.
    people
        Number of simulated people. 64 of 79 are learned.
    passes
        Passes of the float networks; None: as many as show 20,000 excerpts.
    read_passes
        Passes of the readout behind the spiking layers.
    seed
        Seed of the networks.
    out
        File for the spiking network that was learned through time.
    """

    data: Path | None = None
    people: int = PEOPLE
    passes: int | None = None
    read_passes: int = 6
    seed: int = 0
    out: Path | None = None


def compare(plan: CeilingPlan, *, quiet: bool = False) -> dict[str, Any]:
    """Train and evaluate everything; return the report.

    Parameters
    ----------
    plan
        The comparison.
    quiet
        Whether progress is not told.

    Raises
    ------
    CommandError
        If the data set has no two parts.
    """
    began = now()
    with _people(plan) as folder:
        parts = _Parts.open(folder, plan)
        rows = {
            "no network": parts.no_network(),
            "float convolutions and GRU": parts.gru(_teller(quiet, "GRU")),
            "spiking, learned through time": parts.through_time(plan, _teller(quiet, "spiking")),
            "integers, layers learned as well": parts.integers(plan),
            "integers, shipped": parts.shipped(),
        }
        counts = {"learned": len(parts.learn), "unseen": len(parts.unseen)}
    return {
        "bench": "twin", "task": SHIPPED, "command": command_line(), "began": began, "ended": now(),
        "machine": machine("torch", "numpy"), "recordings": counts, "seed": plan.seed,
        "passes": parts.plan.passes, "out": None if plan.out is None else str(plan.out),
        "accuracy": rows,
    }  # fmt: skip


def print_comparison(report: dict[str, Any]) -> None:
    """Print the accuracies as a table."""
    counts = report["recordings"]
    title = f"{counts['learned']} recordings learned, {counts['unseen']} of unseen people"
    table = Table("", "as recorded", "distorted", title=title)
    for name, row in report["accuracy"].items():
        table.add_row(name, *("-" if value is None else f"{value:.4f}" for value in row.values()))
    console().print(table)
    if report["out"] is not None:
        console().print(f"saved in {report['out']}", markup=False, soft_wrap=True)


@contextmanager
def _people(plan: CeilingPlan) -> Iterator[Path]:
    """Give the folder of simulated people."""
    if plan.data is not None:
        yield plan.data
        return
    from spikewire.sensors import plan_set, simulate_recording, write_trials

    with tempfile.TemporaryDirectory() as name:
        takes = plan_set(plan.people, lights=("natural",), seconds=SECONDS, seed=SEED, varied=True)
        for take in takes:
            simulate_recording(take, Path(name))
        learned = min(max(plan.people * LEARNED // PEOPLE, 1), plan.people - 1)
        write_trials(Path(name), takes, learned)
        yield Path(name)


def _teller(quiet: bool, name: str) -> Callable[[int, float], None]:
    def tell(number: int, loss: float) -> None:
        if not quiet:
            stderr_console().print(f"{name}, pass {number}: loss {loss:.3f}")

    return tell


@dataclass(frozen=True, slots=True)
class _Parts:
    """Both parts of the data set in the ticks of the spiking network, and the training."""

    network: Network
    binned: BinnedDataset
    unseen_binned: BinnedDataset
    learn: Sequence[Sample]
    unseen: Sequence[Sample]
    plan: TrainingPlan

    @classmethod
    def open(cls, folder: Path, plan: CeilingPlan) -> _Parts:
        from spikewire.apps.cli.models import open_network
        from spikewire.apps.training.binned_dataset import BinnedDataset
        from spikewire.apps.training.through_time.train import LayerPlan
        from spikewire.apps.training.trainer import TrainingPlan
        from spikewire.sensors import open_dataset

        learn = open_dataset(folder, part="train")
        unseen = open_dataset(folder, part="test", classes=learn.classes)
        if not learn.samples or not unseen.samples:
            raise CommandError(f"{folder} needs people to learn and people to test with")
        network = open_network(PRESET, learn.classes, plan.seed)
        training = TrainingPlan.best(network.spec, 1, None, None, plan.seed)
        training = replace(training, distort="sensor")
        passes = LayerPlan.best(plan.passes, learn.samples, training).passes
        return cls(
            network, BinnedDataset(learn, network.spec), BinnedDataset(unseen, network.spec),
            learn.samples, unseen.samples, replace(training, passes=passes),
        )  # fmt: skip

    def no_network(self) -> dict[str, float | None]:
        from spikewire.apps.training.ridge import ridge_baseline

        found = ridge_baseline(self.binned, self.learn, self.unseen, self.network.classes)
        return {"recorded": round(found.accuracy, 4), "distorted": None}

    def gru(self, tell: Callable[[int, float], None]) -> dict[str, float | None]:
        from spikewire.apps.bench.baseline.gru import fit_gru, gru_accuracy

        classes = self.network.classes
        network = fit_gru(self.binned, self.learn, classes, self.plan, tell)
        named = ("recorded", "distorted")
        return {
            name: round(
                gru_accuracy(network, self.unseen_binned, self.unseen, classes, distort=distort), 4
            )
            for name, distort in zip(named, (False, True), strict=True)
        }

    def through_time(
        self, plan: CeilingPlan, tell: Callable[[int, float], None]
    ) -> dict[str, float | None]:
        """Learn layers and readout as `train --through-time` does, and keep the network."""
        from spikewire.apps.training.through_time.train import LayerPlan, learn_layers

        learned = learn_layers(
            self.network, self.binned, self.learn, LayerPlan(self.plan.passes, self.plan),
            lambda one: tell(one.number, one.loss),
        )  # fmt: skip
        self._train(learned, plan.read_passes)
        if plan.out is not None:
            learned.save(plan.out)
        return self._evaluated(learned)

    def integers(self, plan: CeilingPlan) -> dict[str, float | None]:
        """Learn layers and readout in integers, as `train --model edge10l` does."""
        from spikewire.apps.cli.models import open_network

        network = open_network(LOCAL, self.network.classes, plan.seed)
        passes = network.spec.training.passes if plan.passes is None else plan.passes
        self._train(network, passes)
        return self._evaluated(network)

    def _train(self, network: Network, passes: int) -> None:
        """Train what learns in integers."""
        from spikewire.apps.training.trainer import Progress, Trainer

        Trainer(network, self.binned, self.learn, (), replace(self.plan, passes=passes)).run(
            Progress(), after_portion=lambda progress: None, after_pass=lambda record: None
        )

    def shipped(self) -> dict[str, float | None]:
        from spikewire.apps.cli.models import open_network

        return self._evaluated(open_network(SHIPPED, (), 0))

    def _evaluated(self, network: Network) -> dict[str, float | None]:
        from spikewire.apps.training.evaluation import evaluate_batch
        from spikewire.qcore import Batch

        batch = Batch(network, min(50, len(self.unseen)))
        return {
            name: round(
                evaluate_batch(batch, self.unseen_binned, self.unseen, distort=distort).accuracy, 4
            )
            for name, distort in (("recorded", False), ("distorted", True))
        }
