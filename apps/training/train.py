"""`spikewire train`: training on a data set in passes, resumable at any instant."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spikewire.apps.cli.errors import DONE, FAILED, UsageError, check_target
from spikewire.apps.cli.figures import new_figure, plot_curve
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import (
    DEFAULT_MODEL,
    DatasetOptions,
    DatasetPath,
    Json,
    Trials,
)
from spikewire.apps.cli.output import (
    console,
    print_error,
    print_json,
    stderr_console,
)
from spikewire.apps.cli.units import duration_us, names
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.training import resume as resume_file
from spikewire.apps.training.answers import calibrate
from spikewire.apps.training.binned_dataset import (
    BinnedDataset,
    check_shown,
    choose,
    open_part,
)
from spikewire.apps.training.options import Distort, TrainingOptions, check_learning
from spikewire.apps.training.ridge import baseline_line, ridge_baseline
from spikewire.apps.training.through_time.train import (
    LayerPass,
    LayerPlan,
    check_layers,
    learn_layers,
    require_torch,
)
from spikewire.apps.training.trainer import KeptClasses, Progress, Trainer

if TYPE_CHECKING:
    from spikewire.qcore import Network
    from spikewire.sensors import Sample

# Writing the network took 12 ms (edge) to 80 ms (schaefer2020): with this pause at most 2 %.
_SAVE_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions(TrainingOptions):
    """A training, its seed and its parts of the data set."""

    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the weights, the order and the shifts.")
    ] = 0
    validate: Annotated[
        bool,
        typer.Option(
            "--validate/--no-validate",
            help="Hold a fifth back, and evaluate on it after each pass.",
        ),
    ] = True
    trials: Trials = None
    distort: Distort = None
    through_time: Annotated[
        bool,
        typer.Option(
            "--through-time",
            help="First learn the layers through time, in float (needs spikewire\\[twin]).",
        ),
    ] = False
    layer_passes: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Passes of --through-time (default: for 20,000 excerpts)."
        ),
    ] = None

    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, metavar="N", help="Threads of --through-time (default: one per core)."
        ),
    ] = None

    only: Annotated[
        Any,
        typer.Option(
            metavar="A,B",
            parser=names,
            help="Classes that learn; the readout of all others stays, bit for bit.",
        ),
    ] = None

    def check(self) -> None:
        """Refuse options that do not fit together, and a missing PyTorch."""
        if self.through_time and self.only is not None:
            raise UsageError("--only keeps a readout, which --through-time begins anew")
        if self.through_time:
            require_torch()
        elif self.layer_passes is not None or self.jobs is not None:
            name = "--jobs" if self.layer_passes is None else "--layer-passes"
            raise UsageError(f"{name} belongs to --through-time")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeOptions:
    """Resumption of an interrupted training."""

    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted training.")] = (
        False
    )
    save_every: Annotated[
        int | None,
        typer.Option(
            metavar="TIME",
            parser=duration_us,
            help="Shortest time between two resume points inside a pass (default: 5s).",
        ),
    ] = None

    @property
    def pause_s(self) -> float:
        """Shortest time between two resume points inside a pass, in seconds."""
        return _SAVE_EVERY_S if self.save_every is None else self.save_every / 1e6


TRAINING = TrainOptions()
RESUME = ResumeOptions()
FORMATS = DatasetOptions()


@grouped
def train(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Model file to write.")],
    model: Annotated[
        str, typer.Option(metavar="PRESET|FILE", help="Preset, or model file to train further.")
    ] = DEFAULT_MODEL,
    training: TrainOptions = TRAINING,
    formats: DatasetOptions = FORMATS,
    resuming: ResumeOptions = RESUME,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Draw accuracy and activity to a file (needs spikewire\\[plot])."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a network on labelled recordings.

    After each pass the network is evaluated on the validation part, a fifth of each class. A
    training that is interrupted or killed is resumed with --resume. The result is the same file,
    byte for byte.
    """
    training.check()
    path = _check_files(out, plot, resuming)
    load_kernels()
    network, binned, learn, held = _prepare(model, dataset, training, formats)
    plan = replace(training.plan(network.spec, training.seed), distort=training.distort)
    settings = {
        "model": model if not Path(model).is_file() else _file_digest(Path(model)),
        "network": network.spec.digest(),
        "data": resume_file.data_digest(learn, held),
        **asdict(plan), "ticks": binned.ticks, "filters": list(binned.dataset.filters),
    }  # fmt: skip
    if training.through_time:
        check_layers(network.spec)
        settings["layer_passes"] = LayerPlan.best(training.layer_passes, learn, plan).passes
    kept = None
    if training.only is not None:
        kept = KeptClasses.all_but(network, training.only)
        settings["only"] = list(training.only)
    progress = Progress()
    if begun := resuming.resume and path.exists():
        progress, network = resume_file.load(path, settings)
    trainer = Trainer(network, binned, learn, held, plan, kept=kept)
    start = {"type": "start", **settings, "learn": len(learn), "validate": len(held)}
    start |= {"classes": list(network.classes), "resumed_at": [progress.number, progress.portion]}
    if as_json:
        print_json(start)
    else:
        _introduce(trainer, progress)
    if training.through_time and not begun:
        network = _learn_layers(trainer, settings, training.jobs, as_json=as_json)
        trainer = replace(trainer, network=network)
        resume_file.save(path, settings, progress, network)
    try:
        points = resume_file.ResumePoints(path, settings, resuming.pause_s)
        _run(trainer, progress, points, as_json=as_json)
    except KeyboardInterrupt:
        print_error(
            f"interrupted; --resume goes on from {path}"
            if path.exists()
            else "interrupted before the first point to go on from"
        )
        raise typer.Exit(FAILED) from None
    if held:
        network.calibration = calibrate(network, binned, held)
    network.save(out)
    if plot is not None:
        title = f"{dataset.name}: {network.spec.name}, seed {training.seed}"
        plot_curve(progress.curve, title, plot)
    path.unlink(missing_ok=True)
    _conclude(trainer, progress, out, as_json=as_json)
    raise typer.Exit(DONE)


