"""`spikewire train`: learn a data set in passes, resumable at any instant."""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spikewire.apps.cli.errors import DONE, FAILED, UsageError
from spikewire.apps.cli.figures import new_figure, plot_curve
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options import DEFAULT_MODEL, Json
from spikewire.apps.cli.output import console, print_error, print_json, stderr_console
from spikewire.apps.cli.progress_bar import progress_bar
from spikewire.apps.cli.units import duration_us
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.training import resume as resume_file
from spikewire.apps.training.binned_dataset import BinnedDataset, choose
from spikewire.apps.training.evaluate import DatasetPath, ShowFor, Trials
from spikewire.apps.training.trainer import Progress, Trainer, TrainingPlan

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
    path = resume_file.resume_path(out)
    if path.exists() and not resume:
        raise UsageError(f"{path} is an unfinished training: give --resume, or remove it")
    if resume and not path.exists() and out.exists():
        stderr_console().print(f"{out} is finished already", markup=False, soft_wrap=True)
        raise typer.Exit(DONE)
    for stale in [*out.parent.glob(f".{out.name}.*.tmp"), *out.parent.glob(f".{path.name}.*.tmp")]:
        stale.unlink(missing_ok=True)  # a kill came while it was written
    load_kernels()
    network, binned, learn, held = _prepare(model, dataset, seed, show, trials, validate=validate)
    plan = TrainingPlan.best(network.spec, passes, batch, shift, seed)
    settings = {
        "model": model if not Path(model).is_file() else _file_digest(Path(model)),
        "network": hashlib.sha256(repr(network.spec).encode()).hexdigest()[:16],
        "data": resume_file.data_digest(learn, held),
        **asdict(plan), "ticks": binned.ticks,
    }  # fmt: skip
    pause = _SAVE_EVERY_S if save_every is None else save_every / 1e6
    progress = Progress()
    if resume and path.exists():
        progress, network = resume_file.load(path, settings)
    trainer = Trainer(network, binned, learn, held, plan)
    began = {"type": "start", **settings, "learn": len(learn), "validate": len(held)}
    began |= {"classes": list(network.classes), "resumed_at": [progress.number, progress.portion]}
    if as_json:
        print_json(began)
    else:
        _introduce(trainer, progress)
    try:
        _run(trainer, progress, path, settings, pause, as_json=as_json)
    except KeyboardInterrupt:
        print_error(
            f"interrupted; --resume goes on from {path}"
            if path.exists()
            else "interrupted before the first point to go on from"
        )
        raise typer.Exit(FAILED) from None
    network.save(out)
    if plot is not None:
        title = f"{dataset.name}: {network.spec.name}, seed {seed}"
        plot_curve(progress.curve, title, plot)
    path.unlink(missing_ok=True)
    last = progress.curve[-1]
    if as_json:
        print_json({"type": "done", "out": str(out), "accuracy": last["accuracy"]})
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
) -> tuple[Network, BinnedDataset, tuple[Sample, ...], tuple[Sample, ...]]:
    from spikewire.sensors import open_dataset

    data: Dataset = open_dataset(dataset, part=trials)
    network = open_network(model, data.classes, seed)
    binned = BinnedDataset(data, network.spec, show)
    for sample in sorted(data.samples, key=lambda sample: sample.path):
        binned.events(sample)  # a damaged recording is told now, not in the middle of a pass
    if validate:
        return network, binned, choose(data, "train"), choose(data, "validation")
    return network, binned, data.samples, ()


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _introduce(trainer: Trainer, progress: Progress) -> None:
    out = console()
    net, plan = trainer.network, trainer.plan
    out.print(
        f"{len(trainer.learn)} recordings to learn, {len(trainer.validate)} to validate, "
        f"{len(net.classes)} classes; {net.spec.name}, {plan.passes} passes in portions of "
        f"{plan.batch}, seed {plan.seed}",
        markup=False,
        soft_wrap=True,
    )
    if progress.number or progress.portion:
        out.print(f"going on at pass {progress.number + 1}, portion {progress.portion + 1}")
        for record in progress.curve:
            out.print(_line(record))


def _line(record: dict[str, Any]) -> str:
    accuracy = ""
    if record["accuracy"] is not None:
        accuracy = f"validation {record['accuracy']:.4f}, "
    active = " ".join(f"{share:.1%}" for share in record["activity"])
    seconds = record["learn_s"] + record["validate_s"]
    return f"pass {record['pass']}: {accuracy}active per tick {active} ({seconds:.0f} s)"


def _run(
    trainer: Trainer,
    progress: Progress,
    path: Path,
    settings: dict[str, Any],
    save_every_s: float,
    *,
    as_json: bool,
) -> None:
    total = trainer.plan.passes * trainer.portions
    saved = time.monotonic()
    with progress_bar() as bar:
        done = progress.number * trainer.portions + progress.portion
        task = bar.add_task(f"pass {progress.number + 1}", total=total, completed=done)

        def after_portion(now: Progress) -> None:
            nonlocal saved
            at = now.number * trainer.portions + now.portion
            number = min(now.number + 1, trainer.plan.passes)
            bar.update(task, completed=at, description=f"pass {number}")
            # The end of a pass is always kept; within one, not more often than asked for.
            if now.portion == 0 or time.monotonic() - saved >= save_every_s:
                resume_file.save(path, settings, now, trainer.network)
                saved = time.monotonic()

        def after_pass(record: dict[str, Any]) -> None:
            if as_json:
                print_json({"type": "pass", **record})
            else:
                console().print(_line(record))

        trainer.run(progress, after_portion=after_portion, after_pass=after_pass)
