"""Recordings with absurd times and long gaps, replayed, and served by real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spikewire.apps import commands
from spikewire.qcore import Network
from spikewire.sensors import EVENT_DTYPE
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


@pytest.mark.parametrize("name", FILES)
def test_a_recording_with_a_gap_ends_by_itself(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, count = write(tmp_path, name), len(FILES[name])
    jumps = int(name != "rest")
    source = ("--source", f"file:{path}", "--model", "gestures", "--port", "0", "--json")
    with subprocess.Popen(command("run", *source), stdout=subprocess.PIPE, text=True) as service:
        try:
            # In this process meanwhile: another one would load everything once more.
            assert commands.run(["replay", str(path), "--model", "gestures", "--json"]) == 0
            out, _ = service.communicate(timeout=patience(60))
        finally:
            service.kill()
    assert service.returncode == 0
    replayed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert replayed[-1]["events"] == count
    results = [line for line in replayed if "t_us" in line]
    last = int(FILES[name][-1].split(",")[0])
    assert last < max(int(str(one["t_us"])) for one in results) <= last + 20_000
    assert {one["segment"] for one in results} == {0}
    summary = json.loads(out.splitlines()[-1])
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


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once_and_the_last_whole_state_is_saved(
    tmp_path: Path, sent: signal.Signals
) -> None:
    events = np.zeros(2_000_000, EVENT_DTYPE)
    events["t"] = 500 * np.arange(len(events))
    events["x"], events["y"] = np.arange(len(events)) % 128, np.arange(len(events)) % 100
    np.save(tmp_path / "long.npy", events)
    config, saved = tmp_path / "config.toml", tmp_path / "saved"
    config.write_text("[service]\nqueue_events = 10000000\nqueue_packets = 100000\ndrain_s = 600\n")
    words = ("run", "--source", f"file:{tmp_path}/long.npy?speed=max&loop=1", "--model", "gestures")
    words += ("--config", str(config), "--checkpoint", str(saved), "--port", "0", "--json")
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert json.loads(running.stdout.readline())["type"] == "listening"
            time.sleep(2)  # it reads much faster than it computes
            running.send_signal(sent)
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(timeout=1)  # it computes what it has received
            began = time.monotonic()
            running.send_signal(sent)
            out, _ = running.communicate(timeout=LIMIT_S)
            took = time.monotonic() - began
        finally:
            running.kill()
    summary = json.loads(out.splitlines()[-1])
    assert running.returncode == 0
    assert took < patience(5)
    assert summary["reason"] == "stopped"
    assert summary["drops"]["not_computed"] > 0
    assert Network.load(Path(summary["checkpoint"])).tick == summary["tick"] > 0
