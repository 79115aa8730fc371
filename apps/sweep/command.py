"""`spikewire sweep`: accuracy against bits of memory, one training per network and seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from spikewire.apps.cli.errors import DONE, FAILED, CommandError, UsageError
from spikewire.apps.cli.models import open_spec
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import DatasetOptions, DatasetPath, Json
from spikewire.apps.cli.output import console, print_error, print_json, progress_bar
from spikewire.apps.cli.signals import sigterm_as_interrupt
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.cluster import dask
from spikewire.apps.cluster.options import ClusterOptions
from spikewire.apps.sweep.ablation import PARTS, read_without
from spikewire.apps.sweep.curves import report, table
from spikewire.apps.sweep.grid import GridPoint, Variation, expand_all, numbers, read_vary
from spikewire.apps.sweep.order import Trial
from spikewire.apps.sweep.plan import SweepPlan, make_plan
from spikewire.apps.sweep.plot import plot_sweep
from spikewire.apps.sweep.results import ResultsCsv
from spikewire.apps.training.binned_dataset import open_part
from spikewire.apps.training.options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOptions:
    """The networks of a sweep, and their trainings."""

    model: Annotated[
        list[str],
        typer.Option(metavar="PRESET|FILE", help="Base network: preset or TOML file; repeatable."),
    ]
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WIDTH=BITS",
            help="Bits of a width, such as weight=2-8 or trace=6,8,12; repeatable.",
        ),
    ] = None
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART,PART", help="Parts to leave out, each alone: " + ", ".join(PARTS) + "."
        ),
    ] = None
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Each base also with layers that stay as drawn.")
    ] = False
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
    each_pass: Annotated[
        bool,
        typer.Option(
            "--each-pass/--last-pass", help="Evaluate after each pass, or the last one only."
        ),
    ] = True
    draw: Annotated[
        bool,
        typer.Option("--draw", help="Train nothing; draw known results, of any version."),
    ] = False

    def points(self) -> tuple[list[GridPoint], list[str]]:
        """Return the networks, and sentences about those that are left out.

        Raises
        ------
        UsageError
            If an option is wrong, or no variant is asked for.
        """
        if not self.vary and not self.without:
            raise UsageError("give --vary WIDTH=BITS, --without PART, or both")
        for name in self.model:
            if self.model.count(name) > 1:
                raise UsageError(f"--model {name} is given twice")
        variation = Variation(
            read_vary(self.vary or ()), read_without(self.without or ()), self.grid, self.frozen
        )
        return expand_all({name: open_spec(name) for name in self.model}, variation)

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
FORMATS = DatasetOptions()


@grouped
def sweep(
    dataset: DatasetPath,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for sweep.csv and sweep.png.")
    ],
    grid: GridOptions,
    training: TrainingOptions = TRAINING,
    cluster: ClusterOptions = CLUSTER,
    formats: DatasetOptions = FORMATS,
    as_json: Json = False,
) -> None:
    """Train networks at many bit widths, and draw accuracy against bits of memory.

    Each result is written as soon as it is known. The same command again computes only missing
    results. Needs spikewire\\[cluster].
    """
    _check_folder(out)
    cluster.check()
    dask.require()
    seeds = grid.parsed_seeds()
    load_kernels()
    points, left_out = grid.points()
    data = open_part(dataset, None, formats)
    plan = make_plan(
        points, seeds, data, training,
        recordings=grid.recordings, each_pass=grid.each_pass, reading=formats.given(),
    )  # fmt: skip
    out.mkdir(exist_ok=True)
    with ResultsCsv(out / "sweep.csv") as results:
        start = plan.reuse(results)
        if as_json:
            print_json(start | {"left_out": left_out})
        else:
            _introduce(start, left_out)
        retries, missing = 0, {} if grid.draw else plan.missing(results)
        try:
            with sigterm_as_interrupt():
                if missing:
                    retries = _compute(plan, missing, results, cluster, as_json)
                no_network = plan.add_baseline(results, data, any_version=grid.draw)
        except KeyboardInterrupt:
            print_error(f"interrupted; the same command goes on from {results.path}")
            raise typer.Exit(FAILED) from None
        curves = plan.curves(results, any_version=grid.draw)
    if not curves:
        raise CommandError(f"{results.path} has no results of these networks to draw")
    png = out / "sweep.png"
    plot_sweep(curves, no_network, plan.title(), png)
    if as_json:
        done = {"type": "done", "csv": str(results.path), "png": str(png), "retries": retries}
        print_json({**done, "computed": len(missing), **report(curves, no_network)})
    else:
        out_console = console()
        out_console.print(table(curves))
        out_console.print(f"without a network (ridge regression on event counts): {no_network:.4f}")
        if retries:
            out_console.print(f"{retries} begun again after a lost worker")
        out_console.print(f"saved in {results.path} and {png}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE)


def _check_folder(out: Path) -> None:
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is not a folder")


def _introduce(start: dict[str, Any], left_out: list[str]) -> None:
    console().print(
        f"{start['settings']} settings of {', '.join(start['models'])}, {len(start['seeds'])} "
        f"seeds: {start['points']} trainings of {start['passes']} passes over {start['learn']} "
        f"recordings, {start['validate']} to validate; {start['missing']} to compute",
        markup=False,
        soft_wrap=True,
    )
    for reason in left_out:
        console().print(f"left out: {reason}", markup=False, soft_wrap=True)


def _compute(
    plan: SweepPlan,
    missing: dict[str, Trial],
    results: ResultsCsv,
    cluster: ClusterOptions,
    as_json: bool,
) -> int:
    """Compute the missing trials and return the number of lost attempts."""
    from spikewire.apps.sweep.trial import run_trial

    passes = {name: plan.shared(point)["passes"] for name, (point, _) in missing.items()}
    trials = {name: plan.settings(*trial) for name, trial in missing.items()}
    done = dict.fromkeys(trials, 0)
    retries = finished = 0
    with dask.connected(cluster.cluster, cluster.workers) as client, progress_bar() as bar:
        task = bar.add_task(f"0 of {len(trials)}", total=sum(passes.values()))
        for event in dask.compute(client, trials, work=run_trial):
            if isinstance(event, dask.TrialStarted):
                done[event.trial] = 0
                retries += event.attempt > 1
                _report_start(event, as_json)
            elif isinstance(event, dask.TrialPassed):
                done[event.trial] = event.passes
            elif isinstance(event, dask.TrialFinished):
                plan.add(results, *missing[event.trial], event.result)
                done[event.trial] = passes[event.trial]
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
