"""The `spikewire` command: its table of commands, and its exit codes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from spikewire.apps.bench.baseline.command import twin
from spikewire.apps.bench.core.command import core
from spikewire.apps.bench.decision.command import decide
from spikewire.apps.bench.formats.decode import decode
from spikewire.apps.bench.formats.simulator import simulator
from spikewire.apps.bench.learning.dvs_gesture import dvsgesture
from spikewire.apps.bench.learning.fewshot import fewshot
from spikewire.apps.bench.learning.gestures import gestures
from spikewire.apps.bench.learning.one_lesson import teachme
from spikewire.apps.bench.load.dashboards import dashboards
from spikewire.apps.bench.load.latency import latency
from spikewire.apps.bench.load.soak import soak
from spikewire.apps.bench.load.subscribers import subscribers
from spikewire.apps.cli.errors import DONE, FAILED, describe, leaf_errors
from spikewire.apps.cli.options.old_spellings import modernised
from spikewire.apps.cli.output import print_error
from spikewire.apps.cli.signals import endless
from spikewire.apps.continual.command import continual
from spikewire.apps.dashboard.command import dashboard
from spikewire.apps.demo.command import demo
from spikewire.apps.doctor.command import doctor
from spikewire.apps.gesture.command import gesture
from spikewire.apps.recordings.convert import convert
from spikewire.apps.recordings.info import info
from spikewire.apps.recordings.render import render
from spikewire.apps.recordings.show import show
from spikewire.apps.recordings.simulate import simulate
from spikewire.apps.replay.command import replay
from spikewire.apps.service.bridge import bridge
from spikewire.apps.service.config import config
from spikewire.apps.service.record import record
from spikewire.apps.service.requests import checkpoint, learn, status, undo
from spikewire.apps.service.run import run as run_service
from spikewire.apps.service.teach import play, teach
from spikewire.apps.service.watch import watch
from spikewire.apps.sweep.command import sweep
from spikewire.apps.training.evaluate import evaluate
from spikewire.apps.training.memory import memory
from spikewire.apps.training.train import train

app = typer.Typer(
    name="spikewire",
    help="Classify the events of a DVS camera live, and teach the network while it runs.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo,
    run_service,
    watch,
    gesture,
    dashboard,
    teach,
    play,
    replay,
    info,
    record,
    config,
    convert,
    show,
    render,
    simulate,
    train,
    evaluate,
    continual,
    memory,
    sweep,
    status,
    learn,
    undo,
    checkpoint,
    bridge,
    doctor,
):
    app.command()(command)

bench = typer.Typer(help="Run repeatable measurements.", add_completion=False)
for measurement in (
    gestures,
    core,
    decide,
    decode,
    simulator,
    latency,
    subscribers,
    soak,
    dashboards,
    twin,
    dvsgesture,
    fewshot,
    teachme,
):
    bench.command()(measurement)
app.add_typer(bench, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spikewire {metadata.version('spikewire')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 failed, 2 wrong usage.

    Errors of the user and of the outside world become one sentence on standard error. Unforeseen
    errors keep their traceback.
    """
    # Commands say what matters themselves; the packages' logs are for programs that want them.
    logging.getLogger("spikewire").addHandler(logging.NullHandler())
    arguments = modernised(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=arguments, prog_name="spikewire", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = "spikewire" if context is None else context.command_path
        print_error(f"{error.format_message().rstrip('.')} (see {command} --help)")
        return error.exit_code
    except BaseException as error:
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaf_errors(error)):
            return _interrupted(arguments)
        if any(isinstance(leaf, BrokenPipeError) for leaf in leaf_errors(error)):
            return _reader_left()
        described = describe(error)
        if described is None:
            raise
        print_error(described[0])
        return described[1]
    # Without standalone mode an Exit comes back as its code; Ctrl-C as 130.
    if code == 130:
        return _interrupted(arguments)
    return code if isinstance(code, int) else DONE


def _interrupted(arguments: Sequence[str] | None) -> int:
    if endless(arguments):
        return DONE
    print_error("interrupted")
    return FAILED


def _reader_left() -> int:
    # `spikewire ... | head` is not a mistake. Standard output is replaced so that the
    # interpreter's last flush finds somebody to write to.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
