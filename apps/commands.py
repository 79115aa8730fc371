"""The `spikewire` command: what it offers, and how it ends."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from spikewire.apps.bench.baseline import command as twin
from spikewire.apps.bench.core import command as core
from spikewire.apps.bench.decision import command as decide
from spikewire.apps.bench.formats import decode, simulator
from spikewire.apps.bench.learning import fewshot, gestures
from spikewire.apps.bench.learning import one_lesson as teachme
from spikewire.apps.bench.load import dashboards, latency, soak, subscribers
from spikewire.apps.cli.errors import DONE, FAILED, leaves, sentence
from spikewire.apps.cli.old_spellings import modernised
from spikewire.apps.cli.output import complain
from spikewire.apps.cli.signals import endless
from spikewire.apps.continual import command as _continual
from spikewire.apps.dashboard import command as _dashboard
from spikewire.apps.demo import command as _demo
from spikewire.apps.gesture import command as _gesture
from spikewire.apps.recordings import convert as _convert
from spikewire.apps.recordings import info as _info
from spikewire.apps.recordings import simulate as _simulate
from spikewire.apps.replay import command as _replay
from spikewire.apps.service import bridge as _bridge
from spikewire.apps.service import config as _config
from spikewire.apps.service import record as _capture
from spikewire.apps.service import requests as _ask
from spikewire.apps.service import run as _run
from spikewire.apps.service import teach as _teach
from spikewire.apps.service import watch as _watch
from spikewire.apps.sweep import command as _sweep
from spikewire.apps.training import evaluate as _evaluate
from spikewire.apps.training import memory as _memory
from spikewire.apps.training import train as _train

app = typer.Typer(
    name="spikewire",
    help="Turn the events of a DVS camera into classes, and teach it while it runs.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    _demo.demo,
    _run.run,
    _watch.watch,
    _gesture.gesture,
    _dashboard.dashboard,
    _teach.teach,
    _teach.play,
    _replay.replay,
    _info.info,
    _capture.record,
    _config.config,
    _convert.convert,
    _simulate.simulate,
    _train.train,
    _evaluate.evaluate,
    _continual.continual,
    _memory.memory,
    _sweep.sweep,
    _ask.status,
    _ask.learn,
    _ask.undo,
    _ask.checkpoint,
    _bridge.bridge,
):
    app.command()(_command)

bench = typer.Typer(help="Measurements anybody can repeat.", add_completion=False)
bench.command()(gestures.gestures)
bench.command()(core.core)
bench.command()(decide.decide)
bench.command()(decode.decode)
bench.command()(simulator.simulator)
bench.command()(latency.latency)
bench.command()(subscribers.subscribers)
bench.command()(soak.soak)
bench.command()(dashboards.dashboards)
bench.command()(twin.twin)
bench.command()(fewshot.fewshot)
bench.command()(teachme.teachme)
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

    Mistakes of the user, and of the outside world, become one sentence on standard error. What
    nobody foresaw keeps its traceback.
    """
    # Commands say what matters themselves; the packages' logs are for programs that want them.
    logging.getLogger("spikewire").addHandler(logging.NullHandler())
    arguments = modernised(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=arguments, prog_name="spikewire", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = "spikewire" if context is None else context.command_path
        complain(f"{error.format_message().rstrip('.')} (see {command} --help)")
        return error.exit_code
    except BaseException as error:
        if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves(error)):
            return _interrupted(arguments)
        if any(isinstance(leaf, BrokenPipeError) for leaf in leaves(error)):
            return _reader_left()
        told = sentence(error)
        if told is None:
            raise
        complain(told[0])
        return told[1]
    # Without standalone mode an Exit comes back as its code; Ctrl-C as 130.
    if code == 130:
        return _interrupted(arguments)
    return code if isinstance(code, int) else DONE


def _interrupted(arguments: Sequence[str] | None) -> int:
    if endless(arguments):
        return DONE
    complain("interrupted")
    return FAILED


def _reader_left() -> int:
    # `spikewire ... | head` is not a mistake. Standard output is replaced so that the
    # interpreter's last flush finds somebody to write to.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
