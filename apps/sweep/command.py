"""`spikewire sweep`: accuracy against bits, one training per setting and seed, on Dask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from spikewire.apps.cli.errors import DONE, FAILED, UsageError
from spikewire.apps.cli.models import open_spec
from spikewire.apps.cli.options import Json
from spikewire.apps.cli.output import complain, console, json_line, remarks
from spikewire.apps.cli.signals import sigterm_as_interrupt
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.cluster import dask as cluster
from spikewire.apps.sweep.grid import BASE, Setting, digest, numbers, read_vary, settings, widths_of
from spikewire.apps.sweep.plot import Spot, plot_sweep
from spikewire.apps.sweep.results import Key, Results, Row, key_of
from spikewire.apps.training.evaluate import ShowFor

if TYPE_CHECKING:
    from spikewire.qcore import NetworkSpec


def sweep(
    dataset: Annotated[
        Path, typer.Option("--dataset", metavar="DIR", help="A folder of labelled recordings.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where sweep.csv and sweep.png go.")
    ],
    preset: Annotated[
        str,
        typer.Option(metavar="PRESET|FILE", help="The base: a preset, or a TOML file like one."),
    ],
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="WIDTH=BITS",
            help="Such as weight=2-8 or trace=6,8,12; one sweep for each that is given.",
        ),
    ],
    grid: Annotated[
        bool, typer.Option("--grid", help="Combine all that is varied, each with each.")
    ] = False,
    passes: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Times all is shown (default: the model's own)."),
    ] = None,
    seeds: Annotated[
        str, typer.Option(metavar="N,N", help="Train each setting with each, such as 0-4.")
    ] = "0",
    recordings: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Learn from N only, each class in proportion."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Recordings side by side (likewise).")
    ] = None,
    shift: Annotated[
        int | None,
        typer.Option(
            min=0, max=64, metavar="PIXELS", help="Move each by so many at most (likewise)."
        ),
    ] = None,
    show: ShowFor = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="A Dask scheduler (default: this machine)."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Processes on this machine (default: one per core)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a network at many widths, and draw accuracy against bits of memory.

    Each result is on the disk when it is there: the same command again computes what is missing.
    Needs spikewire\\[cluster].
    """
    _check_usage(out, scheduler, workers)
    cluster.require()
    try:
        all_seeds = numbers(seeds)
    except UsageError as error:
        raise UsageError(f"--seeds: {error}") from None
    load_kernels()
    study = _study(
        settings(open_spec(preset), read_vary(vary), grid=grid),
        all_seeds, dataset, preset, passes, batch, shift, show=show, recordings=recordings
    )  # fmt: skip
    out.mkdir(exist_ok=True)
    with Results(out / "sweep.csv") as results:
        begun = study.reuse(results)
        if as_json:
            json_line(begun)
        else:
            _introduce(begun)
        retries = 0
        try:
            with sigterm_as_interrupt():
                missing = study.missing(results)
                if missing:
                    retries = _compute(study, missing, results, scheduler, workers, as_json)
        except KeyboardInterrupt:
            complain(f"interrupted; the same command goes on from {results.path}")
            raise typer.Exit(FAILED) from None
        panels, base = study.spots(results)
    png = out / "sweep.png"
    plot_sweep(
        panels, base, f"{dataset.name}: {study.base.name}, passes: {study.shared['passes']}", png
    )
    if as_json:
        json_line(
            {
                "type": "done", "csv": str(results.path), "png": str(png), "retries": retries,
                "computed": len(missing), "base": _told(BASE, base),
                "settings": [_told(n, spot) for n, spots in panels.items() for spot in spots],
            }
        )  # fmt: skip
    else:
        _print(panels, base, retries)
        console().print(f"saved in {results.path} and {png}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE)


def _check_usage(out: Path, scheduler: str | None, workers: int | None) -> None:
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is not a folder")
    cluster.check_address("--scheduler", scheduler, workers)


@dataclass(frozen=True, slots=True)
class _Study:
    """All that is to be known: settings by seeds, and what they have in common."""

    settings: Sequence[Setting]
    seeds: Sequence[int]
    dataset: Path
    shared: dict[str, Any]
    recordings: int | None
    labels: Row

    @property
    def base(self) -> NetworkSpec:
        return self.settings[0].spec

    def key(self, setting: Setting, seed: int) -> Key:
        """What determines a point."""
        told = self.labels | {"network": digest(setting.spec), "seed": str(seed)}
        return key_of(told | {name: str(value) for name, value in self.shared.items()})

    def each(self) -> Iterable[tuple[Setting, int]]:
        """Every point; one seed after the other, so that whole curves are there early."""
        return ((setting, seed) for seed in self.seeds for setting in self.settings)

    def reuse(self, results: Results) -> dict[str, Any]:
        """Take over what was computed, also under another setting's name; say what there is."""
        for setting, seed in self.each():
            found = results.find(self.key(setting, seed))
            if found is not None:
                self._file(results, setting, seed, found)
        missing = self.missing(results)
        points = {self.key(setting, seed) for setting, seed in self.each()}
        return {
            "type": "start", "preset": self.labels["preset"], "dataset": str(self.dataset),
            "settings": len(self.settings), "seeds": list(self.seeds),
            "points": len(points), "missing": len(missing), "learn": int(self.labels["learn"]),
            "validate": int(self.labels["validate"]), **self.shared,
        }  # fmt: skip

    def missing(self, results: Results) -> dict[str, tuple[Setting, int]]:
        """Points to compute, each network once, by names for people."""
        seen: set[Key] = set()
        found = {}
        for setting, seed in self.each():
            key = self.key(setting, seed)
            if key not in seen and results.find(key) is None:
                found[f"{setting}, seed {seed}"] = (setting, seed)
            seen.add(key)
        return found

    def arguments(self, setting: Setting, seed: int) -> dict[str, Any]:
        """What a worker needs to compute a point: plain data."""
        return {
            "spec": setting.spec.to_dict(),
            "dataset": str(self.dataset.absolute()),
            "seed": seed,
            "recordings": self.recordings,
            **self.shared,
        }

    def keep(self, results: Results, setting: Setting, seed: int, result: dict[str, Any]) -> None:
        """Write a computed point, under each setting that is this network."""
        rows = [
            {
                **self.labels,
                **{name: str(value) for name, value in self.shared.items()},
                **{name: str(bits) for name, bits in widths_of(setting.spec).items()},
                "pass": str(number),
                "accuracy": f"{record['accuracy']:.4f}",
                "local": _several(record["local"]),
                "activity": _several(record["activity"]),
                "bits": str(result["bits"]),
                "bits_32": str(result["bits_32"]),
                "seconds": str(record["seconds"]),
                "network": digest(setting.spec),
                "seed": str(seed),
            }
            for number, record in enumerate(result["curve"], 1)
        ]
        key = self.key(setting, seed)
        for one in self.settings:
            if self.key(one, seed) == key:
                self._file(results, one, seed, rows)

    def _file(self, results: Results, setting: Setting, seed: int, rows: Sequence[Row]) -> None:
        if (setting.name, setting.value, self.key(setting, seed)) not in results.points:
            named = {"setting": setting.name, "value": setting.value}
            results.add([[row | named for row in rows]])

    def spots(self, results: Results) -> tuple[dict[str, list[Spot]], Spot]:
        """The figure's panels, and the base setting."""
        panels: dict[str, list[Spot]] = {}
        for setting in self.settings:
            last = [
                results.points[setting.name, setting.value, self.key(setting, seed)][-1]
                for seed in self.seeds
            ]
            accuracies = tuple(float(row["accuracy"]) for row in last)
            spot = Spot(setting.value, int(last[0]["bits"]), accuracies)
            panels.setdefault(setting.name, []).append(spot)
        [base] = panels.pop(BASE)
        return panels, base


def _study(
    all_settings: Sequence[Setting], seeds: Sequence[int], dataset: Path, preset: str,
    passes: int | None, batch: int | None, shift: int | None, *,
    show: int | None, recordings: int | None,
) -> _Study:  # fmt: skip
    from spikewire.apps.cluster.fingerprint import source
    from spikewire.apps.sweep.trial import parts
    from spikewire.apps.training.binned_dataset import BinnedDataset
    from spikewire.apps.training.trainer import TrainingPlan
    from spikewire.sensors import open_dataset

    opened = open_dataset(dataset)
    learn, validate, data = parts(opened, recordings)
    spec = all_settings[0].spec
    plan = TrainingPlan.best(spec, passes, batch, shift, 0)
    shared = {
        "passes": plan.passes, "batch": plan.batch, "shift": plan.shift,
        "show_us": BinnedDataset(opened, spec, show).ticks * spec.tick_us,
        "data": data, "version": source(),
    }  # fmt: skip
    labels = {"preset": preset, "learn": str(len(learn)), "validate": str(len(validate))}
    return _Study(all_settings, seeds, dataset, shared, recordings, labels)


def _several(shares: Sequence[float | None] | None) -> str:
    return " ".join("-" if share is None else str(share) for share in shares or ())


def _introduce(begun: dict[str, Any]) -> None:
    console().print(
        f"{begun['settings']} settings of {begun['preset']}, {len(begun['seeds'])} seeds: "
        f"{begun['points']} trainings of {begun['passes']} passes over {begun['learn']} "
        f"recordings, {begun['validate']} to validate; {begun['missing']} to compute",
        markup=False,
        soft_wrap=True,
    )


def _compute(
    study: _Study,
    missing: dict[str, tuple[Setting, int]],
    results: Results,
    scheduler: str | None,
    workers: int | None,
    as_json: bool,
) -> int:
    """Compute what is missing and return how many attempts were lost."""
    from spikewire.apps.sweep.trial import measure

    passes = study.shared["passes"]
    points = {name: study.arguments(*one) for name, one in missing.items()}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    note = remarks()
    retries = 0
    done = dict.fromkeys(points, 0)
    with (
        cluster.connected(scheduler, workers) as client,
        Progress(*columns, console=note, transient=True, disable=not note.is_terminal) as bar,
    ):
        task = bar.add_task(f"0 of {len(points)}", total=len(points) * passes)
        finished = 0
        for event in cluster.compute(client, points, work=measure):
            if isinstance(event, cluster.Began):
                done[event.point] = 0
                retries += event.attempt > 1
                if event.attempt > 1 and not as_json:
                    complain(f"{event.point}: lost with its worker or its files, begun again")
                if as_json:
                    json_line(
                        {
                            "type": "began", "point": event.point, "attempt": event.attempt,
                            "pid": event.pid,
                        }
                    )  # fmt: skip
            elif isinstance(event, cluster.Passed):
                done[event.point] = event.passes
            elif isinstance(event, cluster.Finished):
                study.keep(results, *missing[event.point], event.result)
                done[event.point] = passes
                finished += 1
                _report(event.point, event.result, as_json)
            bar.update(
                task, completed=sum(done.values()), description=f"{finished} of {len(points)}"
            )
    return retries


def _report(point: str, result: dict[str, Any], as_json: bool) -> None:
    last = result["curve"][-1]
    seconds = round(sum(record["seconds"] for record in result["curve"]), 2)
    if as_json:
        told = {"type": "point", "point": point, "bits": result["bits"], "seconds": seconds}
        json_line({**told, "accuracy": last["accuracy"], "local": last["local"]})
    else:
        console().print(
            f"{point}: validation {last['accuracy']:.4f}, {result['bits']:,} bits ({seconds:.0f} s)"
        )


def _told(name: str, spot: Spot) -> dict[str, Any]:
    return {
        "setting": name, "value": spot.value, "bits": spot.bits, "mean": round(spot.mean, 4),
        "low": min(spot.accuracies), "high": max(spot.accuracies),
    }  # fmt: skip


def _print(panels: dict[str, list[Spot]], base: Spot, retries: int) -> None:
    table = Table("setting", "bits each", "bits of memory", "accuracy", "lowest", "highest")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, spots in ((BASE, [base]), *panels.items()):
        for spot in spots:
            table.add_row(
                name, spot.value, f"{spot.bits:,}", f"{spot.mean:.4f}",
                f"{min(spot.accuracies):.4f}", f"{max(spot.accuracies):.4f}",
            )  # fmt: skip
    out = console()
    out.print(table)
    if retries:
        out.print(f"{retries} begun again after a lost worker")
