"""Learners are not lost: shared folders, options that contradict, disks that fail at the end."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spikewire.apps.commands import run
from spikewire.qcore import Network, NetworkSpec, load_preset
from spikewire.runtime import CheckpointError, CheckpointStore

SHORT = ["run", "--source", "sim:?seed=1&duration=0.2&speed=max", "--port", "0"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with a learner of preset edge that knows a and b, grown from seed 5."""
    folder = tmp_path / "saved"
    store = CheckpointStore(folder)
    for _ in range(3):
        store.write(Network.build(load_preset("edge"), ("a", "b"), 5).to_bytes())
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            [],
            "holds a learner already (checkpoint-00000003.safetensors): continue with it",
        ),
        (["--resume", "--model", "gestures"], "the model gestures is another network"),
        (["--resume", "--classes", "a,c,d"], "name c, d, which the learner"),
        (["--resume", "--classes", "a,c"], "it knows a, b"),
        (["--resume", "--model", "edge", "--seed", "6"], "the seed 6 contradicts"),
    ],
)
def test_another_learner_is_refused_and_nothing_touched(
    saved: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    before = contents(saved)
    assert run([*SHORT, "--checkpoint", str(saved), *options]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")
    assert contents(saved) == before


@pytest.mark.parametrize("where", ["file", "dashboard"])
def test_a_file_and_the_dashboard_are_refused_too(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    before = contents(saved)
    if where == "file":
        path = tmp_path / "s.toml"
        path.write_text(
            f"[service]\nport = 0\n[pipelines.one]\nmodel = 'gestures'\n"
            f"source = 'sim:?duration=0.2&speed=max'\ncheckpoint_folder = '{saved}'\n"
        )
        code, says = run(["run", "--config", str(path), "--resume"]), "the model gestures is anot"
    else:
        code = run(["dashboard", "--source", "sim:", "--checkpoint", str(saved), "--port", "0"])
        says = "holds a learner already"
    assert code == 2
    assert says in capsys.readouterr().err.replace("\n", " ")
    assert contents(saved) == before


@pytest.mark.parametrize(
    "options",
    [[], ["--model", "edge"], ["--classes", "b"], ["--model", "edge", "--seed", "5"]],
)
def test_options_that_agree_are_taken(saved: Path, options: list[str]) -> None:
    assert run([*SHORT, "--checkpoint", str(saved), "--resume", *options]) == 0
    assert CheckpointStore(saved).paths()[-1].name == "checkpoint-00000004.safetensors"
    assert not (saved / ".lock").exists()


def test_a_second_service_in_the_folder_is_refused_until_the_first_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "saved"
    command = [
        sys.executable, "-m", "spikewire", "run", "--json", "--source", "sim:?seed=1",
        "--port", "0", "--checkpoint", str(folder),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert json.loads(first.stdout.readline())["type"] == "listening"
        for more in ([], ["--resume"]):
            assert run([*SHORT, "--checkpoint", str(folder), *more]) == 1
            said = capsys.readouterr().err.replace("\n", " ")
            assert f"is in use by process {first.pid}: stop that one first" in said
        first.send_signal(signal.SIGKILL)
    assert run([*SHORT, "--checkpoint", str(folder), "--resume"]) == 0


def test_a_folder_that_cannot_be_made_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run([*SHORT, "--checkpoint", str(tmp_path / "file" / "saved")]) == 1
    told = capsys.readouterr()
    assert "Not a directory" in told.err
    assert "listening" not in told.err


def test_a_last_checkpoint_that_cannot_be_written_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise CheckpointError("A checkpoint cannot be written in there: No space left on device.")

    monkeypatch.setattr(CheckpointStore, "write", refuse)
    command = [*SHORT, "--checkpoint", str(tmp_path / "saved")]
    assert run([*command, "--json"]) == 1
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["results"] > 0
    assert "No space left" in summary["checkpoint_error"]
    assert run(command) == 1
    told = capsys.readouterr().err.replace("\n", " ")
    assert "the learner's last state was not saved: A checkpoint cannot be written" in told


def test_a_recording_of_the_run_that_ends_on_a_full_disk_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from spikewire.sensors import Aedat4Writer, SensorError

    def full(self: Aedat4Writer, *_: object) -> None:
        raise SensorError(f"{self.path} cannot be written: {os.strerror(errno.ENOSPC)}.")

    monkeypatch.setattr(Aedat4Writer, "write", full)
    assert run([*SHORT, "--record", str(tmp_path / "run.aedat4"), "--json"]) == 1
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["results"] > 0
    assert "No space left" in summary["recording_error"]


def test_a_learner_of_an_earlier_version_of_its_preset_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = load_preset("nmnist")
    earlier = NetworkSpec.from_dict({**preset.to_dict(), "version": 1})
    other = NetworkSpec.from_dict({**preset.to_dict(), "tick_us": 2000})
    for name, spec, code in (("earlier", earlier, 0), ("other", other, 2)):
        folder = tmp_path / name
        CheckpointStore(folder).write(Network.build(spec, ("a", "b"), 5).to_bytes())
        words = [*SHORT, "--checkpoint", str(folder), "--resume", "--model", "nmnist"]
        assert run(words) == code
        said = capsys.readouterr().err.replace("\n", " ")
        assert ("another network than the one in" in said) == (code == 2)
