"""Fixtures of the tests of commands."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.apps.sweeping import TINY
from tests.support.services import digits, running, serving

__all__ = ["digits", "running", "serving"]


@pytest.fixture(scope="module")
def another_dask() -> Iterator[None]:
    """Take the port that Dask would like for its dashboard: sweeps have to live beside another."""
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        except OSError:
            pass  # somebody has it already, which is as good
        yield


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path
