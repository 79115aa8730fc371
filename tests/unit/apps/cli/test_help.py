"""The help of every command: one plain phrase for an option, one sentence for a command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from rich.cells import cell_len

from spikewire.apps import commands

FRAGMENT = re.compile(r"(Of|As|What|Who|Whom|Whose|How|Which|Where|Likewise|Such as)\b")
# First words that are no verbs in the imperative.
NO_VERB = re.compile(r"(The|A|An|What|Who|How|It|This|Of|Say)\b")


def every_command() -> Iterator[Any]:
    def walk(command: Any, name: str) -> Iterator[Any]:
        yield pytest.param(command, id=name or "spikewire")
        for part, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, f"{name} {part}".strip())

    return walk(typer.main.get_command(commands.application()), "")


@pytest.mark.parametrize("command", list(every_command()))
def test_each_option_is_explained_by_a_phrase(command: Any) -> None:
    wrong = []
    for parameter in command.params:
        text = parameter.help or ""
        if not text.endswith(".") or FRAGMENT.match(text) or not text[0].isupper():
            wrong.append(f"{parameter.name}: {text!r}")
        # Rich takes [word] for markup and leaves it out, unless it is escaped.
        if re.search(r"(?<!\\)\[[a-z/]", text):
            wrong.append(f"{parameter.name} loses brackets: {text!r}")
    assert wrong == []


@pytest.mark.parametrize("command", list(every_command()))
def test_each_command_is_explained_by_a_sentence_in_the_imperative(command: Any) -> None:
    first = (command.help or "").split("\n\n")[0].replace("\n", " ")
    assert first.endswith(".")
    assert ". " not in first
    assert not NO_VERB.match(first)
    assert not re.search(r"(?<!\\)\[[a-z/]", command.help)


@pytest.mark.parametrize("width", [40, 80, 100, 200])
@pytest.mark.parametrize("words", [name.id.split() for name in every_command()], ids=" ".join)
def test_the_help_fits_the_terminal_and_loses_no_word(
    words: list[str],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", width)
    words = [word for word in words if word != "spikewire"]
    assert commands.run([*words, "--help"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert max(map(cell_len, shown)) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(shown)
