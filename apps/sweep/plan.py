"""Plan of a sweep: its trials, the results to reuse, and the curves of its figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewire.apps.sweep.grid import BASE, GridPoint, network_digest, widths_of
from spikewire.apps.sweep.plot import CurvePoint
from spikewire.apps.sweep.results import Key, ResultsCsv, Row, key_of

if TYPE_CHECKING:
    from spikewire.apps.training.trainer import TrainingPlan
    from spikewire.qcore import NetworkSpec

Trial = tuple[GridPoint, int]
"""A network, and the seed that it is trained with."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Trials of a sweep: grid points by seeds, and their common settings.

    Attributes
    ----------
    grid
        The networks, the base first.
    seeds
        Seeds of the trainings of each network.
    dataset
        The folder of recordings.
    shared
        Settings that all trials have in common, under the names of their columns.
    recordings
        Number of recordings to learn from; None for the whole training part.
    labels
        Columns that describe the sweep and determine no result.
    """

    grid: Sequence[GridPoint]
    seeds: Sequence[int]
    dataset: Path
    shared: dict[str, Any]
    recordings: int | None
    labels: Row

    @property
    def base(self) -> NetworkSpec:
        """The network whose widths are varied."""
        return self.grid[0].spec

    def key(self, point: GridPoint, seed: int) -> Key:
        """Return the columns that determine a trial's result."""
        row = self.labels | {"network": network_digest(point.spec), "seed": str(seed)}
        return key_of(row | {name: str(value) for name, value in self.shared.items()})

    def trials(self) -> Iterable[Trial]:
        """Return all trials, one seed after the other, so that whole curves are there early."""
        return ((point, seed) for seed in self.seeds for point in self.grid)

    def reuse(self, results: ResultsCsv) -> dict[str, Any]:
        """Copy known results of the same networks, also from other grid points.

        Returns
        -------
        dict
            The sweep's first record: its size, and the number of trials to compute.
        """
        for point, seed in self.trials():
            rows = results.find(self.key(point, seed))
            if rows is not None:
                self._add(results, point, seed, rows)
        missing = self.missing(results)
        different = {self.key(point, seed) for point, seed in self.trials()}
        return {
            "type": "start", "preset": self.labels["preset"], "dataset": str(self.dataset),
            "settings": len(self.grid), "seeds": list(self.seeds),
            "points": len(different), "missing": len(missing), "learn": int(self.labels["learn"]),
            "validate": int(self.labels["validate"]), **self.shared,
        }  # fmt: skip

    def missing(self, results: ResultsCsv) -> dict[str, Trial]:
        """Return the trials to compute by readable names, each network once."""
        seen: set[Key] = set()
        missing = {}
        for point, seed in self.trials():
            key = self.key(point, seed)
            if key not in seen and results.find(key) is None:
                missing[f"{point}, seed {seed}"] = (point, seed)
            seen.add(key)
        return missing

    def settings(self, point: GridPoint, seed: int) -> dict[str, Any]:
        """Return the settings of a trial, as ``TrialSettings`` names them."""
        return {
            "spec": point.spec.to_dict(),
            "dataset": str(self.dataset.absolute()),
            "seed": seed,
            "recordings": self.recordings,
            **self.shared,
        }

    def add(self, results: ResultsCsv, point: GridPoint, seed: int, result: dict[str, Any]) -> None:
        """Write the result of a trial, under each grid point that is the same network."""
        rows = [
            {
                **self.labels,
                **{name: str(value) for name, value in self.shared.items()},
                **{name: str(bits) for name, bits in widths_of(point.spec).items()},
                "pass": str(number),
                "accuracy": f"{record['accuracy']:.4f}",
                "local": _joined(record["local"]),
                "activity": _joined(record["activity"]),
                "bits": str(result["bits"]),
                "bits_32": str(result["bits_32"]),
                "seconds": str(record["seconds"]),
                "network": network_digest(point.spec),
                "seed": str(seed),
            }
            for number, record in enumerate(result["curve"], 1)
        ]
        key = self.key(point, seed)
        for other in self.grid:
            if self.key(other, seed) == key:
                self._add(results, other, seed, rows)

    def _add(self, results: ResultsCsv, point: GridPoint, seed: int, rows: Sequence[Row]) -> None:
        if (point.name, point.value, self.key(point, seed)) not in results.trials:
            named = {"setting": point.name, "value": point.value}
            results.add([[row | named for row in rows]])

    def curves(self, results: ResultsCsv) -> tuple[dict[str, list[CurvePoint]], CurvePoint]:
        """Return the curve of each varied width, by its name, and the base's point."""
        curves: dict[str, list[CurvePoint]] = {}
        for point in self.grid:
            last = [
                results.trials[point.name, point.value, self.key(point, seed)][-1]
                for seed in self.seeds
            ]
            accuracies = tuple(float(row["accuracy"]) for row in last)
            reached = CurvePoint(point.value, int(last[0]["bits"]), accuracies)
            curves.setdefault(point.name, []).append(reached)
        [base] = curves.pop(BASE)
        return curves, base


def make_plan(
    grid: Sequence[GridPoint],
    seeds: Sequence[int],
    dataset: Path,
    training: TrainingPlan,
    *,
    preset: str,
    show_us: int | None,
    recordings: int | None,
) -> SweepPlan:
    """Plan a sweep over a data set.

    Parameters
    ----------
    grid, seeds, dataset, recordings
        As in :class:`SweepPlan`.
    training
        Passes, batch and shift of each training.
    preset
        The base's name, as the user gave it.
    show_us
        Duration shown of each recording, in microseconds; None for the data set's default.

    Raises
    ------
    sensors.SensorError
        If the folder is no data set.
    CommandError
        If it has too few recordings.
    """
    from spikewire.apps.cluster.fingerprint import fingerprint
    from spikewire.apps.sweep.trial import run_trial, trial_data
    from spikewire.apps.training.binned_dataset import BinnedDataset
    from spikewire.sensors import open_dataset

    opened = open_dataset(dataset)
    learn, validate, data = trial_data(opened, recordings)
    spec = grid[0].spec
    shared = {
        "passes": training.passes, "batch": training.batch, "shift": training.shift,
        "show_us": BinnedDataset(opened, spec, show_us).ticks * spec.tick_us,
        "data": data, "version": fingerprint(run_trial),
    }  # fmt: skip
    labels = {"preset": preset, "learn": str(len(learn)), "validate": str(len(validate))}
    return SweepPlan(grid, seeds, dataset, shared, recordings, labels)


def _joined(shares: Sequence[float | None] | None) -> str:
    return " ".join("-" if share is None else str(share) for share in shares or ())
