"""Compiling, as other processes of the user see it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from spikewire._compiling import announced, announced_here


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_others_see_it_while_it_lasts() -> None:
    assert not announced_here()
    with announced():
        assert announced_here()
        with announced():
            assert announced_here()
        assert announced_here()
    assert not announced_here()


def test_a_killed_process_compiles_no_longer() -> None:
    ready, told = os.pipe()
    if (child := os.fork()) == 0:
        with announced():
            os.write(told, b"!")
            signal.pause()
        os._exit(0)
    os.read(ready, 1)
    assert announced_here()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not announced_here()
    os.close(ready)
    os.close(told)


def test_nobody_is_told_where_nothing_can_be_written(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    with announced():
        assert not announced_here()
