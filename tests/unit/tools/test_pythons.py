"""Other Pythons are found, and only those that are what their names say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import pythons


def shim(path: Path, says: str, code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_a_python_is_what_it_says_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    assert pythons.find_python("3.12") is None
    there = shim(tmp_path / "bin" / "python3.12", "3.12")
    assert pythons.find_python("3.12") == str(there)
    # A shim of pyenv whose version is not set up, beside the interpreter itself.
    shim(tmp_path / "bin" / "python3.13", "command not found", 127)
    kept = shim(tmp_path / "versions" / "3.13.0" / "bin" / "python", "3.13")
    assert pythons.find_python("3.13") is None
    assert pythons.find_python("3.13", tmp_path / "versions") == str(kept)


def test_modules_that_a_python_cannot_compile_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pythons, "ROOT", tmp_path)
    monkeypatch.setattr(pythons, "PACKAGES", ("part",))
    monkeypatch.setattr(pythons, "VERSIONS", ("3.12",))
    monkeypatch.setattr(pythons, "find_python", lambda version: sys.executable)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "good.py").write_text("x = 1\n")
    assert pythons.main(["--compile"]) == 0
    (tmp_path / "part" / "bad.py").write_text("x = (\n")
    assert pythons.main(["--compile"]) == 1
    assert "failed with Python 3.12" in capsys.readouterr().err
