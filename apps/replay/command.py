"""`spikewire replay`: the network over recordings, as fast as the machine goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikewire.apps.cli.errors import DONE, FAILED, CommandError, UsageError, leaf_errors
from spikewire.apps.cli.figures import check_plot
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options import (
    DEFAULT_MODEL,
    Classes,
    Columns,
    Filters,
    Json,
    Seed,
    Size,
    Start,
    Stop,
    Unit,
)
from spikewire.apps.cli.output import console, print_error, print_json, stderr_console
from spikewire.apps.cli.signals import sigterm_as_interrupt
from spikewire.apps.cli.units import names, sensor_size, speed_factor
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.cluster import dask as cluster
from spikewire.apps.replay.confusion_plot import plot_confusion
from spikewire.apps.replay.export import check_out, open_out
from spikewire.apps.replay.inputs import ReplayInputs, from_paths, from_session
from spikewire.apps.replay.interactive import InteractiveView, check_terminal, run_interactive
from spikewire.apps.replay.progress import choose_display
from spikewire.apps.replay.report import panels, print_report
from spikewire.apps.replay.score import ReplayScore
from spikewire.apps.training.evaluate import Trials

if TYPE_CHECKING:
    from spikewire.apps.replay.recording import Playback
    from spikewire.qcore import Network


def replay(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings, and folders of them.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="FILE|NAME",
            help=f"As of `run` (default: {DEFAULT_MODEL}; a session's own with --session).",
        ),
    ] = None,
    classes: Classes = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Lines of class,startTime_usec,endTime_usec."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="All that is shown is this class.")
    ] = None,
    session: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="A recorded session, with its own labels and ends."),
    ] = None,
    trials: Trials = None,
    learn: Annotated[bool, typer.Option("--learn", help="Learn from the labels.")] = False,
    start: Start = None,
    stop: Stop = None,
    speed: Annotated[str, typer.Option(metavar="FACTOR|max", help="1 is real time.")] = "max",
    drop: Annotated[
        bool, typer.Option("--drop", help="Leave out events that break a rule, and count them.")
    ] = False,
    size: Size = None,
    columns: Columns = None,
    unit: Unit = None,
    filters: Filters = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.jsonl|.csv", help="Write each result, as it comes."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.png|.svg", help="Draw who was taken for whom."),
    ] = None,
    view: Annotated[
        bool, typer.Option("--view", help="Show the events live, at any --speed.")
    ] = False,
    interactive: Annotated[
        bool,
        typer.Option("--interactive", help="Space pauses, arrows seek, + - l change it, q ends."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Replay side by side in so many processes."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--cluster", metavar="tcp://HOST:PORT", help="Likewise, on a Dask cluster."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the network afterwards.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the network over recordings and say what it recognised.

    The same recordings give the same results, bit for bit, at every speed. With labels it says
    how often it was right; with --learn it learns from them. Files are one story: the network goes
    on from one to the next, after a pause. The recordings of a folder, and with --workers or
    --cluster all recordings, each start from the network as it was loaded.
    """
    files = files or []
    told = (files, labels, label, start, stop, trials, size, columns, unit)
    if session is not None and any(told):
        raise UsageError("--session says what is replayed, and what it is called: give it alone")
    if session is None and not files:
        raise UsageError("give files to replay, or --session JSON")
    if labels is not None and label is not None:
        raise UsageError("give --labels or --label, not both")
    if labels is not None and len(files) > 1:
        raise UsageError("--labels holds the times of one recording: replay one at a time")
    if save is not None and not save.absolute().parent.is_dir():
        raise UsageError(f"--save {save}: there is no folder {save.parent}")
    if view and as_json:
        raise UsageError("--view is for people and --json for programs: give one of them")
    factor = speed_factor(speed)
    spread = workers is not None or address is not None
    if spread:
        _check_spread(address, workers, learn=learn, session=session, paced=factor is not None)
        if view:
            raise UsageError("--view shows one recording at a time: leave --workers out")
    if interactive:
        if as_json or spread:
            raise UsageError(
                "--interactive is for a person at a terminal: give it without "
                "--json, --workers and --cluster"
            )
        check_terminal(console())
    if plot is not None:
        check_plot(plot)
    load_kernels()
    from spikewire.apps.replay.recording import Playback
    from spikewire.sensors import parse_columns as parsed

    formats = {
        "size": None if size is None else sensor_size(size),
        "columns": None if columns is None else parsed(columns),
        "unit": unit,
    }
    if session is not None:
        what = from_session(session)
    else:
        what = from_paths(
            files, labels=labels, label=label, start=start, stop=stop, part=trials, formats=formats
        )
    if learn and session is None and not what.names:
        raise UsageError("--learn needs to be told what is shown: give --labels or --label")
    independent = not learn and not interactive and (what.folder or spread)
    if save is not None and independent:
        raise UsageError(
            "--save: each recording starts from the network as it was loaded, which "
            "stays as it is; --learn changes it"
        )
    if out is not None:
        check_out(out, [*(one.path for one in what.excerpts), *([labels] if labels else [])])
    grow = learn or session is not None
    if model is None:
        model = what.model or DEFAULT_MODEL
        # A network that was built for the session is built again the same way.
        seed = seed or int(what.facts.get("seed", 0))
    network = _network(model, classes, what, seed, grow=grow, learn=learn)
    playback = Playback(factor, drop, tuple(filters or ()), learn, grow, wait=interactive)
    if interactive and factor is None:
        playback.speed = 1.0
    score = ReplayScore()
    stopped, retries = _run(
        network, what, playback, score, out, as_json=as_json, independent=independent,
        live=view or factor is not None, spread=(address, workers) if spread else None,
    )  # fmt: skip
    _report(
        score,
        network,
        what,
        as_json=as_json,
        independent=independent,
        stopped=stopped,
        retries=retries,
    )
    if plot is not None:
        _draw(score, network, model, plot)
    if what.names and not score.tally.labelled:
        stderr_console().print(
            "note: no label covers what was shown; label times are the recording's own"
        )
    whole = [one for one in score.played if one.error is None]
    if save is not None and whole and not stopped:
        network.save(save)
        stderr_console().print(f"saved in {save}", markup=False, soft_wrap=True)
    for played in score.damaged:
        print_error(played.error or "")
    if stopped:
        print_error("interrupted" + ("; nothing was saved" if save is not None else ""))
    raise typer.Exit(FAILED if stopped or score.damaged else DONE)


