"""A real browser, and real services in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    """Commands of spikewire that run until they are stopped, the last one first."""

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

    def dashboard(self, *more: str) -> str:
        """Start `spikewire dashboard`; returns the page's address."""
        own = ["--port", "0"] if "--source" in more else []
        return str(self.start("dashboard", "--http-port", "0", *own, *more)["url"])

    def demo(self) -> str:
        """Start `spikewire demo`, which is `make demo`; returns the page's address."""
        process = subprocess.Popen(
            [sys.executable, "-m", "spikewire", "demo", "--for", "0s"], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
        self.running.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("dashboard at "):
                return line.removeprefix("dashboard at ").strip()
        raise AssertionError("the demo has no page")

    def stop(self) -> int:
        """End the last one; returns its exit code."""
        process = self.running.pop()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=patience(30))
        return process.returncode


@contextmanager
def commands_running() -> Iterator[Commands]:
    """Commands that all end well with the block: none computes beside the tests after it."""
    started = Commands()
    yield started
    codes = [started.stop() for _ in list(started.running)]
    assert codes == [0] * len(codes)


@pytest.fixture
def commands() -> Iterator[Commands]:
    """Commands of one test."""
    with commands_running() as started:
        yield started


@pytest.fixture
def dashboard(commands: Commands) -> Callable[..., str]:
    """Starts `spikewire dashboard` with arguments; returns the page's address."""
    return commands.dashboard


@pytest.fixture(scope="module")
def module_dashboard() -> Iterator[Callable[..., str]]:
    """Dashboards that several tests of a module look at."""
    with commands_running() as started:
        yield started.dashboard
