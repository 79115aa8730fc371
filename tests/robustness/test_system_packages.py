"""The script that installs programs for tests: it waits, it shows errors, and it always goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "system-packages.sh"
TOOLS = ("date", "grep", "head", "mktemp", "rm", "sed", "sh", "sleep", "tail", "timeout")
PROGRAMS = ("chromium", "nats-server", "curl")
BUSY = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1 (apt-get)"
ERROR = "E: Failed to fetch http://deb.debian.org/nodejs.deb  502  Bad Gateway"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs for PATH: all that the script needs, but Node.js is missing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or pytest.skip(f"there is no {name}"))
    for name in PROGRAMS:
        put(folder, name, "exit 0")
    put(folder, "id", "echo 0")
    return folder


def put(folder: Path, name: str, body: str) -> None:
    """Write a program of the shell."""
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def told(machine: Path, patience_s: int = 60) -> str:
    """Run the script; returns the lines that it prints."""
    done = subprocess.run(
        [str(SCRIPT)], env={"PATH": str(machine), "PATIENCE": str(patience_s)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_nothing_is_said_where_all_is_there(machine: Path) -> None:
    put(machine, "node", "exit 0")
    put(machine, "apt-get", "echo called; exit 1")
    assert told(machine) == ""


def test_a_busy_package_manager_is_waited_for(machine: Path) -> None:
    put(
        machine,
        "apt-get",
        f'[ "$2" = update ] || [ -e "{machine}/free" ] || '
        f'{{ : >"{machine}/free"; echo "{BUSY}" >&2; exit 100; }}\nexit 0',
    )
    heard = told(machine)
    assert "installing nodejs" in heard
    assert "waiting for a busy package manager, up to 60 s" in heard
    assert "not installed" not in heard
    assert (machine / "free").exists()


def test_waiting_has_an_end(machine: Path) -> None:
    put(machine, "apt-get", f'echo "{BUSY}" >&2; exit 100')
    heard = told(machine, patience_s=0)
    assert BUSY in heard
    assert "nodejs is not installed; tests that need it skip" in heard


def test_the_installer_s_own_error_is_shown(machine: Path) -> None:
    put(machine, "apt-get", f'[ "$2" = update ] || {{ echo noise; echo "{ERROR}"; exit 100; }}')
    heard = told(machine)
    assert ERROR in heard
    assert "noise" not in heard
    assert "nodejs is not installed; tests that need it skip" in heard


@pytest.mark.parametrize(
    ("program", "body", "part"),
    [("id", "echo 1000", "only root can install them"), (None, "", "there is no apt-get")],
)
def test_where_nothing_can_be_installed_it_is_said(
    machine: Path, program: str | None, body: str, part: str
) -> None:
    if program is not None:
        put(machine, program, body)
        put(machine, "apt-get", f'echo called >"{os.devnull}"; exit 1')
    heard = told(machine)
    assert part in heard
    assert "nodejs" in heard
