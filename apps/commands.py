"""The `spikewire` command: its table of commands, and its exit codes."""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated

import typer

from spikewire._compiling import tell_with
from spikewire.apps.cli.errors import DONE, FAILED, describe, leaf_errors, settle_code
from spikewire.apps.cli.help_text import HelpCommand, HelpGroup
from spikewire.apps.cli.options.old_spellings import modernised
from spikewire.apps.cli.output import compiling_note, print_error
from spikewire.apps.cli.signals import begin, endless
from spikewire.apps.cli.sources import meant
from spikewire.apps.command_table import COMMANDS, MEASUREMENTS, Entry

COMPLETION = "_SPIKEWIRE_COMPLETE"
"""The environment variable by which a shell asks for completions."""


def application(words: Sequence[str] = ()) -> typer.Typer:
    """Build the command line, with as few of its commands as a line of words needs.

    Loading all commands takes most of a second, several times what one of them needs.

    Parameters
    ----------
    words
        The words after ``spikewire``. A command that they begin with is loaded alone. Other words,
        as of the list of commands, load none. Without words all commands are loaded.
    """
    app = typer.Typer(
        name="spikewire",
        help="Classify the events of a DVS camera live, and teach the network while it runs.",
        add_completion=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        cls=HelpGroup,
    )
    app.callback(invoke_without_command=True)(_root)
    first, second = [*words[:2], "", ""][:2]
    if first in COMMANDS:
        _add(app, {first: COMMANDS[first]})
    if first in COMMANDS or list(words) == ["--version"]:
        return app
    bench = typer.Typer(help="Run repeatable measurements.", add_completion=False, cls=HelpGroup)
    if first == "bench" and second in MEASUREMENTS:
        _add(bench, {second: MEASUREMENTS[second]})
    else:
        (_list if words and _lists(second) else _add)(bench, MEASUREMENTS)
    if first != "bench":
        (_list if words and _lists(first) else _add)(app, COMMANDS)
    app.add_typer(bench, name="bench")
    return app


def _lists(word: str) -> bool:
    """Tell whether a word that is no command leads to the list of commands, or to an error."""
    return word in ("-h", "--help") or not word.startswith("-")


def _list(app: typer.Typer, table: Mapping[str, Entry]) -> None:
    """Add commands that can be listed, and not run."""
    for name, entry in table.items():
        app.command(name, help=entry.summary)(_unloaded)


def _unloaded() -> None:
    raise AssertionError("a command that is run is loaded")


def _add(app: typer.Typer, table: Mapping[str, Entry]) -> None:
    for name, entry in table.items():
        # No function can be called ``import``.
        loaded = import_module(f"spikewire.apps.{entry.module}")
        function = getattr(loaded, name, None) or getattr(loaded, f"{name}_network")
        app.command(name, cls=HelpCommand, help=_unwrapped(function.__doc__ or ""))(function)


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph, which the terminal's width breaks anew."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"spikewire {metadata.version('spikewire')}")
        raise typer.Exit


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
    if not arguments and COMPLETION not in os.environ:
        arguments = ["start"]
    tell_with(compiling_note())
    try:
        app = application(arguments)
        begin()
        code = app(args=arguments, prog_name="spikewire", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = "spikewire" if context is None else context.command_path
        said = error.format_message().rstrip(".") + meant(arguments)
        print_error(f"{said} (see {command} --help)")
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
        return settle_code(*described, arguments)
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
