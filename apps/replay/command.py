"""`spikewire replay`: a network run over recordings, as fast as the machine allows."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spikewire.apps.cli.errors import DONE, FAILED, CommandError, leaf_errors
from spikewire.apps.cli.models import open_network
from spikewire.apps.cli.options.groups import grouped
from spikewire.apps.cli.options.shared import (
    DEFAULT_MODEL,
    TRAINED_MODEL,
    Json,
    NetworkOptions,
    RecordingOptions,
)
from spikewire.apps.cli.output import console, print_error, print_json, print_note, stderr_console
from spikewire.apps.cli.signals import loading, sigterm_as_interrupt
from spikewire.apps.cli.units import names
from spikewire.apps.cli.warmup import load_kernels
from spikewire.apps.cluster.options import ClusterOptions
from spikewire.apps.recordings.cut import empty_part
from spikewire.apps.replay.confusion_plot import plot_confusion
from spikewire.apps.replay.export import open_out
from spikewire.apps.replay.inputs import ReplayInputs
from spikewire.apps.replay.interactive import InteractiveView, run_interactive
from spikewire.apps.replay.options import (
    InputOptions,
    OutputOptions,
    PlaybackOptions,
    ReplayOptions,
)
from spikewire.apps.replay.progress import choose_display
from spikewire.apps.replay.report import panels, print_report
from spikewire.apps.replay.score import ReplayScore

if TYPE_CHECKING:
    from spikewire.qcore import Network

NETWORK = NetworkOptions(model=None)
INPUTS, FORMATS = InputOptions(), RecordingOptions()
PLAYBACK, OUTPUT, CLUSTER = PlaybackOptions(), OutputOptions(), ClusterOptions()


@grouped
def replay(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings, and folders of recordings.")
    ] = None,
    network: NetworkOptions = NETWORK,
    inputs: InputOptions = INPUTS,
    formats: RecordingOptions = FORMATS,
    playback: PlaybackOptions = PLAYBACK,
    output: OutputOptions = OUTPUT,
    cluster: ClusterOptions = CLUSTER,
    as_json: Json = False,
) -> None:
    """Run a network over recordings, and score its results against labels.

    The same recordings give the same results, bit for bit, at every speed. With --learn the
    network learns from the labels. Files are continuous: the network goes on from one to the next
    after a pause. Recordings of a folder are independent: each starts from the network as it was
    loaded. So are all recordings with --workers or --cluster. The default network is the trained
    one (gestures), a session's own, or with --learn or --classes a new one (edge).
    """
    options = ReplayOptions(
        files=tuple(files or ()), network=network, inputs=inputs, formats=formats,
        playback=playback, output=output, cluster=cluster, as_json=as_json,
    )  # fmt: skip
    options.check()
    # Before the kernels, which a first start compiles: a mistake is told at once.
    with loading():
        recordings = options.recordings()
        if len(recordings.excerpts) == 1:
            recordings.excerpts[0].open("drop")
    load_kernels(learn=playback.learn)
    new = playback.learn or network.classes is not None
    model = network.model or recordings.model or (DEFAULT_MODEL if new else TRAINED_MODEL)
    opened, recordings = _open(model, options, recordings)
    score = ReplayScore()
    stopped, retries = _run(opened, options, recordings, score)
    _report(score, opened, options, recordings, stopped=stopped, retries=retries)
    if not sum(played.events for played in score.played) and len(recordings.excerpts) == 1:
        start, stop = inputs.start or 0, inputs.stop
        print_note(empty_part(recordings.excerpts[0].path, start, stop))
    if output.plot is not None:
        _draw(score, opened, model, output.plot)
    if recordings.names and not score.counts.labelled:
        print_note(_unlabelled(recordings))
    whole = [played for played in score.played if played.error is None]
    # Labels in another time than the recording's are a mistake, of which nothing shall be kept.
    beside = bool(recordings.names) and inputs.session is None and not score.counts.labelled
    unsaved = output.save is not None and beside
    if output.save is not None and whole and not stopped and not beside:
        opened.save(output.save)
        stderr_console().print(f"saved in {output.save}", markup=False, soft_wrap=True)
    for played in score.damaged:
        print_error(played.error or "")
    if stopped:
        print_error("interrupted" + ("; nothing was saved" if output.save is not None else ""))
    elif unsaved:
        print_error(f"the network learned nothing, so {output.save} was not written")
    undrawn = output.plot is not None and not score.counts.labelled
    raise typer.Exit(FAILED if stopped or score.damaged or unsaved or undrawn else DONE)


def _unlabelled(inputs: ReplayInputs) -> str:
    """Return a sentence about labels that lie beside what was shown."""
    text = "no label covers what was shown; label times are the recording's own"
    labels = [label for excerpt in inputs.excerpts for label in excerpt.labels]
    if len(inputs.excerpts) != 1 or not labels:
        return text
    first, last = min(one.start_us for one in labels), max(one.stop_us for one in labels)
    return (
        f"{text}: these lie between {first:,} us and {last:,} us, and spikewire info "
        f"{inputs.excerpts[0].path} tells when it begins"
    )


def _open(model: str, options: ReplayOptions, inputs: ReplayInputs) -> tuple[Network, ReplayInputs]:
    """Open the network, and name labels as it does; a frozen one keeps its classes."""
    from spikewire.qcore import preset_names

    seed = options.network.seed
    if options.network.model is None:
        # A network that was built for the session is built again the same way.
        seed = seed or int(inputs.facts.get("seed", 0))
    known = names(options.network.classes) or tuple(inputs.facts.get("classes", ()))
    network = open_network(model, known or inputs.names, seed, grow=bool(known))
    inputs = inputs.named_in(network.classes)
    if options.grow and not known:
        for name in inputs.names:
            if name not in network.classes:
                network.add_class(name)
    if not options.playback.learn and model in preset_names():
        stderr_console().print(f"note: {model} is untrained here, so its answers mean nothing yet")
    strange = [] if options.grow else [name for name in inputs.names if name not in network.classes]
    if strange:
        stderr_console().print(
            f"note: the network does not know {', '.join(strange)}, and is wrong wherever that "
            "is shown", markup=False, soft_wrap=True,
        )  # fmt: skip
    return network, inputs


def _run(
    network: Network, options: ReplayOptions, inputs: ReplayInputs, score: ReplayScore
) -> tuple[bool, int]:
    """Replay everything; return whether it was interrupted, and the number of repetitions."""
    from spikewire.apps.replay.runner import ResultSink, run_parallel, run_sequential

    total, out, playback = len(inputs.excerpts), options.output.out, options.settings()
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_interrupt())
        written = None if out is None else stack.enter_context(open_out(out, network.classes))
        sink = ResultSink(score, written, as_json=options.as_json)
        if playback.wait:
            keys = stack.enter_context(InteractiveView(score, total, console()))
            return run_interactive(network, inputs.excerpts, playback, sink, keys), 0
        live = options.playback.view or playback.speed is not None
        display = stack.enter_context(
            choose_display(
                score, total, console(), stderr_console(), live=live, quiet=options.as_json
            )
        )
        try:
            if options.cluster.parallel:
                return run_parallel(
                    network, inputs.excerpts, playback, sink, display, cluster=options.cluster
                )
            independent = options.independent(inputs)
            return run_sequential(
                network, inputs.excerpts, playback, sink, display, independent=independent
            ), 0
        except (KeyboardInterrupt, BaseExceptionGroup) as error:  # between two recordings
            if not all(isinstance(leaf, KeyboardInterrupt) for leaf in leaf_errors(error)):
                raise
            return True, 0


def _report(
    score: ReplayScore,
    network: Network,
    options: ReplayOptions,
    inputs: ReplayInputs,
    *,
    stopped: bool,
    retries: int,
) -> None:
    [only] = score.played if len(score.played) == 1 else [None]
    if only is not None and only.error is not None and not only.counts.results:
        raise CommandError(only.error)
    if options.as_json:
        record = score.record()
        if not options.independent(inputs):
            record |= {"tick": network.tick, "updates": network.updates}
        print_json(
            record | {"of": len(inputs.excerpts), "interrupted": stopped, "retries": retries}
        )
    else:
        print_report(console(), score, interrupted=stopped, retries=retries)


def _draw(score: ReplayScore, network: Network, model: str, plot: Path) -> None:
    if not score.counts.labelled:
        print_error(f"nothing could be judged, so {plot} was not written")
        return
    title = f"{Path(model).name} over {len(score.played)} recordings"
    if len(score.played) == 1:
        title = f"{Path(model).name} over {Path(score.played[0].file).name}"
    plot_confusion(panels(score), network.classes, title, plot)
    stderr_console().print(f"drawn in {plot}", markup=False, soft_wrap=True)
