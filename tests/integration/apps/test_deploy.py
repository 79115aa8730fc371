"""What lies in deploy/: its commands are commands of this version."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from spikewire.apps.commands import run

DEPLOY = Path(__file__).parents[3] / "deploy"


def unit() -> list[str]:
    text = (DEPLOY / "spikewire.service").read_text()
    found = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert found is not None
    return shlex.split(found[1])[1:]


def container() -> list[str]:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", "")
    words = json.loads(text[text.index("CMD [") + 4 :])
    return [str(word) for word in words[1:]]


@pytest.mark.parametrize("words", [unit(), container()], ids=["unit", "container"])
def test_the_commands_are_understood(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the source and the paths as they stand there, for a moment on the simulator."""
    token, config = tmp_path / "token", tmp_path / "a.toml"
    token.write_text("a-token-of-this-test")
    config.write_text("[service]\nstats_every_s = 2\n")
    mine = {
        "/token": str(token), "/etc/spikewire.toml": str(config), "0.0.0.0": "127.0.0.1",
        "/state": str(tmp_path / "s"), "/var/lib/spikewire": str(tmp_path / "s"), "7463": "0",
    }  # fmt: skip
    words = [mine.get(word, word) for word in words]
    words[words.index("--source") + 1] = "sim:?duration=0.1&speed=max"
    assert run([*words, "--port", "0", "--json"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said[-1]["reason"] == "source ended"
    assert Path(said[-1]["checkpoint"]).is_file()


def test_the_container_copies_all_packages() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    for package in ("src", "qcore", "sensors", "runtime", "apps"):
        assert f"COPY {package} {package}" in text
