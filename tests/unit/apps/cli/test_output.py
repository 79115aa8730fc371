"""Texts of strangers on their way to a terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from rich.table import Table

from spikewire.apps.cli.output import (
    console,
    print_error,
    print_json,
    print_note,
    print_traceback,
    stderr_console,
)
from spikewire.apps.commands import run

BAD = "a\x1b[2Jb\x9bc\rd\x07e\u202ef\ud800g\x7f"
PLAIN = "a[2Jbcdefg"


def test_consoles_print_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(BAD, show_edge=False)
    table.add_row(BAD)
    for out in (console(), stderr_console()):
        out.print(BAD, markup=False)
        out.print(table, markup=False)
    for text in capsys.readouterr():
        assert text.count(PLAIN) == 3
        assert not set(text) & set("\x1b\x9b\r\x07\x7f\u202e\ud800")


def test_errors_and_notes_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(f"{BAD} cannot be read")
    print_note(BAD)
    assert (
        capsys.readouterr().err
        == f"spikewire: {PLAIN.replace('d', ' d')} cannot be read\nnote: {PLAIN}\n"
    )


def test_a_traceback_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(BAD)
    except ValueError:
        print_traceback(*sys.exc_info())  # type: ignore[arg-type]
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):\n  File ")
    assert told.endswith(f"ValueError: {PLAIN}\n")


def test_json_keeps_the_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": BAD})
    told = capsys.readouterr().out
    assert not set(told) & set("\x1b\x9b")
    assert json.loads(told) == {"name": BAD}


@pytest.mark.parametrize("arguments", [["info", BAD], [BAD], ["info", f"--{BAD}"]])
def test_a_command_line_is_repeated_plainly(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) in (1, 2)
    assert not set(capsys.readouterr().err) & set("\x1b\x9b\r\x07\x7f\u202e\ud800")


@pytest.mark.parametrize("columns", ["", "40"])
def test_a_table_that_no_terminal_shows_is_whole(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    names = [f"a_class_with_a_long_name_{n}" for n in range(12)]
    table = Table("true class", *names)
    table.add_row("none", *(f"{n} of 1,000 recordings" for n in range(12)))
    before = (out := console()).width
    out.print(table)
    _, heads, _, row, _ = capsys.readouterr().out.splitlines()
    assert all(f" {name} " in heads for name in names)
    assert all(f" {n} of 1,000 recordings " in row for n in range(12))
    assert out.width == before


def test_the_settings_of_a_service_are_whole_in_a_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = "a_folder_with_a_long_name_" * 8
    (tmp_path / "s.toml").write_text(f'[service]\nrecord_folder = "{folder}"\n')
    assert run(["config", "--config", str(tmp_path / "s.toml")]) == 0
    assert folder in capsys.readouterr().out
