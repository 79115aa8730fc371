"""`spikewire sweep`: accuracy against bits of memory, one training per network and seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, FAILED, UsageError
from spikewire.apps.cli.models import open_spec
from spikewire.apps.cli.options import Json
from spikewire.apps.cli.output import console, print_error, print_json
from spikewire.apps.cli.progress_bar import progress_bar
from spikewire.apps.cli.signals import sigterm_as_interrupt
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.cluster import dask as cluster
from spikewire.apps.sweep.grid import BASE, expand_grid, numbers, read_vary
from spikewire.apps.sweep.plan import SweepPlan, Trial, make_plan
from spikewire.apps.sweep.plot import CurvePoint, plot_sweep
from spikewire.apps.sweep.results import ResultsCsv
from spikewire.apps.training.evaluate import ShowFor
from spikewire.apps.training.trainer import TrainingPlan


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
    points = expand_grid(open_spec(preset), read_vary(vary), grid=grid)
    plan = make_plan(
        points, all_seeds, dataset, TrainingPlan.best(points[0].spec, passes, batch, shift, 0),
        preset=preset, show_us=show, recordings=recordings,
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
                    retries = _compute(plan, missing, results, scheduler, workers, as_json)
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
                "settings": [_record(n, one) for n, curve in curves.items() for one in curve],
            }
        )  # fmt: skip
    else:
        _print(curves, base, retries)
        console().print(f"saved in {results.path} and {png}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE)


def _check_usage(out: Path, scheduler: str | None, workers: int | None) -> None:
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is not a folder")
    cluster.check_address("--scheduler", scheduler, workers)


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
    scheduler: str | None,
    workers: int | None,
    as_json: bool,
) -> int:
    """Compute the missing trials and return the number of lost attempts."""
    from spikewire.apps.sweep.trial import run_trial

    passes = plan.shared["passes"]
    trials = {name: plan.settings(*trial) for name, trial in missing.items()}
    done = dict.fromkeys(trials, 0)
    retries = finished = 0
    with cluster.connected(scheduler, workers) as client, progress_bar() as bar:
        task = bar.add_task(f"0 of {len(trials)}", total=len(trials) * passes)
        for event in cluster.compute(client, trials, work=run_trial):
            if isinstance(event, cluster.TrialStarted):
                done[event.trial] = 0
                retries += event.attempt > 1
                _report_start(event, as_json)
            elif isinstance(event, cluster.TrialPassed):
                done[event.trial] = event.passes
            elif isinstance(event, cluster.TrialFinished):
                plan.add(results, *missing[event.trial], event.result)
                done[event.trial] = passes
                finished += 1
                _report_result(event.trial, event.result, as_json)
            bar.update(
                task, completed=sum(done.values()), description=f"{finished} of {len(trials)}"
            )
    return retries


def _report_start(event: cluster.TrialStarted, as_json: bool) -> None:
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
