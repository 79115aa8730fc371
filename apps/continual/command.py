"""`spikewire continual`: strategies of class-incremental learning, and their forgetting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.figures import check_plot
from spikewire.apps.cli.models import is_known
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import DatasetOptions, DatasetPath, Json, ShowFor
from spikewire.apps.cli.output import console, output_report, print_json, progress_bar
from spikewire.apps.cli.units import byte_count, names
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.continual.strategies import JOINT, STRATEGIES, StrategySettings
from spikewire.apps.continual.tasks import Tasks, make_tasks, open_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """Classes of the tasks, and their order."""

    tasks: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Number of tasks (default: 5).")
    ] = None
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B", help="Classes of a task; repeatable, in order of the tasks."),
    ] = None
    order: Annotated[
        int | None,
        typer.Option(min=0, metavar="SEED", help="Seed of a random order of the classes."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyOptions:
    """Strategies to compare, and their memory."""

    strategies: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            show_default="all of them",
            help=f"Strategies to compare, of {', '.join(STRATEGIES)}.",
        ),
    ] = ",".join(STRATEGIES)
    seed: Annotated[
        list[int] | None,
        typer.Option(
            min=0, help="Seed of weights, orders and folding; repeatable (default: 0 1 2)."
        ),
    ] = None
    memory: Annotated[
        int,
        typer.Option(
            metavar="BYTES", parser=byte_count, help="Memory of a strategy beyond the network."
        ),
    ] = "64kB"  # type: ignore[assignment]  # typer parses defaults, too

    def names(self) -> tuple[str, ...]:
        """Return the strategies to compare.

        Raises
        ------
        UsageError
            If there is no such strategy.
        """
        chosen = names(self.strategies)
        for name in chosen:
            if name not in STRATEGIES:
                raise UsageError(f"--strategies: {name!r} is none of {', '.join(STRATEGIES)}")
        return chosen


TASKS, STRATEGY, FORMATS = TaskOptions(), StrategyOptions(), DatasetOptions()


@grouped
def continual(
    dataset: DatasetPath,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET|FILE",
            help="Network that computes the features (default: nmnist for N-MNIST, else edge).",
        ),
    ] = None,
    tasks: TaskOptions = TASKS,
    strategy: StrategyOptions = STRATEGY,
    show: ShowFor = None,
    formats: DatasetOptions = FORMATS,
    tuning: Annotated[
        bool,
        typer.Option(
            "--tuning", help="Validate on a fifth of the training part, to tune the strategies."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Draw the accuracy matrices to this file (needs spikewire\\[plot])."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn classes task after task without revisiting, and measure forgetting.

    A frozen network computes the features. For each strategy, a head over all classes so far
    learns on them, and is evaluated after each task on all tasks so far. Joint training, which
    sees all classes at once and repeatedly, is the ceiling.
    """
    chosen = strategy.names()
    if plot is not None:
        check_plot(plot)
    load_kernels()
    from spikewire.apps.continual.experiment import Experiment, ExperimentPlan

    parts = open_parts(dataset, tuning=tuning, formats=formats)
    named = ("nmnist" if parts.dataset.kind == "N-MNIST" else "edge") if model is None else model
    if not is_known(named):
        raise UsageError(f"--model: {named} is neither a file nor a preset")
    plan = ExperimentPlan(
        model=named, strategies=chosen, seeds=tuple(dict.fromkeys(strategy.seed or (0, 1, 2))),
        tasks=make_tasks(parts.dataset.classes, tasks.tasks, tasks.task or (), tasks.order),
        settings=StrategySettings(memory=strategy.memory), show_us=show,
    )  # fmt: skip
    experiment = Experiment(parts, plan)
    begin = {"type": "start", "dataset": dataset.name, "kind": parts.dataset.kind, "tuning": tuning}
    begin |= experiment.facts()
    if as_json:
        print_json(begin)
    else:
        _introduce(begin, plan.tasks)
    runs = []
    with progress_bar() as bar:
        for run in experiment.run(bar):
            runs.append(run)
            if as_json:
                print_json(run)
            else:
                bar.console.print(f"seed {run['seed']}, {run['strategy']}: {_result(run)}")
    report = experiment.summary(runs)
    if plot is not None:
        from spikewire.apps.continual.plot import plot_continual

        plot_continual(report, runs, plan.tasks, f"{dataset.name}: {named}, frozen", plot)
    output_report(report, _print, as_json=as_json)
    raise typer.Exit(DONE)


def _introduce(begin: dict[str, Any], tasks: Tasks) -> None:
    listed = "; ".join(" ".join(task) for task in tasks)
    console().print(
        f"{begin['learn']} recordings to learn, {begin['judge']} to judge; {len(tasks)} tasks: "
        f"{listed}; features of {begin['model']}: {begin['features']}",
        markup=False, soft_wrap=True,
    )  # fmt: skip


def _result(run: dict[str, Any]) -> str:
    text = f"average accuracy {run['average_accuracy']:.3f}"
    if run["forgetting"] is not None:
        text += f", forgetting {run['forgetting']:.3f}"
    return f"{text} ({run['seconds']:.1f} s)"


def _print(report: dict[str, Any]) -> None:
    table = Table(
        "strategy", "accuracy", "of joint", "forgot", "backward", "extra B", "readout B",
        title=f"all tasks learned, mean of {len(report['seeds'])} seeds",
    )  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in report["strategies"].items():
        part = "" if row["of_joint"] is None else f"{row['of_joint']:.3f}"
        spread = f" ± {row['average_accuracy_sd']:.3f}" if len(report["seeds"]) > 1 else ""
        moved = ("", "")
        if row["forgetting"] is not None:
            moved = (f"{row['forgetting']:.3f}", f"{row['backward_transfer']:+.3f}")
        bytes_used = ("all", "") if name in JOINT else (
            f"{row['extra_bytes']:,}", f"{row['readout_bytes']:,}",
        )  # fmt: skip
        table.add_row(name, f"{row['average_accuracy']:.3f}{spread}", part, *moved, *bytes_used)
    out = console()
    out.print(table)
    best = report["best"]
    if best is None:
        return
    row = report["strategies"][best]
    part = "" if row["of_joint"] is None else f"{row['of_joint']:.3f} of {report['ceiling']}, "
    out.print(
        f"best within {report['memory']:,} bytes: {best}, {part}"
        f"{100 * row['forgetting']:.1f} points forgotten"
    )
