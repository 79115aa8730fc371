"""Commands whose options come in groups, and old spellings of options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer

from spikewire.apps.cli.options.groups import given, grouped
from spikewire.apps.cli.options.old_spellings import OLD, modernised


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    front: Annotated[str, typer.Option("--front", "-f", metavar="NAME", help="Front colour.")]
    back_side: Annotated[str | None, typer.Option(help="Back colour.")] = None
    glossy: Annotated[bool, typer.Option("--glossy/--matt", help="Finish.")] = False


DEFAULT = Colours(front="red")
seen: list[tuple[str, Colours, bool]] = []
typed: dict[str, object] = {}


@grouped
def paint(
    wall: Annotated[str, typer.Argument(help="Wall to paint.")],
    colours: Colours = DEFAULT,
    quick: Annotated[bool, typer.Option("--quick", help="Paint once only.")] = False,
) -> None:
    """Paint a wall."""
    seen.append((wall, colours, quick))
    typed.clear()
    typed.update(given(colours))


@grouped
def needs_a_colour(colours: Colours) -> None:
    """Paint without a default."""
    seen.append(("", colours, False))


def run(command: object, *words: str) -> object:
    app = typer.Typer(add_completion=False)
    app.command()(command)  # type: ignore[type-var]
    return app(list(words), standalone_mode=False)


def test_a_command_gets_its_groups_with_the_defaults_of_its_own() -> None:
    seen.clear()
    run(paint, "north")
    run(paint, "south", "-f", "blue", "--back-side", "green", "--glossy", "--quick")
    blue = Colours(front="blue", back_side="green", glossy=True)
    assert seen == [("north", DEFAULT, False), ("south", blue, True)]


def test_an_option_without_a_default_has_to_be_given() -> None:
    with pytest.raises(typer.TyperException, match="front"):
        run(needs_a_colour)


def test_help_lists_options_in_the_order_of_the_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(paint, "--help")
    shown = capsys.readouterr().out
    assert "Paint a wall." in shown
    order = [shown.index(name) for name in ("--front", "--back-side", "--glossy", "--quick")]
    assert order == sorted(order)
    assert "default: red" in shown


def test_options_that_are_given_are_named_as_the_user_types_them() -> None:
    seen.clear()
    run(paint, "west", "-f", "red", "--back-side", "green", "--matt")
    assert typed == {"front": "red", "back-side": "green", "glossy": False}
    run(paint, "west")
    assert typed == {}


def test_two_options_of_one_name_are_refused() -> None:
    def command(colours: Colours, glossy: bool = False) -> None: ...

    command.__annotations__ = {"colours": Colours, "glossy": bool, "return": None}
    with pytest.raises(TypeError, match="glossy"):
        grouped(command)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("demo --seconds 2.5", "demo --for 2.5s"),
        ("demo --untrained --seconds=0", "demo --untrained --for 0s"),
        ("run --http 9 -- --http 9", "run --http-port 9 -- --http 9"),
        ("bench soak --json --minutes 3", "bench soak --json --for 3min"),
        ("demo --seconds", "demo --for"),
        ("watch --http 9", "watch --http 9"),
        ("", ""),
    ],
)
def test_old_spellings_are_understood_and_named(old: str, new: str) -> None:
    notes: list[str] = []
    assert list(modernised(old.split(), notes.append)) == new.split()
    assert len(notes) == (old != new and old != "demo --seconds")


def test_every_new_spelling_exists() -> None:
    from spikewire.apps.commands import application

    root = typer.main.get_command(application())
    for (command, old), (new, _) in OLD.items():
        found = root
        for word in command.split():
            found = found.commands[word]  # type: ignore[attr-defined]
        names = {name for parameter in found.params for name in parameter.opts}
        assert old not in names
        assert not new or new in names
