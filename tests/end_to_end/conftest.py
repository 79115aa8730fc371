"""A real browser, and real services in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import patience
from tests.support.programs import needed_program

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, or a skip that says what is missing."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="install playwright to run this test"
    )
    chromium = needed_program("chromium")
    with playwright.sync_playwright() as playing:
        running = playing.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


class Commands:
    """Commands of spikewire that run until the test is over."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> dict[str, Any]:
        """Start one; returns the first line that it says."""
        process = subprocess.Popen(
            [sys.executable, "-m", "spikewire", *arguments, "--json"], stdout=subprocess.PIPE,
            text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
        self.running.append(process)
        assert process.stdout is not None
        said: dict[str, Any] = json.loads(process.stdout.readline())
        return said

    def stop(self) -> int:
        """End the last one; returns its exit code."""
        process = self.running.pop()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=patience(30))
        return process.returncode


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    started = Commands()
    yield started
    codes = [started.stop() for _ in list(started.running)]
    assert codes == [0] * len(codes)


@pytest.fixture(scope="module")
def dashboard(commands: Commands) -> Callable[..., str]:
    """Starts `spikewire dashboard` with arguments; returns the page's address."""

    def start(*more: str) -> str:
        own = ["--port", "0"] if "--source" in more else []
        return str(commands.start("dashboard", "--http-port", "0", *own, *more)["url"])

    return start
