"""`spikewire sweep`: accuracy against bits of memory, one training per network and seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, FAILED, UsageError
from spikewire.apps.cli.models import open_spec
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import DatasetPath, Json
from spikewire.apps.cli.output import console, print_error, print_json, progress_bar
from spikewire.apps.cli.signals import sigterm_as_interrupt
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.cluster import dask
from spikewire.apps.cluster.options import ClusterOptions
from spikewire.apps.sweep.grid import BASE, expand_grid, numbers, read_vary
from spikewire.apps.sweep.plan import SweepPlan, Trial, make_plan
from spikewire.apps.sweep.plot import CurvePoint, plot_sweep
from spikewire.apps.sweep.results import ResultsCsv
from spikewire.apps.training.options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOptions:
    """The networks of a sweep, and their trainings."""

    vary: Annotated[
        list[str],
        typer.Option(
            metavar="WIDTH=BITS",
            help="Bits of a width, such as weight=2-8 or trace=6,8,12; repeatable.",
        ),
    ]
    grid: Annotated[
        bool, typer.Option("--grid", help="Combine all varied widths with each other.")
    ] = False
    seeds: Annotated[
        str, typer.Option(metavar="N,N", help="Seeds to train each network with, such as 0-4.")
    ] = "0"
    recordings: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Number of recordings to learn from, classes in proportion."
        ),
    ] = None

    def parsed_seeds(self) -> tuple[int, ...]:
        """Return the seeds.

        Raises
        ------
        UsageError
            If they are no whole numbers.
        """
        try:
            return numbers(self.seeds)
        except UsageError as error:
            raise UsageError(f"--seeds: {error}") from None


TRAINING = TrainingOptions()
CLUSTER = ClusterOptions()


@grouped
def sweep(
    dataset: DatasetPath,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for sweep.csv and sweep.png.")
    ],
    model: Annotated[
        str,
        typer.Option(metavar="PRESET|FILE", help="Base network: a preset, or a TOML file."),
    ],
    grid: GridOptions,
    training: TrainingOptions = TRAINING,
    cluster: ClusterOptions = CLUSTER,
    as_json: Json = False,
) -> None:
    """Train a network at many bit widths, and draw accuracy against bits of memory.

    Each result is written as soon as it is known. The same command again computes only missing
    results. Needs spikewire\\[cluster].
    """
    _check_folder(out)
    cluster.check()
    dask.require()
    seeds = grid.parsed_seeds()
    load_kernels()
    points = expand_grid(open_spec(model), read_vary(grid.vary), grid=grid.grid)
    plan = make_plan(
        points, seeds, dataset, training.plan(points[0].spec, 0),
        preset=model, show_us=training.show, recordings=grid.recordings,
    )  # fmt: skip
    out.mkdir(exist_ok=True)
    with ResultsCsv(out / "sweep.csv") as results:
        start = plan.reuse(results)
        if as_json:
            print_json(start)
        else:
            _introduce(start)
        retries = 0
        try:
            with sigterm_as_interrupt():
                missing = plan.missing(results)
                if missing:
                    retries = _compute(plan, missing, results, cluster, as_json)
        except KeyboardInterrupt:
            print_error(f"interrupted; the same command goes on from {results.path}")
            raise typer.Exit(FAILED) from None
        curves, base = plan.curves(results)
    png = out / "sweep.png"
    title = f"{dataset.name}: {plan.base.name}, passes: {plan.shared['passes']}"
    plot_sweep(curves, base, title, png)
    if as_json:
        print_json(
            {
                "type": "done", "csv": str(results.path), "png": str(png), "retries": retries,
                "computed": len(missing), "base": _record(BASE, base),
                "settings": [_record(n, point) for n, curve in curves.items() for point in curve],
            }
        )  # fmt: skip
    else:
        _print(curves, base, retries)
        console().print(f"saved in {results.path} and {png}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE)


def _check_folder(out: Path) -> None:
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is not a folder")


def _introduce(start: dict[str, Any]) -> None:
    console().print(
        f"{start['settings']} settings of {start['preset']}, {len(start['seeds'])} seeds: "
        f"{start['points']} trainings of {start['passes']} passes over {start['learn']} "
        f"recordings, {start['validate']} to validate; {start['missing']} to compute",
        markup=False,
        soft_wrap=True,
    )


def _compute(
    plan: SweepPlan,
    missing: dict[str, Trial],
    results: ResultsCsv,
    cluster: ClusterOptions,
    as_json: bool,
) -> int:
    """Compute the missing trials and return the number of lost attempts."""
    from spikewire.apps.sweep.trial import run_trial

    passes = plan.shared["passes"]
    trials = {name: plan.settings(*trial) for name, trial in missing.items()}
    done = dict.fromkeys(trials, 0)
    retries = finished = 0
    with dask.connected(cluster.cluster, cluster.workers) as client, progress_bar() as bar:
        task = bar.add_task(f"0 of {len(trials)}", total=len(trials) * passes)
        for event in dask.compute(client, trials, work=run_trial):
            if isinstance(event, dask.TrialStarted):
                done[event.trial] = 0
                retries += event.attempt > 1
                _report_start(event, as_json)
            elif isinstance(event, dask.TrialPassed):
                done[event.trial] = event.passes
            elif isinstance(event, dask.TrialFinished):
                plan.add(results, *missing[event.trial], event.result)
                done[event.trial] = passes
                finished += 1
                _report_result(event.trial, event.result, as_json)
            bar.update(
                task, completed=sum(done.values()), description=f"{finished} of {len(trials)}"
            )
    return retries


def _report_start(event: dask.TrialStarted, as_json: bool) -> None:
    if as_json:
        print_json(
            {"type": "began", "point": event.trial, "attempt": event.attempt, "pid": event.pid}
        )
    elif event.attempt > 1:
        print_error(f"{event.trial}: lost with its worker or its files, begun again")


def _report_result(trial: str, result: dict[str, Any], as_json: bool) -> None:
    last = result["curve"][-1]
    seconds = round(sum(record["seconds"] for record in result["curve"]), 2)
    if as_json:
        record = {"type": "point", "point": trial, "bits": result["bits"], "seconds": seconds}
        print_json({**record, "accuracy": last["accuracy"], "local": last["local"]})
    else:
        console().print(
            f"{trial}: validation {last['accuracy']:.4f}, {result['bits']:,} bits ({seconds:.0f} s)"
        )


def _record(name: str, point: CurvePoint) -> dict[str, Any]:
    return {
        "setting": name, "value": point.value, "bits": point.bits, "mean": round(point.mean, 4),
        "low": min(point.accuracies), "high": max(point.accuracies),
    }  # fmt: skip


def _print(curves: dict[str, list[CurvePoint]], base: CurvePoint, retries: int) -> None:
    table = Table("setting", "bits each", "bits of memory", "accuracy", "lowest", "highest")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, curve in ((BASE, [base]), *curves.items()):
        for point in curve:
            table.add_row(
                name, point.value, f"{point.bits:,}", f"{point.mean:.4f}",
                f"{min(point.accuracies):.4f}", f"{max(point.accuracies):.4f}",
            )  # fmt: skip
    out = console()
    out.print(table)
    if retries:
        out.print(f"{retries} begun again after a lost worker")