def _conclude(trainer: Trainer, progress: Progress, out: Path, *, as_json: bool) -> None:
    """Print what was reached, beside the baseline without a network."""
    network, binned, held = trainer.network, trainer.binned, trainer.validate
    baseline = None
    if held:
        learn, classes = trainer.learn, binned.dataset.classes
        baseline = ridge_baseline(binned, learn, held, classes).record()
    if as_json:
        done = {"type": "done", "out": str(out), "accuracy": progress.curve[-1]["accuracy"]}
        done["calibration"] = network.calibration.to_dict()
        print_json(done | {"no_network": baseline})
        return
    if baseline is not None:
        console().print(baseline_line(baseline))
    if network.calibration.enter:
        console().print(f"margin of named answers: {network.calibration.enter / 100:.2f} spreads")
    console().print(f"saved in {out}", markup=False, soft_wrap=True)


def _check_files(out: Path, plot: Path | None, resuming: ResumeOptions) -> Path:
    """Check the files of a training and return the path of its resume file."""
    for name, target in (("--out", out), ("--plot", plot)):
        if target is not None:
            check_target(name, target)
    if plot is not None:
        new_figure(1, 1)  # before hours of work, not after
    path = resume_file.open_path(out, resume=resuming.resume)
    if path is None:
        stderr_console().print(f"{out} is finished already", markup=False, soft_wrap=True)
        raise typer.Exit(DONE)
    return path


def _prepare(
    model: str, dataset: Path, training: TrainOptions, formats: DatasetOptions
) -> tuple[Network, BinnedDataset, tuple[Sample, ...], tuple[Sample, ...]]:
    data = open_part(dataset, training.trials, formats)
    network = open_network(model, data.classes, training.seed)
    check_learning(model, network.spec)
    binned = BinnedDataset(data, network.spec, training.show)
    check_shown(binned, data.samples)
    if training.validate:
        return network, binned, choose(data, "train"), choose(data, "validation")
    return network, binned, data.samples, ()


def _learn_layers(
    trainer: Trainer, settings: dict[str, Any], jobs: int | None, *, as_json: bool
) -> Network:
    """Learn the layers through time; the readout of the returned network is untrained."""

    def after_pass(result: LayerPass) -> None:
        if as_json:
            print_json({"type": "layers", **asdict(result)})
            return
        active = " ".join(f"{share:.1%}" for share in result.activity)
        console().print(
            f"layers, pass {result.number}: loss {result.loss:.3f}, excerpts right "
            f"{result.accuracy:.3f}, active per tick {active}"
        )

    layer_plan = LayerPlan(settings["layer_passes"], trainer.plan, jobs)
    try:
        return learn_layers(trainer.network, trainer.binned, trainer.learn, layer_plan, after_pass)
    except KeyboardInterrupt:
        print_error("interrupted while the layers learned; nothing is kept")
        raise typer.Exit(FAILED) from None


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
        own = [f"{share:.3f}" for share in record.get("local") or () if share is not None]
        if own:
            accuracy += f"layers' own readouts {' '.join(own)}, "
    active = " ".join(f"{share:.1%}" for share in record["activity"])
    seconds = record["learn_s"] + record["validate_s"]
    return f"pass {record['pass']}: {accuracy}active per tick {active} ({seconds:.0f} s)"


def _run(
    trainer: Trainer, progress: Progress, points: resume_file.ResumePoints, *, as_json: bool
) -> None:
    def after_pass(record: dict[str, Any]) -> None:
        if as_json:
            print_json({"type": "pass", **record})
        else:
            console().print(_line(record))

    resume_file.run_with_bar(trainer, progress, points, after_pass)
