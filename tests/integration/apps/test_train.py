"""`spikewire train`: learning, going on after a kill, and wrong usage in one sentence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewire.apps import commands as cli
from spikewire.apps.training.binned_dataset import BinnedDataset
from spikewire.apps.training.trainer import TrainingPlan, presented
from spikewire.qcore import Network, load_preset
from spikewire.sensors import draw_empty_scene, open_dataset
from tests.support.patience import patience

# The presets' burn-in is 100 ticks, more than the invented recordings are long.
SHOW = ("--show", "160ms")


def words(data: Path, out: Path, *more: str) -> list[str]:
    return ["train", str(data), "--out", str(out), "--batch", "8", *SHOW, *more]


def train(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert cli.run([*arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.slow
def test_it_learns_and_repeats(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    told = train(capsys, *words(digits, one, "--passes", "2", "--seed", "1"))
    train(capsys, *words(digits, two, "--passes", "2", "--seed", "1"))
    assert one.read_bytes() == two.read_bytes()
    start, *passes, done = told
    assert (start["learn"], start["validate"], start["ticks"]) == (40, 10, 160)
    assert [record["pass"] for record in passes] == [1, 2]
    assert passes[-1]["accuracy"] >= 0.8
    assert done.pop("no_network")["accuracy"] == 1
    assert done.pop("calibration") == {}  # too short for a margin
    assert done == {"type": "done", "out": str(one), "accuracy": passes[-1]["accuracy"]}
    assert passes[-1]["local"] == [None, None, None]  # edge's layers stay as drawn
    assert all(0 < share < 0.5 for share in passes[-1]["activity"])
    assert not list(tmp_path.glob("*.unfinished"))
    other = tmp_path / "other"
    train(capsys, *words(digits, other, "--passes", "2", "--seed", "2"))
    assert other.read_bytes() != one.read_bytes()


@pytest.mark.slow
def test_killed_again_and_again_it_gives_the_same_bytes(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    more = ("--passes", "12", "--seed", "3", "--shift", "2", "--save-every", "0ms")
    curve = train(capsys, *words(digits, whole, *more))[1:-1]
    unfinished = tmp_path / "killed.unfinished"
    kills = 0
    for wait in (0.0, 0.03, 0.07, 0.11):
        before = unfinished.read_bytes() if unfinished.exists() else b""
        running = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "spikewire",
                *words(digits, killed, *more, "--resume", "--json"),
            ],
            stdout=subprocess.PIPE,
        )
        deadline = time.monotonic() + 120
        while running.poll() is None and time.monotonic() < deadline:
            if unfinished.exists() and unfinished.read_bytes() != before:
                time.sleep(wait)
                os.kill(running.pid, signal.SIGKILL)
                break
            time.sleep(0.002)
        kills += running.wait() == -signal.SIGKILL
        running.communicate()
    assert kills >= 2
    assert not killed.exists()
    told = train(capsys, *words(digits, killed, *more, "--resume"))
    assert told[0]["resumed_at"] != [0, 0]
    assert killed.read_bytes() == whole.read_bytes()
    assert told[-1]["accuracy"] == curve[-1]["accuracy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]
    # Once more changes nothing: there is nothing left to do.
    assert cli.run(words(digits, killed, *more, "--resume")) == 0
    assert killed.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    arguments = words(digits, out, "--passes", "500", "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "spikewire", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        for _ in range(2):  # the start, and the first pass; then there is a point to go on from
            running.stdout.readline()
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=patience(30))
    assert running.returncode == 1
    last = told.splitlines()[-1]
    assert last == f"spikewire: interrupted; --resume goes on from {out}.unfinished"
    assert "Traceback" not in told
    assert (tmp_path / "m.unfinished").exists()


@pytest.fixture
def unfinished(digits: Path, tmp_path: Path) -> Path:
    """A training that was interrupted before its second pass."""
    from spikewire.apps.training import resume, trainer
    from spikewire.apps.training.binned_dataset import BinnedDataset, choose

    data = open_dataset(digits)
    network = Network.build(load_preset("edge"), data.classes, 0)
    learn, held = choose(data, "train"), choose(data, "validation")
    settings = {
        "model": "edge",
        "network": "other",
        "data": resume.data_digest(learn, held),
        "passes": 3,
    }
    position = trainer.Progress(number=1)
    assert BinnedDataset(data, network.spec).ticks == 300
    resume.save(tmp_path / "m.unfinished", settings, position, network)
    return tmp_path / "m.unfinished"


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    assert cli.run(list(arguments)) == code
    told = capsys.readouterr()
    assert told.out == ""
    lines = [line for line in told.err.splitlines() if line.startswith("spikewire: ")]
    assert len(lines) == 1
    assert "Traceback" not in told.err
    return lines[0]


def test_going_on_otherwise_than_begun_is_refused(
    unfinished: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = unfinished.with_name("m")
    told = refused(capsys, 2, *words(digits, out, "--passes", "3"))
    assert "m.unfinished is an unfinished training: give --resume, or remove it" in told
    told = refused(capsys, 2, *words(digits, out, "--passes", "3", "--resume"))
    assert "was begun with network other, not" in told


def test_a_damaged_point_to_go_on_from(
    unfinished: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = unfinished.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\x00" * 40, b"\x93\x01\x02\x03"):
        unfinished.write_bytes(damaged)
        told = refused(capsys, 1, *words(digits, unfinished.with_name("m"), "--resume"))
        assert "m.unfinished is damaged; remove it to start anew" in told


@pytest.mark.parametrize(
    ("more", "part", "code"),
    [
        (["--model", "huge"], "huge is neither a file nor a preset (gestures, edge,", 2),
        (["--passes", "0"], "--passes", 2),
        (["--batch", "2000"], "1024", 2),
        (["--shift", "-1"], "--shift", 2),
        (["--show", "300"], "'300' is not a duration", 2),
        (["--plot", "/nowhere/a.png"], "--plot /nowhere/a.png: there is no folder /nowhere", 2),
    ],
)
def test_wrong_settings(
    more: list[str], part: str, code: int, digits: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert part in refused(capsys, code, *words(digits, tmp_path / "m", *more))
    assert not list(tmp_path.iterdir())


def test_wrong_data(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "m"
    assert "nowhere does not exist" in refused(capsys, 2, *words(Path("/nowhere"), out))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "is empty: it needs folders 0 to 9" in refused(capsys, 1, *words(empty, out))
    (empty / "a").mkdir()
    bent = empty / "a" / "1.bin"
    bent.write_bytes((digits / "0" / "00000.bin").read_bytes()[:-3])
    told = refused(capsys, 1, *words(empty, out, "--no-validate"))
    assert "a/1.bin is damaged at byte 2,395" in told
    bent.write_bytes(bent.read_bytes()[:-2])
    told = refused(capsys, 1, *words(empty, out))
    assert "1 recordings, too few to hold a fifth back" in told
    assert "/nowhere" in refused(capsys, 2, *words(digits, Path("/nowhere/m")))


def test_plots_name_the_extra_that_brings_them(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    plot = str(tmp_path / "a.png")
    told = refused(capsys, 2, *words(digits, tmp_path / "m", "--plot", plot))
    assert "pip install 'spikewire[plot]'" in told


@pytest.mark.slow
def test_plots(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    out, plot = tmp_path / "m", tmp_path / "a.png"
    more = ("--passes", "1", "--no-validate", "--plot", str(plot))
    told = train(capsys, *words(digits, out, *more))
    assert told[0]["validate"] == 0
    assert told[1]["accuracy"] is None
    assert plot.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.data
def test_the_parts_are_those_of_the_float_twin(data_dir: Path) -> None:
    from spikewire.apps.training.binned_dataset import choose
    from spikewire.apps.training.split import nmnist_split

    data = open_dataset(data_dir / "nmnist")
    learn, validate = nmnist_split(data_dir / "nmnist")
    assert (len(learn), len(validate)) == (800, 200)
    assert [(s.path, int(s.label)) for s in choose(data, "train")] == learn
    assert [(s.path, int(s.label)) for s in choose(data, "validation")] == validate


def test_widths_that_cannot_learn_are_said_or_refused(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset, out = tmp_path / "deaf.toml", tmp_path / "m"
    text = """
        [[layers]]
        kind = "conv"
        channels = 4
        stride = 4
        threshold = 9000
        [widths]
        q = 4
        p = 5
    """
    preset.write_text(text)
    given = words(digits, out, "--model", str(preset), "--passes", "1")
    assert cli.run(given) == 0
    says = "layers[0] can never learn: its trace P of 5 bits, behind a Q of 4, never leaves zero"
    assert f"note: {says}" in capsys.readouterr().err.replace("\n", " ")
    preset.write_text("version = 2\n" + text)
    assert says in refused(capsys, 2, *given)


@pytest.mark.slow
def test_distortion_is_drawn_from_the_seed_and_kept_over_a_resume(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, one, two = (tmp_path / name for name in ("plain", "one", "two"))
    train(capsys, *words(digits, plain, "--passes", "1"))
    told = train(capsys, *words(digits, one, "--passes", "1", "--distort", "sensor"))
    train(capsys, *words(digits, two, "--passes", "1", "--distort", "sensor"))
    assert told[0]["distort"] == "sensor"
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes() != plain.read_bytes()
    reports = []
    for more in ((), ("--distort", "sensor"), ("--distort", "sensor")):
        assert cli.run(["evaluate", str(one), str(digits), *SHOW, *more, "--json"]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[1] == reports[2]
    assert reports[0]["activity"] != reports[1]["activity"]
    assert reports[1]["distort"] == "sensor"
    assert cli.run(words(digits, plain, "--distort", "fog")) == 2
    assert "fog is no kind of distortion" in capsys.readouterr().err


def test_half_of_each_portion_stays_plain(digits: Path) -> None:
    data = open_dataset(digits)
    binned = BinnedDataset(data, load_preset("edge"), 160_000)
    plan = TrainingPlan(1, 8, seed=4, distort="sensor")
    shown = presented(binned, data.samples, plan, 0, range(8))
    changed = [
        len(a) != len(b) or not np.array_equal(a.x, b.x)
        for a, b in zip(shown, (binned.events(s) for s in data.samples[:8]), strict=True)
    ]
    assert changed == [False, True] * 4


def test_half_of_the_distorted_non_gestures_are_noise_alone(digits: Path) -> None:
    data = open_dataset(digits)
    binned = BinnedDataset(data, load_preset("edge"), 160_000)
    plan = TrainingPlan(1, 8, seed=4, distort="sensor")
    others = [replace(sample, label="other_gestures") for sample in data.samples[:8]]
    empty = []
    for number in range(8):
        shown = presented(binned, others, plan, number, range(8))
        usual = presented(binned, data.samples, plan, number, range(8))
        for place in range(8):
            a, b = shown[place], usual[place]
            if place % 2 == 0:
                assert np.array_equal(a.x, b.x)
                continue
            rng = np.random.default_rng([4, number, place, 0xD157])
            empty.append(bool(rng.integers(2)))
            if empty[-1]:
                sensor = draw_empty_scene(rng)
                hz = sensor.noise_hz, sensor.hot_hz
                noise, each = (one * binned.ticks // 1000 for one in hz)
                assert len(a.x) == noise + sensor.hot * each
            else:
                assert not np.array_equal(a.x, binned.events(others[place]).x)
    assert 4 < sum(empty) < 28
