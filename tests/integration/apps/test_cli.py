"""How the command line answers to good and bad words, without a service."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spikewire.apps import commands as cli

COMMANDS = (
    "demo", "run", "watch", "gesture", "teach", "play", "replay", "info", "show", "render",
    "train", "evaluate", "memory", "sweep", "status", "learn", "checkpoint", "bridge",
)  # fmt: skip


def test_version() -> None:
    told = CliRunner().invoke(cli.application(), ["--version"])
    assert told.output == f"spikewire {metadata.version('spikewire')}\n"
    assert told.exit_code == 0


def test_without_a_command_it_helps() -> None:
    told = CliRunner().invoke(cli.application(), [])
    assert told.exit_code == 0
    assert all(command in told.output for command in COMMANDS)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["bench"], ["bench", "--help"]])
def test_lists_of_commands_are_those_of_the_loaded_commands(
    words: list[str],
) -> None:
    loaded = CliRunner().invoke(cli.application(), words).output
    assert CliRunner().invoke(cli.application(words), words).output == loaded


def test_lists_of_commands_load_none() -> None:
    program = (
        "import sys; from spikewire.apps import commands\n"
        "codes = [commands.run(words) for words in (['--help'], ['bench', '--help'], ['fly'])]\n"
        "heavy = {'numpy', 'numba', 'trio', 'faery'} & set(sys.modules)\n"
        "assert (codes, heavy) == ([0, 0, 2], set()), (codes, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [*COMMANDS, "bench"])
def test_each_command_explains_itself(command: str) -> None:
    told = CliRunner().invoke(cli.application(), [command, "--help"])
    assert told.exit_code == 0
    assert f"spikewire {command}" in told.output or f"{command} [OPTIONS]" in told.output


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["fly"], "No such command 'fly'"),
        (["watch", "--fast"], "No such option: --fast"),
        (["watch", "-c", "nowhere"], "'nowhere' is not HOST:PORT"),
        (["run"], "--source"),
        (["run", "--source", "sim:", "--resume"], "--resume needs --checkpoint"),
        (["run", "--source", "sim:", "--labels", "both"], "'both'"),
        (["run", "--source", "sim:", "--port", "70000"], "65535"),
        (["run", "--source", "sim:", "--host", "0.0.0.0"], "host"),
        (["run", "--source", "smoke:signals"], "smoke"),
        (["run", "--source", "sim:", "--model", "huge"], "neither a file nor a preset"),
        (["teach"], "label"),
        (["teach", "a", "--for", "5"], "'5' is not a duration"),
        (["teach", "a", "--start", "0ms"], "--play"),
        (["teach", "a", "--for", "1s", "--play", "b"], "not both"),
        (["play", "a", "--speed", "fast"], "'fast' is not a speed"),
        (["learn", "maybe"], "'maybe'"),
        (["replay"], "files"),
        (["replay", __file__, "--learn"], "--labels or --label"),
        (["replay", "x", "--label", "a", "--labels", "b.csv"], "not both"),
        (["demo", "--for", "-1s"], "--for"),
        (["info"], "files"),
    ],
)
def test_wrong_usage_is_one_sentence(
    words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert part.lower() in told.err.lower()
    assert len(told.err.splitlines()) == 1
    assert told.err.startswith("spikewire: ")


def test_a_damaged_model_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"no model at all")
    assert cli.run(["run", "--source", "sim:", "--model", str(model)]) == 1
    told = capsys.readouterr().err
    assert "model.safetensors" in told
    assert len(told.splitlines()) == 1
