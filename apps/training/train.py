"""`spikewire train`: learn a data set in passes, resumable at any instant."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spikewire.apps.cli.errors import DONE, FAILED, UsageError
from spikewire.apps.cli.figures import new_figure, plot_curve
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options import DEFAULT_MODEL, Json
from spikewire.apps.cli.output import complain, console, json_line, remarks
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.training import resume as unfinished
from spikewire.apps.training.binned_dataset import Shows, choose
from spikewire.apps.training.evaluate import DatasetPath, ShowFor, Trials
from spikewire.apps.training.trainer import Plan, Position, Training

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Dataset, Sample

# Writing the network took 12 ms (edge) to 80 ms (schaefer2020): with this pause at most 2 %.
_SAVE_EVERY_S = 5.0


def train(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The model file to write.")],
    model: Annotated[
        str, typer.Option(metavar="PRESET|FILE", help="A preset, or a model that learns on.")
    ] = DEFAULT_MODEL,
    passes: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Times all is shown (default: the model's own)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and shifts.")] = 0,
    shift: Annotated[
        int | None,
        typer.Option(
            min=0, max=64, metavar="PIXELS", help="Move each by so many at most (likewise)."
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Recordings side by side (likewise).")
    ] = None,
    validate: Annotated[
        bool,
        typer.Option("--validate/--no-validate", help="Hold a fifth back, and judge by it."),
    ] = True,
    trials: Trials = None,
    show: ShowFor = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted training stopped.")
    ] = False,
    save_every: Annotated[
        int | None,
        typer.Option(
            metavar="TIME",
            parser=duration_us,
            help="Least time between two points to go on from inside a pass (default: 5s).",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw accuracy and activity (needs spikewire\\[plot])."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a network on labelled recordings.

    After each pass the fifth of each class that is held back judges it. A training that is
    interrupted, or killed, goes on with --resume and gives the same file, byte for byte.
    """
    for name, target in (("--out", out), ("--plot", plot)):
        if target is not None and not target.absolute().parent.is_dir():
            raise UsageError(f"{name} {target}: there is no folder {target.parent}")
    if plot is not None:
        new_figure(1, 1)  # before hours of work, not after
    path = unfinished.beside(out)
    if path.exists() and not resume:
        raise UsageError(f"{path} is an unfinished training: give --resume, or remove it")
    if resume and not path.exists() and out.exists():
        remarks().print(f"{out} is finished already", markup=False, soft_wrap=True)
        raise typer.Exit(DONE)
    for stale in [*out.parent.glob(f".{out.name}.*.tmp"), *out.parent.glob(f".{path.name}.*.tmp")]:
        stale.unlink(missing_ok=True)  # a kill came while it was written
    load_kernels()
    network, shows, learn, held = _prepare(model, dataset, seed, show, trials, validate=validate)
    plan = Plan.best(network.spec, passes, batch, shift, seed)
    settings = {
        "model": model if not Path(model).is_file() else _file_digest(Path(model)),
        "network": hashlib.sha256(repr(network.spec).encode()).hexdigest()[:16],
        "data": unfinished.digest(learn, held),
        **asdict(plan), "ticks": shows.ticks,
    }  # fmt: skip
    pause = _SAVE_EVERY_S if save_every is None else save_every / 1e6
    position = Position()
    if resume and path.exists():
        position, network = unfinished.load(path, settings)
    training = Training(network, shows, learn, held, plan)
    began = {"type": "start", **settings, "learn": len(learn), "validate": len(held)}
    began |= {"classes": list(network.classes), "resumed_at": [position.number, position.portion]}
    if as_json:
        json_line(began)
    else:
        _introduce(training, position)
    try:
        _run(training, position, path, settings, pause, as_json=as_json)
    except KeyboardInterrupt:
        complain(
            f"interrupted; --resume goes on from {path}"
            if path.exists()
            else "interrupted before the first point to go on from"
        )
        raise typer.Exit(FAILED) from None
    network.save(out)
    if plot is not None:
        title = f"{dataset.name}: {network.spec.name}, seed {seed}"
        plot_curve(position.curve, title, plot)
    path.unlink(missing_ok=True)
    last = position.curve[-1]
    if as_json:
        json_line({"type": "done", "out": str(out), "accuracy": last["accuracy"]})
    else:
        console().print(f"saved in {out}", markup=False, soft_wrap=True)
    raise typer.Exit(DONE)


def _prepare(
    model: str,
    dataset: Path,
    seed: int,
    show: int | None,
    trials: Literal["train", "test"] | None,
    *,
    validate: bool,
) -> tuple[Network, Shows, tuple[Sample, ...], tuple[Sample, ...]]:
    from spikewire.sensors import open_dataset

    data: Dataset = open_dataset(dataset, part=trials)
    network = open_network(model, data.classes, seed)
    shows = Shows(data, network.spec, show)
    for sample in sorted(data.samples, key=lambda sample: sample.path):
        shows.binned(sample)  # a damaged recording is told now, not in the middle of a pass
    if validate:
        return network, shows, choose(data, "train"), choose(data, "validation")
    return network, shows, data.samples, ()


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _introduce(training: Training, position: Position) -> None:
    out = console()
    net, plan = training.network, training.plan
    out.print(
        f"{len(training.learn)} recordings to learn, {len(training.validate)} to validate, "
        f"{len(net.classes)} classes; {net.spec.name}, {plan.passes} passes in portions of "
        f"{plan.batch}, seed {plan.seed}",
        markup=False,
        soft_wrap=True,
    )
    if position.number or position.portion:
        out.print(f"going on at pass {position.number + 1}, portion {position.portion + 1}")
        for record in position.curve:
            out.print(_line(record))


def _line(record: dict[str, Any]) -> str:
    judged = ""
    if record["accuracy"] is not None:
        judged = f"validation {record['accuracy']:.4f}, "
    active = " ".join(f"{share:.1%}" for share in record["activity"])
    seconds = record["learn_s"] + record["validate_s"]
    return f"pass {record['pass']}: {judged}active per tick {active} ({seconds:.0f} s)"


def _run(
    training: Training,
    position: Position,
    path: Path,
    settings: dict[str, Any],
    save_every_s: float,
    *,
    as_json: bool,
) -> None:
    total = training.plan.passes * training.portions
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    note = remarks()
    saved = time.monotonic()
    with Progress(*columns, console=note, transient=True, disable=not note.is_terminal) as bar:
        done = position.number * training.portions + position.portion
        task = bar.add_task(f"pass {position.number + 1}", total=total, completed=done)

        def after_portion(now: Position) -> None:
            nonlocal saved
            at = now.number * training.portions + now.portion
            number = min(now.number + 1, training.plan.passes)
            bar.update(task, completed=at, description=f"pass {number}")
            # The end of a pass is always kept; within one, not more often than asked for.
            if now.portion == 0 or time.monotonic() - saved >= save_every_s:
                unfinished.save(path, settings, now, training.network)
                saved = time.monotonic()

        def after_pass(record: dict[str, Any]) -> None:
            if as_json:
                json_line({"type": "pass", **record})
            else:
                console().print(_line(record))

        training.run(position, after_portion=after_portion, after_pass=after_pass)
