"""Recordings with absurd times and long gaps, replayed and served by real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import patience

pytestmark = pytest.mark.slow
FILES = {
    "far": ("0,1,1,1", "1000,2,2,0", "4611686018427387,3,3,1"),
    "farthest": ("0,1,1,1", "1000,2,2,0", "999999999999999999,3,3,1"),
    "day": ("0,1,1,1", "1000,2,2,0", "86400000000,3,3,1"),
    "h75": ("0,1,1,1", "4500000000,3,3,1"),
    "rest": ("0,1,1,1", "1000,2,2,0", "299000000,3,3,1"),
}
LIMIT_S = 120


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "spikewire", *words]


def write(folder: Path, name: str) -> Path:
    path = folder / f"{name}.csv"
    path.write_text("\n".join(("t,x,y,p", *FILES[name])) + "\n")
    return path


def run(*words: str) -> list[dict[str, object]]:
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=patience(60))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", FILES)
def test_a_recording_with_a_gap_ends_by_itself(tmp_path: Path, name: str) -> None:
    path, count = write(tmp_path, name), len(FILES[name])
    jumps = int(name != "rest")
    replayed = run("replay", str(path), "--model", "gestures", "--json")
    assert replayed[-1]["events"] == count
    results = [line for line in replayed if "t_us" in line]
    last = int(FILES[name][-1].split(",")[0])
    assert last < max(int(str(one["t_us"])) for one in results) <= last + 20_000
    assert {one["segment"] for one in results} == {0}
    served = run("run", "--source", f"file:{path}", "--model", "gestures", "--port", "0", "--json")
    summary = served[-1]
    assert summary["reason"] == "source ended"
    assert (summary["events"], summary["time_jumps"]) == (count, jumps)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_between(tmp_path: Path, sent: signal.Signals) -> None:
    path = write(tmp_path, "far")
    words = ("run", "--source", f"file:{path}?speed=1&loop=1", "--model", "gestures")
    with subprocess.Popen(
        command(*words, "--port", "0", "--json"), stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            assert json.loads(running.stdout.readline())["type"] == "listening"
            running.send_signal(sent)
            out, _ = running.communicate(timeout=LIMIT_S)
        finally:
            running.kill()
    assert running.returncode == 0
    assert json.loads(out.splitlines()[-1])["reason"] == "stopped"
