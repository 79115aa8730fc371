"""`spikewire continual`: strategies of class-incremental learning, and their forgetting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from spikewire.apps.cli.errors import DONE, UsageError
from spikewire.apps.cli.figures import check_plot
from spikewire.apps.cli.models import is_known
from spikewire.apps.cli.options import Json
from spikewire.apps.cli.output import console, print_json, stderr_console
from spikewire.apps.cli.units import byte_count, names
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.continual.strategies import JOINT, STRATEGIES, StrategySettings
from spikewire.apps.continual.tasks import Tasks, make_tasks, open_parts
from spikewire.apps.training.evaluate import DatasetPath, ShowFor


def continual(
    dataset: DatasetPath,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET|FILE",
            help="Whose features are frozen (default: nmnist for N-MNIST, else edge).",
        ),
    ] = None,
    strategies: Annotated[
        str, typer.Option(metavar="A,B", help=f"Of {', '.join(STRATEGIES)}.")
    ] = ",".join(STRATEGIES),
    tasks: Annotated[
        int | None, typer.Option(min=1, max=1024, help="How many tasks (default: 5).")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="A,B", help="The classes of a task; once for each task, in order."),
    ] = None,
    order: Annotated[
        int | None, typer.Option(min=0, metavar="SEED", help="Draw the classes' order.")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Of weights, orders, folding; may be repeated (default: 0 1 2)."),
    ] = None,
    memory: Annotated[
        int, typer.Option(metavar="BYTES", parser=byte_count, help="Kept beyond the network.")
    ] = "64kB",  # type: ignore[assignment]  # typer parses defaults, too
    show: ShowFor = None,
    tuning: Annotated[
        bool,
        typer.Option(
            "--tuning", help="Judge on a fifth of what is learned; leave the judging part alone."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw the matrices (needs spikewire[plot])."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn classes task after task without going back, and say what is forgotten.

    The features are a frozen network's; a head over all classes seen so far learns on them by each
    strategy, and is tested after each task on all tasks so far. Joint training, which sees
    everything at once and often, is the ceiling.
    """
    chosen = names(strategies)
    for name in chosen:
        if name not in STRATEGIES:
            raise UsageError(f"--strategies: {name!r} is none of {', '.join(STRATEGIES)}")
    if plot is not None:
        check_plot(plot)
    load_kernels()
    from spikewire.apps.continual.experiment import Experiment, ExperimentPlan

    parts = open_parts(dataset, tuning=tuning)
    named = ("nmnist" if parts.dataset.kind == "N-MNIST" else "edge") if model is None else model
    if not is_known(named):
        raise UsageError(f"--model: {named} is neither a file nor a preset")
    plan = ExperimentPlan(
        model=named, strategies=chosen, seeds=tuple(dict.fromkeys(seed or (0, 1, 2))),
        tasks=make_tasks(parts.dataset.classes, tasks, task or (), order),
        settings=StrategySettings(memory=memory), show_us=show,
    )  # fmt: skip
    experiment = Experiment(parts, plan)
    begin = {"type": "start", "dataset": dataset.name, "kind": parts.dataset.kind, "tuning": tuning}
    begin |= experiment.facts()
    if as_json:
        print_json(begin)
    else:
        _introduce(begin, plan.tasks)
    runs = []
    note = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=note, transient=True, disable=not note.is_terminal) as bar:
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
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise typer.Exit(DONE)


def _introduce(begin: dict[str, Any], tasks: Tasks) -> None:
    told = "; ".join(" ".join(task) for task in tasks)
    console().print(
        f"{begin['learn']} recordings to learn, {begin['judge']} to judge; {len(tasks)} tasks: "
        f"{told}; features of {begin['model']}: {begin['features']}",
        markup=False, soft_wrap=True,
    )  # fmt: skip


def _result(run: dict[str, Any]) -> str:
    said = f"average accuracy {run['average_accuracy']:.3f}"
    if run["forgetting"] is not None:
        said += f", forgetting {run['forgetting']:.3f}"
    return f"{said} ({run['seconds']:.1f} s)"


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
        kept = ("all", "") if name in JOINT else (
            f"{row['extra_bytes']:,}", f"{row['readout_bytes']:,}",
        )  # fmt: skip
        table.add_row(name, f"{row['average_accuracy']:.3f}{spread}", part, *moved, *kept)
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
