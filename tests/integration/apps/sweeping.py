"""Sweeps of a tiny network, for tests of the command and of the cluster."""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps import commands as cli
from spikewire.apps.sweep.plan import NO_NETWORK

TINY = """
tick_us = 2000

[[layers]]
kind = "conv"
channels = 8
kernel = 5
stride = 4
pad = 2
threshold = 20000
slope = 9

[learning]
burn_in = 10
cadence = 5

[readout]
every = 5
"""


def words(tiny: Path, data: Path, *more: str) -> list[str]:
    out = tiny.parent / "out"
    return [
        "sweep", str(data), "--model", str(tiny), "--out", str(out),
        "--show", "80ms", "--batch", "8", *more,
    ]  # fmt: skip


def told(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> list[dict[str, Any]]:
    pytest.importorskip("distributed")
    assert cli.run([*arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def rows(tiny: Path) -> list[dict[str, str]]:
    """Rows of networks in the file of results."""
    with open(tiny.parent / "out" / "sweep.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["setting"] != NO_NETWORK]


def gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has asked how yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def all_gone(pids: set[int], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not all(gone(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return all(gone(pid) for pid in pids)


@contextlib.contextmanager
def running(arguments: list[str]) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, Any]]]]:
    """A sweep in a session of its own, heard up to its first point begun."""
    with subprocess.Popen(
        [sys.executable, "-m", "spikewire", *arguments, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            heard: list[dict[str, Any]] = []
            while not heard or heard[-1]["type"] != "began":
                heard.append(json.loads(process.stdout.readline()))
            yield process, heard
        finally:
            process.kill()


def without_patience(err: str) -> str:
    """Leave out the note that kernels take long to load, as they do on a busy machine."""
    return "".join(line for line in err.splitlines(True) if "compiling kernels" not in line)
