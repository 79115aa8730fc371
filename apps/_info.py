"""`spikewire info`: what a recording holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apps._errors import DONE, FAILED, sentence
from apps._quantities import say_bytes
from apps._say import complain, console, json_line

if TYPE_CHECKING:
    from sensors import Facts


def info(
    files: Annotated[list[Path], typer.Argument(help="Recordings to look into.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file.")] = False,
) -> None:
    """Say what a recording holds: format, size, events, times, and where it is damaged."""
    codes = [_one(path, as_json=as_json, first=number == 0) for number, path in enumerate(files)]
    raise typer.Exit(max(codes))


def _one(path: Path, *, as_json: bool, first: bool) -> int:
    from sensors import inspect

    try:
        facts = inspect(path)
    except Exception as error:
        told = sentence(error)
        if told is None:
            raise
        complain(told[0])
        return told[1]
    record = dataclasses.asdict(facts)
    if as_json:
        json_line(record)
    else:
        _print(facts, first=first)
    return FAILED if facts.damage is not None else DONE


def _print(facts: Facts, *, first: bool) -> None:
    out = console()
    if not first:
        out.print()
    for name, value in _rows(facts):
        out.print(f"[dim]{name:<9}[/]", end="")
        out.print(value, markup=False, soft_wrap=True)


def _rows(facts: Facts) -> list[tuple[str, Any]]:
    rows = [("file", str(facts.path)), ("format", f"{facts.format}, {say_bytes(facts.bytes)}")]
    return rows
