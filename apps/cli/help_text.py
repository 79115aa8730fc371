"""Help as plain text for terminals in which panels would cut words."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from spikewire.apps.cli.output import stderr_console

if TYPE_CHECKING:
    from collections.abc import Iterable

_PANELS = 100
"""Columns from which on help is drawn in panels."""

_NAMES, _ASIDE = 26, 60
"""Columns of the names, where there are so many columns that texts stand beside them."""


class _FittingHelp:
    """Help that fits its terminal."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write panels, or plain text."""
        width = stderr_console().width
        if width >= _PANELS:
            super().format_help(ctx, formatter)  # type: ignore[misc] # that of Typer's class
        else:
            formatter.write(_plain(self, ctx, width))


class HelpCommand(_FittingHelp, TyperCommand):
    """Command whose help fits its terminal."""


class HelpGroup(_FittingHelp, TyperGroup):
    """Group of commands whose help fits its terminal."""


def _plain(command: Any, ctx: Any, width: int) -> str:
    usage = " ".join(["Usage:", ctx.command_path, *command.collect_usage_pieces(ctx)])
    parts = [textwrap.fill(usage, width, subsequent_indent="    ", break_on_hyphens=False)]
    paragraphs = (command.help or "").split("\n\n")
    parts += [_filled(paragraph.replace("\\[", "["), width) for paragraph in paragraphs]
    rows: dict[str, list[tuple[str, str]]] = {"Arguments:": [], "Options:": [], "Commands:": []}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            kind = "Arguments:" if parameter.param_type_name == "argument" else "Options:"
            rows[kind].append((_readable(record[0]), record[1].replace("\\[", "[")))
    for name in getattr(command, "commands", ()):
        summary = (command.commands[name].help or "").split("\n\n")[0]
        rows["Commands:"].append((name, summary))
    parts += ["\n".join([title, *_table(held, width)]) for title, held in rows.items() if held]
    return "\n\n".join(parts) + "\n"


def _readable(names: str) -> str:
    """Return the names of a parameter without Python's names of types."""
    names = re.sub(r" <(int|float)( range)?>", " N", names)
    return re.sub(r" <(bool|list\[\w+\]|Path|str)>", "", names)


def _table(rows: Iterable[tuple[str, str]], width: int) -> Iterable[str]:
    for names, text in rows:
        if width < _ASIDE or len(names) > _NAMES:
            yield _filled(names, width, "  ")
            yield _filled(text, width, "      " if width < _ASIDE else " " * (_NAMES + 4))
        else:
            lines = _filled(text, width, " " * (_NAMES + 4))
            yield f"  {names:<{_NAMES}}  {lines.lstrip()}"


def _filled(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
