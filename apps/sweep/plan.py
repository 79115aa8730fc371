"""Plan of a sweep: its trials, the results to reuse, and the curves of its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewire.apps.sweep.curves import Curve, CurvePoint
from spikewire.apps.sweep.grid import GridPoint, network_digest, widths_of
from spikewire.apps.sweep.order import Trial, telling_first
from spikewire.apps.sweep.results import Key, ResultsCsv, Row, key_of

if TYPE_CHECKING:
    from spikewire.apps.training.options import TrainingOptions
    from spikewire.qcore import NetworkSpec
    from spikewire.sensors import Dataset

NO_NETWORK = "no network"
"""Setting of the row of the baseline without a network."""

_ABSENT = "none"


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Trials of a sweep: grid points by seeds, and their common settings.

    Attributes
    ----------
    grid
        The networks; the first of each model is its base.
    seeds
        Seeds of the trainings of each network.
    dataset
        The folder of recordings.
    common
        Settings that all trials have in common, under the names of their columns.
    schedules
        Passes, batch, shift and shown duration of each network, by its digest.
    recordings
        Number of recordings to learn from; None for the whole training part.
    each_pass
        Whether each pass is evaluated, and not only the last one.
    labels
        Columns that describe the sweep and determine no result.
    reading
        Size, columns and unit of the recordings as given.
    """

    grid: Sequence[GridPoint]
    seeds: Sequence[int]
    dataset: Path
    common: Mapping[str, Any]
    schedules: Mapping[str, Mapping[str, Any]]
    recordings: int | None
    each_pass: bool
    labels: Row
    reading: Mapping[str, Any] = field(default_factory=dict)

    def shared(self, point: GridPoint) -> dict[str, Any]:
        """Return all settings of a network's trials but the seed, under their columns' names."""
        return {**self.schedules[network_digest(point.spec)], **self.common}

    def key(self, point: GridPoint, seed: int) -> Key:
        """Return the columns that determine a trial's result."""
        row = self.labels | {"network": network_digest(point.spec), "seed": str(seed)}
        return key_of(row | {name: str(value) for name, value in self.shared(point).items()})

    def trials(self) -> list[Trial]:
        """Return all trials, the most telling first."""
        return telling_first(self.grid, self.seeds)

    def curves(self, results: ResultsCsv, *, any_version: bool = False) -> list[Curve]:
        """Return the known curves of each model, its base first.

        Parameters
        ----------
        results
            The file of results.
        any_version
            Whether results of other versions of the program count too, the last one written of
            each trial.
        """
        curves: dict[tuple[str, str], Curve] = {}
        for point in self.grid:
            named = (point.model, point.name, point.value)
            keys = [self.key(point, seed) for seed in self.seeds]
            trials = [
                results.latest(key) if any_version else results.trial(named, key) for key in keys
            ]
            last = [rows[-1] for rows in trials if rows is not None]
            if not last:
                continue
            reached = CurvePoint(
                point.value,
                int(last[0]["bits"]),
                int(last[0]["bits_32"]),
                tuple(float(row["accuracy"]) for row in last),
                tuple(tuple(_shares(row["local"])) for row in last),
            )
            empty = Curve(point.model, point.name, [])
            curves.setdefault((point.model, point.name), empty).points.append(reached)
        return list(curves.values())

    def title(self) -> str:
        """Return a title for the figure."""
        models = list(dict.fromkeys(point.model for point in self.grid))
        passes = self.shared(self.grid[0])["passes"]
        named = models[0] if len(models) == 1 else f"{len(models)} networks"
        return (
            f"{self.dataset.name}: {named}, passes: {passes}, recordings: {self.labels['learn']}, "
            f"validation: {self.labels['validate']}"
        )

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
        models = list(dict.fromkeys(point.model for point in self.grid))
        return {
            "type": "start", "preset": models[0], "models": models, "dataset": str(self.dataset),
            "settings": len(self.grid), "seeds": list(self.seeds),
            "points": len(different), "missing": len(missing), "learn": int(self.labels["learn"]),
            "validate": int(self.labels["validate"]), **self.shared(self.grid[0]),
        }  # fmt: skip

    def missing(self, results: ResultsCsv) -> dict[str, Trial]:
        """Return the trials to compute by readable names, each network once."""
        several = len({point.model for point in self.grid}) > 1
        seen: set[Key] = set()
        missing = {}
        for point, seed in self.trials():
            key = self.key(point, seed)
            if key not in seen and results.find(key) is None:
                name = f"{point}, seed {seed}"
                missing[f"{point.model}: {name}" if several else name] = (point, seed)
            seen.add(key)
        return missing

    def settings(self, point: GridPoint, seed: int) -> dict[str, Any]:
        """Return the settings of a trial, as ``TrialSettings`` names them."""
        return {
            "spec": point.spec.to_dict(),
            "dataset": str(self.dataset.absolute()),
            "seed": seed,
            "recordings": self.recordings,
            "each_pass": self.each_pass,
            "reading": dict(self.reading),
            **self.shared(point),
        }

    def add(self, results: ResultsCsv, point: GridPoint, seed: int, result: dict[str, Any]) -> None:
        """Write the result of a trial, under each grid point that is the same network."""
        rows = [
            {
                **self.labels,
                **{name: str(value) for name, value in self.shared(point).items()},
                **{name: str(bits) for name, bits in widths_of(point.spec).items()},
                "pass": str(number),
                "accuracy": "" if record["accuracy"] is None else f"{record['accuracy']:.4f}",
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
        if results.trial((point.model, point.name, point.value), self.key(point, seed)) is None:
            named = {"preset": point.model, "setting": point.name, "value": point.value}
            results.add([[row | named for row in rows]])

    def add_baseline(
        self, results: ResultsCsv, opened: Dataset, *, any_version: bool = False
    ) -> float:
        """Return the accuracy without a network, computed and written if it is not known.

        Parameters
        ----------
        results
            The file of results.
        opened
            The recordings.
        any_version
            Whether a result of another version of the program counts too.
        """
        from spikewire.apps.sweep.trial import trial_data
        from spikewire.apps.training.binned_dataset import BinnedDataset
        from spikewire.apps.training.ridge import ridge_baseline

        first = self.grid[0]
        named = {
            **{name: str(value) for name, value in self.shared(first).items()},
            "preset": first.model, "setting": NO_NETWORK, "value": "", "pass": "1", "passes": "1",
            "batch": "0", "shift": "0", "seed": "0",
            "network": f"{first.spec.width}x{first.spec.height}",
        }  # fmt: skip
        rows = results.find(key_of(named))
        if rows is None and any_version:
            rows = results.latest(key_of(named))
        if rows is None:
            learn, validate, _ = trial_data(opened, self.recordings)
            binned = BinnedDataset(opened, first.spec, self.shared(first)["show_us"])
            found = ridge_baseline(binned, learn, validate, opened.classes)
            bits = str(32 * found.numbers)
            widths = dict.fromkeys(widths_of(first.spec), "32")
            measured = {
                "accuracy": f"{found.accuracy:.4f}", "local": "", "activity": "", "bits": bits,
                "bits_32": bits, "seconds": "0",
            }  # fmt: skip
            rows = [{**self.labels, **widths, **named, **measured}]
            results.add([rows])
        return float(rows[-1]["accuracy"])


def make_plan(
    grid: Sequence[GridPoint],
    seeds: Sequence[int],
    dataset: Dataset,
    training: TrainingOptions,
    *,
    recordings: int | None,
    each_pass: bool = True,
    reading: Mapping[str, Any] | None = None,
) -> SweepPlan:
    """Plan a sweep over a data set.

    Parameters
    ----------
    grid, seeds, recordings, each_pass, reading
        As in :class:`SweepPlan`.
    dataset
        The recordings.
    training
        Passes, batch and shift of each training where they are not the network's own.

    Raises
    ------
    CommandError
        If the data set has too few recordings.
    """
    from spikewire.apps.cluster.fingerprint import fingerprint
    from spikewire.apps.sweep.trial import run_trial, trial_data

    learn, validate, data = trial_data(dataset, recordings, reading)
    schedules = {
        network_digest(point.spec): _schedule(point.spec, dataset, training) for point in grid
    }
    common = {"data": data, "version": fingerprint(run_trial)}
    labels = {"learn": str(len(learn)), "validate": str(len(validate))}
    return SweepPlan(
        grid, seeds, dataset.path, common, schedules, recordings, each_pass, labels, reading or {}
    )


def _schedule(spec: NetworkSpec, dataset: Dataset, training: TrainingOptions) -> dict[str, Any]:
    from spikewire.apps.training.binned_dataset import BinnedDataset

    plan = training.plan(spec, 0)
    return {
        "passes": plan.passes, "batch": plan.batch, "shift": plan.shift,
        "show_us": BinnedDataset(dataset, spec, training.show).ticks * spec.tick_us,
    }  # fmt: skip


def _joined(shares: Sequence[float | None] | None) -> str:
    return " ".join(_ABSENT if share is None else str(share) for share in shares or ())


def _shares(text: str) -> list[float | None]:
    return [None if part in (_ABSENT, "-") else float(part) for part in text.split()]