def _check_spread(
    address: str | None, workers: int | None, *, learn: bool, session: Path | None, paced: bool
) -> None:
    option = "--workers" if address is None else "--cluster"
    if learn:
        raise UsageError(f"--learn goes from one recording to the next: leave {option} out")
    if session is not None:
        raise UsageError(f"the parts of a --session follow each other: leave {option} out")
    if paced:
        raise UsageError(f"--speed is for one recording after the other: leave {option} out")
    cluster.check_address("--cluster", address, workers)
    cluster.require(f"replaying with {option}", cluster.WORKERS)


def _network(
    model: str, classes: str | None, what: ReplayInputs, seed: int, *, grow: bool, learn: bool
) -> Network:
    """Open the network; a frozen one keeps to the classes that it knows."""
    from spikewire.qcore import preset_names

    known = names(classes) or tuple(what.facts.get("classes", ()))
    network = open_network(model, known or what.names, seed, grow=grow or bool(known))
    if not learn and model in preset_names():
        stderr_console().print(f"note: {model} is untrained here, so its answers mean nothing yet")
    strange = [] if grow else [name for name in what.names if name not in network.classes]
    if strange:
        stderr_console().print(
            f"note: the network does not know {', '.join(strange)}, and is wrong wherever that "
            "is shown", markup=False, soft_wrap=True,
        )  # fmt: skip
    return network


def _run(
    network: Network,
    what: ReplayInputs,
    playback: Playback,
    score: ReplayScore,
    out: Path | None,
    *,
    as_json: bool,
    independent: bool,
    live: bool,
    spread: tuple[str | None, int | None] | None,
) -> tuple[bool, int]:
    """Replay everything; tells whether it was interrupted, and what was begun again."""
    from contextlib import ExitStack

    from spikewire.apps.replay.runner import ResultSink, run_parallel, run_sequential

    with ExitStack() as stack:
        stack.enter_context(sigterm_as_interrupt())
        written = None
        if out is not None:
            written = stack.enter_context(open_out(out, network.classes))
        sink = ResultSink(score, written, as_json=as_json)
        if playback.wait:
            hands = stack.enter_context(InteractiveView(score, len(what.excerpts), console()))
            return run_interactive(network, what.excerpts, playback, sink, hands), 0
        show = stack.enter_context(
            choose_display(
                score, len(what.excerpts), console(), stderr_console(), live=live, quiet=as_json
            )
        )
        try:
            if spread is not None:
                address, workers = spread
                return run_parallel(
                    network, what.excerpts, playback, sink, show, address=address, workers=workers
                )
            stopped = run_sequential(
                network, what.excerpts, playback, sink, show, independent=independent
            )
            return stopped, 0
        except (KeyboardInterrupt, BaseExceptionGroup) as error:  # between two recordings
            if not all(isinstance(leaf, KeyboardInterrupt) for leaf in leaf_errors(error)):
                raise
            return True, 0


def _report(
    score: ReplayScore,
    network: Network,
    what: ReplayInputs,
    *,
    as_json: bool,
    independent: bool,
    stopped: bool,
    retries: int,
) -> None:
    [only] = score.played if len(score.played) == 1 else [None]
    if only is not None and only.error is not None and not only.tally.results:
        raise CommandError(only.error)
    if as_json:
        record = score.record()
        if not independent:
            record |= {"tick": network.tick, "updates": network.updates}
        print_json(record | {"of": len(what.excerpts), "interrupted": stopped, "retries": retries})
    else:
        print_report(console(), score, interrupted=stopped, retries=retries)


def _draw(score: ReplayScore, network: Network, model: str, plot: Path) -> None:
    if not score.tally.labelled:
        stderr_console().print("note: nothing could be judged, so there is nothing to plot")
        return
    title = f"{Path(model).name} over {len(score.played)} recordings"
    if len(score.played) == 1:
        title = f"{Path(model).name} over {Path(score.played[0].file).name}"
    plot_confusion(panels(score), network.classes, title, plot)
    stderr_console().print(f"drawn in {plot}", markup=False, soft_wrap=True)
